"""Nothing leaves to an address that is not public, unless the operator has opened it."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from aggregates.errors import DomainError
from engine.demo.receivers import HttpReceiver
from tests.support.outgoing import deliveries, webhook
from tests.support.receivers import in_turn
from workers.delivery.outbound import Outbound

INSIDE = """
127.0.0.1 127.1 2130706433 0x7f.1 0177.0.0.1 0.0.0.0 0 localhost localhost. LOCALHOST 10.0.0.1 172.16.0.1
172.31.255.255 192.168.1.1 169.254.169.254 2852039166 100.64.0.1 192.0.2.1 198.18.0.1 224.0.0.1 255.255.255.255
[::1] [::] [::ffff:127.0.0.1] [::ffff:a9fe:a9fe] [::7f00:1] [64:ff9b::7f00:1] [64:ff9b:1::a9fe:a9fe]
[2002:7f00:1::] [2001:0:1::1] [fe80::1] [fc00::1] [fd00:ec2::254] [fec0::1] [ff02::1] [2001:db8::1] 192.88.99.1
""".split()


@pytest.mark.parametrize("host", INSIDE)
def test_what_is_not_public_is_refused_however_it_is_spelled(host: str) -> None:
    with deliveries() as sender:
        (outcome,) = sender.send_many([webhook(f"http://{host}:9009/", timeout_seconds=2)])
    assert outcome.state == "failed" or outcome.error == "connect.failed"
    if host != "[fe80::1]":  # some resolvers do not know it without a scope
        assert outcome.error in {"outbound.refused", "url.invalid"} or not _resolves(host)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:1.1.1.1"])
def test_public_addresses_are_permitted(address: str) -> None:
    assert Outbound().permits(address)


@pytest.mark.parametrize(
    ("allow", "address", "permitted"),
    [
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "192.168.0.1", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("127.0.0.1", "::ffff:127.0.0.1", True),
        ("[::1]", "::1", True),
        ("hooks.internal", "10.0.0.1", False),
        ("", "not an address", False),
    ],
)
def test_an_operator_opens_exactly_what_is_listed(allow: str, address: str, permitted: bool) -> None:
    assert Outbound([allow] if allow else []).permits(address) is permitted


@pytest.mark.parametrize(
    ("port", "further", "permitted"),
    [
        (80, (), True),
        (443, (), True),
        (1024, (), True),
        (8443, (), True),
        (65535, (), True),
        (25, (), False),
        (22, (), False),
        (1023, (), False),
        (6379, (), False),
        (5432, (), False),
        (25, (25,), True),
        (6379, (25, 6379), True),
        (11211, (25, 6379), False),
    ],
)
def test_a_webhook_uses_ports_of_the_web(port: int, further: tuple[int, ...], permitted: bool) -> None:
    assert Outbound(ports=further).permits_port(port) is permitted


def test_a_port_of_another_trade_is_not_even_asked_for_its_address() -> None:
    with deliveries("127.0.0.1") as sender:
        (outcome,) = sender.send_many([webhook("http://no-such-host.invalid:6379/")])
    assert (outcome.state, outcome.error) == ("failed", "outbound.port_refused")


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """Answers of the name server by name; each question takes the next answer."""
    answers: dict[str, list[list[str]]] = {}
    real = socket.getaddrinfo

    def lookup(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in answers:
            return real(host, port, *rest, **more)
        found = answers[name].pop(0) if len(answers[name]) > 1 else answers[name][0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return answers


def test_one_private_address_among_public_ones_refuses_the_name(names: dict[str, list[list[str]]]) -> None:
    names["mixed.example"] = [["93.184.216.34", "10.0.0.1"]]
    with pytest.raises(DomainError) as refusal:
        asyncio.run(Outbound().resolve("mixed.example", 443))
    assert refusal.value.code == "outbound.refused"


def test_the_connection_goes_to_the_address_that_was_checked(names: dict[str, list[list[str]]]) -> None:
    names["hooks.example"] = [["127.0.0.1"], ["10.255.255.1"]]
    with HttpReceiver() as receiver, deliveries("127.0.0.1") as sender:
        port = receiver.url.rpartition(":")[2]
        (outcome,) = sender.send_many([webhook(f"http://hooks.example:{port}/")])
    assert outcome.state == "succeeded"
    assert receiver.book.latest[0].headers["host"] == f"hooks.example:{port}"


def test_a_name_that_was_public_and_became_private_is_refused_at_the_next_connection(
    names: dict[str, list[list[str]]],
) -> None:
    names["rebind.example"] = [["127.0.0.1"], ["127.0.0.2"]]
    with deliveries("127.0.0.1") as sender, HttpReceiver(respond=in_turn(None, 200)) as receiver:
        port = receiver.url.rpartition(":")[2]
        asked = [webhook(f"http://rebind.example:{port}/")]
        assert sender.send_many(asked)[0].error == "connection.lost"
        assert sender.send_many(asked)[0].error == "outbound.refused"
    assert receiver.book.total == 1


def test_an_allowed_host_may_be_private(names: dict[str, list[list[str]]]) -> None:
    names["hooks.internal"] = [["127.0.0.1"]]
    with HttpReceiver() as receiver, deliveries("Hooks.Internal") as sender:
        port = receiver.url.rpartition(":")[2]
        outcomes = sender.send_many([webhook(f"http://hooks.internal:{port}/"), webhook(receiver.url, 1)])
    assert [outcome.error for outcome in outcomes] == [None, "outbound.refused"]


def _resolves(host: str) -> bool:
    try:
        socket.getaddrinfo(host.strip("[]"), 9, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return True

"""Effects leave once each, signed, to public addresses only, and every failure is an outcome."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregates.errors import DomainError
from engine.clock import SystemClock
from engine.demo.receivers import Answer, HttpReceiver, Received, SmtpReceiver
from engine.secrets import Secrets
from engine.settings import Settings
from tests.support.receivers import in_turn
from workers.delivery import Deliveries, Outcome, Outgoing
from workers.delivery.email import Emails, Relay
from workers.delivery.hosts import REST_LIMIT_SECONDS, Hosts
from workers.delivery.outbound import Outbound
from workers.delivery.webhook import ANSWER_LIMIT, Webhooks, retry_after

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NAMESPACE = UUID(int=1)


def effect(number: int = 0) -> UUID:
    return uuid5(NAMESPACE, str(number))


def deliveries(*allow: str, relay: str = "smtp://127.0.0.1:1", seconds: float = 20) -> Deliveries:
    """The real thing, with pauses of no length."""
    clock = SystemClock()
    emails = Emails(Relay.parse(relay), "Tidegate <hello@example.com>", clock.now, lambda _: 0.0)
    return Deliveries(lambda: Webhooks(Outbound(allow), SECRET, clock.now, lambda _: 0.0), emails, clock, seconds)


@pytest.fixture
def local() -> Iterator[Deliveries]:
    with deliveries("127.0.0.1") as opened:
        yield opened


def webhook(url: str, number: int = 0, attempt: int = 1, **request: Any) -> Outgoing:
    whole = {"method": "POST", "url": url, "headers": {}, "timeout_seconds": 5, "max_attempts": 5, "body": {"a": "b"}}
    return Outgoing(effect(number), "webhook", whole | request, attempt)


def mail(number: int = 0, **request: Any) -> Outgoing:
    whole = {"to": "ann@example.com", "subject": "Hello", "text": "Good day", "max_attempts": 5}
    return Outgoing(effect(number), "email", whole | request)


def answered(sender: Deliveries, *answers: Answer | int | None, **request: Any) -> tuple[Outcome, HttpReceiver]:
    with HttpReceiver(SECRET, in_turn(*answers)) as receiver:
        (outcome,) = sender.send_many([webhook(f"{receiver.url}/hook", **request)])
    return outcome, receiver


# -- webhooks


def test_every_request_of_a_sub_batch_arrives_once_and_genuine(local: Deliveries) -> None:
    with HttpReceiver(SECRET) as receiver:
        outcomes = local.send_many([webhook(f"{receiver.url}/{n}", n, body={"n": n}) for n in range(200)])
    assert {outcome.state for outcome in outcomes} == {"succeeded"}
    assert [outcome.effect_id for outcome in outcomes] == [effect(n) for n in range(200)]
    assert receiver.book.ids == {str(effect(n)) for n in range(200)}
    assert (receiver.book.total, receiver.book.duplicates, receiver.book.forged) == (200, 0, 0)
    received = receiver.book.latest[0]
    assert json.loads(received.body) == {"n": int(received.target.removeprefix("/"))}


def test_a_request_carries_its_key_and_what_the_step_says(local: Deliveries) -> None:
    outcome, receiver = answered(
        local, Answer(201, {"X-Request-Id": "r-1"}), headers={"X-A": "ä", "Accept": "x/y"}, method="PUT"
    )
    (received,) = receiver.book.latest
    assert outcome == Outcome(effect(), "succeeded", provider_id="r-1")
    assert received.method == "PUT" and received.genuine
    assert received.headers["idempotency-key"] == received.headers["webhook-id"] == str(effect())
    assert received.headers["host"] == receiver.url.removeprefix("http://")
    assert received.headers["x-a"].encode("latin-1").decode() == "ä" and received.headers["accept"] == "x/y"
    assert "authorization" not in received.headers and "cookie" not in received.headers


def test_a_get_has_no_body_and_is_signed_all_the_same(local: Deliveries) -> None:
    outcome, receiver = answered(local, 200, method="GET", body=None)
    assert outcome.state == "succeeded"
    assert receiver.book.latest[0].genuine and receiver.book.latest[0].body == b""


def test_a_wrong_signature_is_noticed_by_the_receiver(local: Deliveries) -> None:
    with HttpReceiver(b"another secret") as receiver:
        local.send_many([webhook(receiver.url)])
    assert receiver.book.forged == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_a_passing_failure_is_repeated_at_once_with_the_same_key(local: Deliveries, status: int) -> None:
    outcome, receiver = answered(local, status, 200)
    assert (outcome.state, outcome.tries) == ("succeeded", 2)
    assert (receiver.book.total, receiver.book.distinct, receiver.book.forged) == (2, 1, 0)


def test_quick_tries_end_and_leave_the_rest_for_later(local: Deliveries) -> None:
    outcome, receiver = answered(local, 503)
    assert (outcome.state, outcome.error, outcome.tries) == ("retry", "http.503", 3)
    assert receiver.book.total == 3


def test_a_step_that_asks_for_one_attempt_gets_one(local: Deliveries) -> None:
    assert answered(local, 503, max_attempts=1)[0].tries == 1


def test_a_receiver_that_asks_for_patience_is_left_alone(local: Deliveries) -> None:
    outcome, receiver = answered(local, Answer(429, {"Retry-After": "120"}))
    assert (outcome.state, outcome.retry_after, receiver.book.total) == ("retry", 120.0, 1)


def test_a_host_that_asks_for_patience_is_left_alone_by_everybody(local: Deliveries) -> None:
    with HttpReceiver(SECRET, in_turn(Answer(429, {"Retry-After": "30"}), 200)) as busy:
        local.send_many([webhook(busy.url, 0)])
        resting = local.send_many([webhook(busy.url, n) for n in range(1, 6)])
    assert {(outcome.state, outcome.error, outcome.tries) for outcome in resting} == {("retry", "host.resting", 0)}
    assert {0 < outcome.retry_after <= 2 * REST_LIMIT_SECONDS for outcome in resting if outcome.retry_after} == {True}
    assert busy.book.total == 1


@pytest.mark.parametrize(("per_host", "total"), [(3, 50), (50, 3)])
def test_so_many_requests_are_under_way_at_a_time_and_no_more(per_host: int, total: int) -> None:
    async def together() -> int:
        hosts, under_way, most = Hosts(per_host, total, lambda _: 0.0), 0, 0

        async def one() -> None:
            nonlocal under_way, most
            async with hosts.slot("example.com", asyncio.get_running_loop().time() + 30):
                under_way += 1
                most = max(most, under_way)
                await asyncio.sleep(0)
                under_way -= 1

        await asyncio.gather(*(one() for _ in range(30)))
        return most

    assert asyncio.run(together()) == 3


def test_only_the_host_that_asked_is_left_alone_and_not_for_ever() -> None:
    async def rest() -> None:
        hosts = Hosts(1, 1, lambda _: 0.0)
        hosts.rest("one.example", 86_400)
        left = hosts.rests("one.example")
        assert left is not None
        assert 0 < left <= REST_LIMIT_SECONDS
        assert hosts.rests("two.example") is None
        hosts.rest("two.example", 0)
        assert hosts.rests("two.example") is None

    asyncio.run(rest())


def test_whoever_gets_no_place_in_time_leaves_none_behind() -> None:
    async def late() -> None:
        hosts, now = Hosts(1, 1, lambda _: 0.0), asyncio.get_running_loop().time()
        async with hosts.slot("one.example", now + 30):
            for host in ("one.example", "two.example"):
                with pytest.raises(TimeoutError):
                    async with hosts.slot(host, now):
                        pass
        async with hosts.slot("two.example", now + 30), asyncio.timeout(30):
            assert hosts.rests("two.example") is None

    asyncio.run(late())


@pytest.mark.parametrize("status", [400, 401, 404, 410, 422])
def test_a_refusal_for_good_is_not_repeated(local: Deliveries, status: int) -> None:
    outcome, receiver = answered(local, status)
    assert (outcome.state, outcome.error, receiver.book.total) == ("failed", f"http.{status}", 1)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_failure_and_is_not_followed(local: Deliveries, status: int) -> None:
    with HttpReceiver() as target:
        outcome, _ = answered(local, Answer(status, {"Location": target.url}))
        assert (outcome.state, outcome.error, target.book.total) == ("failed", f"http.{status}", 0)


def test_nobody_knows_whether_a_broken_connection_delivered(local: Deliveries) -> None:
    outcome, receiver = answered(local, None)
    assert (outcome.state, outcome.error, receiver.book.distinct) == ("retry", "connection.lost", 1)
    outcome, receiver = answered(local, None, on_unknown="hold")
    assert (outcome.state, receiver.book.total) == ("unknown", 1)


def test_an_answer_that_takes_too_long_is_not_waited_for(local: Deliveries) -> None:
    outcome, receiver = answered(local, Answer(200, delay=30), timeout_seconds=0.2, on_unknown="hold")
    assert (outcome.state, outcome.error, receiver.book.total) == ("unknown", "timeout", 1)


def test_a_sub_batch_ends_in_its_time_whatever_the_world_does() -> None:
    with (
        HttpReceiver(respond=lambda _: Answer(200, delay=60)) as receiver,
        deliveries("127.0.0.1", seconds=1) as sender,
    ):
        outcomes = sender.send_many([webhook(receiver.url, n, timeout_seconds=30) for n in range(80)])
    assert {(outcome.state, outcome.error) for outcome in outcomes} <= {("retry", "timeout"), ("retry", "not_tried")}
    assert {outcome.tries for outcome in outcomes if outcome.error == "not_tried"} == {0}


def test_an_endpoint_where_nobody_listens_is_tried_again_without_a_doubt(local: Deliveries) -> None:
    with HttpReceiver() as receiver:
        pass
    (outcome,) = local.send_many([webhook(receiver.url, on_unknown="hold")])
    assert (outcome.state, outcome.error, outcome.tries) == ("retry", "connect.failed", 3)


def test_a_huge_answer_is_not_read_to_its_end(local: Deliveries) -> None:
    outcome, _ = answered(local, Answer(200, body=b"x" * (ANSWER_LIMIT * 50)))
    assert outcome.state == "succeeded"
    # The connection was given up; the next request gets a new one.
    assert answered(local, 200)[0].state == "succeeded"


def test_cookies_of_one_endpoint_are_never_sent_again(local: Deliveries) -> None:
    with HttpReceiver(respond=lambda _: Answer(200, {"Set-Cookie": "a=b; Path=/"})) as receiver:
        for number in range(2):
            local.send_many([webhook(receiver.url, number)])
    assert all("cookie" not in received.headers for received in receiver.book.latest)


def test_one_bad_request_does_not_hurt_the_others(local: Deliveries) -> None:
    with HttpReceiver() as receiver:
        outcomes = local.send_many(
            [
                webhook(receiver.url, 0, headers={"X-A": "x\r\nHost: y"}),
                webhook("http://[", 1),
                webhook("http://exa mple/", 2),
                Outgoing(effect(3), "pigeon", {}),
                Outgoing(effect(4), "webhook", {}),
                Outgoing(effect(5), "email", {}),
                webhook(receiver.url, 6),
            ]
        )
    assert [outcome.state for outcome in outcomes] == ["failed"] * 6 + ["succeeded"]
    assert receiver.book.ids == {str(effect(6))}


def test_proxies_of_the_environment_are_not_used(local: Deliveries, monkeypatch: pytest.MonkeyPatch) -> None:
    with HttpReceiver() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert answered(local, 200)[0].state == "succeeded"
        assert proxy.book.total == 0


def test_the_operators_settings_make_a_sender(tmp_path: Any) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path, "outbound_allow": ("127.0.0.0/8",)})
    secrets = Secrets(b"x" * 32)
    with (
        Deliveries.from_settings(settings, secrets) as sender,
        HttpReceiver(secrets.derive("webhook signature")) as receiver,
    ):
        assert sender.send_many([webhook(receiver.url)])[0].state == "succeeded"
    assert receiver.book.forged == 0
    sender.close()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"0", 0.0),
        (b"120", 120.0),
        (b"99999999999", 86_400.0),
        (b"Wed, 04 Mar 2026 05:01:00 GMT", 60.0),
        (b"Wed, 04 Mar 2020 05:01:00 GMT", 0.0),
        (b"soon", None),
        (b"-5", None),
        (b"", None),
        (b"\xb2", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(value: bytes, seconds: float | None) -> None:
    assert retry_after(value, datetime(2026, 3, 4, 5, tzinfo=UTC)) == seconds


@given(st.binary(max_size=60))
def test_no_retry_after_raises(value: bytes) -> None:
    seconds = retry_after(value, datetime(2026, 3, 4, tzinfo=UTC))
    assert seconds is None or 0 <= seconds <= 86_400


# -- the guard

INSIDE = """
127.0.0.1 127.1 2130706433 0x7f.1 0177.0.0.1 0.0.0.0 0 localhost localhost. LOCALHOST 10.0.0.1 172.16.0.1
172.31.255.255 192.168.1.1 169.254.169.254 2852039166 100.64.0.1 192.0.2.1 198.18.0.1 224.0.0.1 255.255.255.255
[::1] [::] [::ffff:127.0.0.1] [::ffff:a9fe:a9fe] [::7f00:1] [64:ff9b::7f00:1] [64:ff9b:1::a9fe:a9fe]
[2002:7f00:1::] [2001:0:1::1] [fe80::1] [fc00::1] [fd00:ec2::254] [fec0::1] [ff02::1] [2001:db8::1] 192.88.99.1
""".split()


@pytest.mark.parametrize("host", INSIDE)
def test_what_is_not_public_is_refused_however_it_is_spelled(host: str) -> None:
    with deliveries() as sender:
        (outcome,) = sender.send_many([webhook(f"http://{host}:9/", timeout_seconds=2)])
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
        (outcome,) = sender.send_many([webhook(f"http://rebind.example:{port}/")])
    assert (outcome.error, receiver.book.total) == ("outbound.refused", 1)


def test_an_allowed_host_may_be_private(names: dict[str, list[list[str]]]) -> None:
    names["hooks.internal"] = [["127.0.0.1"]]
    with HttpReceiver() as receiver, deliveries("Hooks.Internal") as sender:
        port = receiver.url.rpartition(":")[2]
        outcomes = sender.send_many([webhook(f"http://hooks.internal:{port}/"), webhook(receiver.url, 1)])
    assert [outcome.error for outcome in outcomes] == [None, "outbound.refused"]


# -- email


@pytest.fixture
def mailbox() -> Iterator[SmtpReceiver]:
    with SmtpReceiver() as opened:
        yield opened


def test_mail_arrives_once_with_an_id_that_a_repeat_would_have_too(mailbox: SmtpReceiver) -> None:
    with deliveries(relay=f"smtp://127.0.0.1:{mailbox.port}") as sender:
        outcomes = sender.send_many([mail(n, to=f"p{n}@example.com") for n in range(40)])
        assert {outcome.state for outcome in outcomes} == {"succeeded"}
        assert (mailbox.book.total, mailbox.book.duplicates) == (40, 0)
        sender.send_many([mail(0, to="p0@example.com")])
    assert mailbox.book.duplicates == 1
    assert f"<{effect(7)}@example.com>" in mailbox.book.ids
    assert {received.target for received in mailbox.book.latest} == {f"p{n}@example.com" for n in range(40)}


def test_a_message_has_both_bodies_and_the_senders_name(mailbox: SmtpReceiver) -> None:
    with deliveries(relay=f"smtp://127.0.0.1:{mailbox.port}") as sender:
        sender.send_many([mail(subject="Grüße 🎉", text="Schöne Grüße", html="<p>Grüße</p>")])
    message = message_from_bytes(mailbox.book.latest[0].body, policy=policy.SMTP)
    assert message["subject"] == "Grüße 🎉" and message["from"] == "Tidegate <hello@example.com>"
    assert [part.get_content().strip() for part in message.iter_parts()] == ["Schöne Grüße", "<p>Grüße</p>"]


@pytest.mark.parametrize("field", ["subject", "to", "from"])
def test_no_value_adds_a_header_or_a_recipient(mailbox: SmtpReceiver, field: str) -> None:
    with deliveries(relay=f"smtp://127.0.0.1:{mailbox.port}") as sender:
        sender.send_many([mail(0, **{field: "x@example.com\r\nBcc: evil@example.com\r\n\r\nBody"})])
    for received in mailbox.book.latest:
        assert received.target == "ann@example.com" and "bcc" not in received.headers


@pytest.mark.parametrize(
    "to", ["", "ann", "a@b@c", "a@b, c@d", "Ann <a@b.c>", "a b@c.d", "ä@example.com", "a@-b.c", "a@" + "b" * 300]
)
def test_what_is_not_one_plain_address_fails_before_the_server_is_asked(to: str) -> None:
    with deliveries() as sender:
        (outcome,) = sender.send_many([mail(to=to)])
    assert (outcome.state, outcome.error, outcome.tries) == ("failed", "address.invalid", 0)


@pytest.mark.parametrize(
    ("reply", "state", "error"),
    [("550 5.1.1 No such mailbox", "failed", "smtp.550"), ("451 4.7.1 Greylisted", "retry", "smtp.451")],
)
def test_a_refused_recipient_does_not_stop_the_others(reply: str, state: str, error: str) -> None:
    refusing = SmtpReceiver(lambda address: reply if address.startswith("bad") else None)
    with refusing as server, deliveries(relay=f"smtp://127.0.0.1:{server.port}") as sender:
        outcomes = sender.send_many([mail(n, to=f"{'bad' if n % 2 else 'good'}{n}@example.com") for n in range(10)])
    assert [outcome.state for outcome in outcomes] == ["succeeded", state] * 5
    assert {outcome.error for outcome in outcomes} == {None, error}
    assert (server.book.total, server.book.duplicates) == (5, 0)


def test_a_mail_server_that_is_away_is_tried_again_later_and_found_again(mailbox: SmtpReceiver) -> None:
    port = mailbox.port
    with deliveries(relay=f"smtp://127.0.0.1:{port}") as sender:
        assert sender.send_many([mail(0)])[0].state == "succeeded"
        mailbox.stop()
        (outcome,) = sender.send_many([mail(1, on_unknown="hold")])
        assert (outcome.state, outcome.error) == ("retry", "connect.failed")
        with SmtpReceiver().start(port) as back:
            assert sender.send_many([mail(1)])[0].state == "succeeded"
            assert back.book.total == 1


@pytest.mark.parametrize(
    ("url", "relay"),
    [
        ("smtp://mail.example", Relay("mail.example", 25)),
        ("smtp+starttls://ann:p%40ss@mail.example", Relay("mail.example", 587, "starttls", "ann", "p@ss")),
        ("smtps://mail.example:2465", Relay("mail.example", 2465, "tls")),
    ],
)
def test_a_relay_is_read_from_its_url(url: str, relay: Relay) -> None:
    assert Relay.parse(url) == relay
    assert "p@ss" not in repr(relay)


def test_a_url_of_another_kind_is_no_relay() -> None:
    with pytest.raises(ValueError, match="mail server"):
        Relay.parse("http://mail.example")


def _resolves(host: str) -> bool:
    try:
        socket.getaddrinfo(host.strip("[]"), 9, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return True


def test_a_receiver_stops_twice_without_harm() -> None:
    receiver = HttpReceiver(respond=lambda _: Answer()).start()
    receiver.stop()
    receiver.stop()
    assert isinstance(Received("", "GET", "/", {}, b""), Received)

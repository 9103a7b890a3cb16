"""Requests leave once each, signed, and every failure is an outcome."""

from __future__ import annotations

import gc
import json
import socket
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.demo.receivers import Answer, HttpReceiver, Received, SmtpReceiver
from engine.secrets import Secrets
from engine.settings import Settings
from engine.signing import Signing
from tests.support.gates import beginning
from tests.support.outgoing import NAMESPACE, PATIENCE, SECRET, Sending, answered, deliveries, effect, mail, webhook
from workers.delivery import Deliveries, Outcome, Outgoing
from workers.delivery.permit import BEGIN_SECONDS
from workers.delivery.places import Place
from workers.delivery.relay import RELAY
from workers.delivery.webhook import ANSWER_LIMIT, retry_after


def test_every_request_of_a_sub_batch_arrives_once_and_genuine(local: Sending) -> None:
    with HttpReceiver(SECRET) as receiver:
        outcomes = local.send_many([webhook(f"{receiver.url}/{n}", n, body={"n": n}) for n in range(200)])
    assert {outcome.state for outcome in outcomes} == {"succeeded"}
    assert [outcome.effect_id for outcome in outcomes] == [effect(n) for n in range(200)]
    assert receiver.book.ids == {str(effect(n)) for n in range(200)}
    assert (receiver.book.total, receiver.book.duplicates, receiver.book.forged) == (200, 0, 0)
    received = receiver.book.latest[0]
    assert json.loads(received.body) == {"n": int(received.target.removeprefix("/"))}


def test_a_request_carries_its_key_and_what_the_step_says(local: Sending) -> None:
    outcome, receiver = answered(
        local, Answer(201, {"X-Request-Id": "r-1"}), headers={"X-A": "ä", "Accept": "x/y"}, method="PUT"
    )
    (received,) = receiver.book.latest
    assert outcome == Outcome(effect(), "succeeded", provider_id="r-1", arrived=True)
    assert received.method == "PUT" and received.genuine
    assert received.headers["idempotency-key"] == received.headers["webhook-id"] == str(effect())
    assert received.headers["host"] == receiver.url.removeprefix("http://")
    assert received.headers["x-a"].encode("latin-1").decode() == "ä" and received.headers["accept"] == "x/y"
    assert "authorization" not in received.headers and "cookie" not in received.headers


def test_a_get_has_no_body_and_is_signed_all_the_same(local: Sending) -> None:
    outcome, receiver = answered(local, 200, method="GET", body=None)
    assert outcome.state == "succeeded"
    assert receiver.book.latest[0].genuine and receiver.book.latest[0].body == b""


def test_a_wrong_signature_is_noticed_by_the_receiver(local: Sending) -> None:
    with HttpReceiver(b"another secret") as receiver:
        local.send_many([webhook(receiver.url)])
    assert receiver.book.forged == 1


@pytest.mark.parametrize("status", [408, 425, 500, 503])
def test_one_attempt_is_one_call(local: Sending, status: int) -> None:
    outcome, receiver = answered(local, status, 200)
    assert (outcome.state, outcome.error, outcome.tries) == ("retry", f"http.{status}", 1)
    assert receiver.book.total == 1


@pytest.mark.parametrize(
    ("answer", "asked_for"),
    [
        (Answer(429), None),
        (Answer(429, {"Retry-After": "120"}), 120.0),
        (Answer(503, {"Retry-After": "7"}), 7.0),
    ],
)
def test_to_be_asked_for_patience_costs_no_attempt(local: Sending, answer: Answer, asked_for: float | None) -> None:
    outcome, receiver = answered(local, answer)
    assert (outcome.state, outcome.tries, outcome.asked, outcome.arrived) == ("retry", 0, True, True)
    assert (outcome.retry_after, receiver.book.total) == (asked_for, 1)


def test_a_host_that_asks_for_patience_is_left_alone_by_its_project(local: Sending) -> None:
    with HttpReceiver(respond=lambda _: Answer(429, {"Retry-After": "30"})) as busy:
        local.send_many([webhook(busy.url, 0)])
        resting = local.send_many([webhook(busy.url, n) for n in range(1, 6)])
        assert {outcome.begun for outcome in resting} == {False}
        assert busy.book.total == 1
        (other,) = local.send_many([replace(webhook(busy.url, 7), project_id=UUID(int=7))])
        assert other.begun and busy.book.total == 2


def test_nothing_begins_on_a_look_that_is_too_old(local: Sending) -> None:
    """A worker that was frozen, or whose requests took long to make, knows nothing of its job any more."""
    with HttpReceiver() as receiver, SmtpReceiver() as mailbox:
        with deliveries("127.0.0.1", relay=f"smtp://127.0.0.1:{mailbox.port}") as sender:
            flight = sender.begin([webhook(receiver.url), mail(1)], sender.monotonic() - BEGIN_SECONDS)
            assert flight.wait(PATIENCE)
        assert {(found.state, found.begun, found.tries) for found in flight.landed()} == {("retry", False, 0)}
        assert receiver.book.total == mailbox.book.total == 0


def test_nothing_begins_once_it_is_told_to_stop(local: Sending) -> None:
    with HttpReceiver() as receiver:
        local.stop()
        (outcome,) = local.send_many([webhook(receiver.url)])
    assert (outcome.begun, receiver.book.total) == (False, 0)


@pytest.mark.parametrize("status", [400, 401, 404, 410, 422])
def test_a_refusal_for_good_is_not_repeated(local: Sending, status: int) -> None:
    outcome, receiver = answered(local, status)
    assert (outcome.state, outcome.error, receiver.book.total) == ("failed", f"http.{status}", 1)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_failure_and_is_not_followed(local: Sending, status: int) -> None:
    with HttpReceiver() as target:
        outcome, _ = answered(local, Answer(status, {"Location": target.url}))
        assert (outcome.state, outcome.error, target.book.total) == ("failed", f"http.{status}", 0)


def test_nobody_knows_whether_a_broken_connection_delivered(local: Sending) -> None:
    outcome, receiver = answered(local, None)
    assert (outcome.state, outcome.error, receiver.book.distinct) == ("retry", "connection.lost", 1)
    outcome, receiver = answered(local, None, on_unknown="hold")
    assert (outcome.state, receiver.book.total) == ("unknown", 1)


def test_an_answer_that_takes_too_long_is_not_waited_for(local: Sending) -> None:
    outcome, receiver = answered(local, Answer(200, delay=30), timeout_seconds=0.2, on_unknown="hold")
    assert (outcome.state, outcome.error, receiver.book.total) == ("unknown", "timeout", 1)


def test_an_endpoint_where_nobody_listens_is_tried_again_without_a_doubt(local: Sending) -> None:
    with HttpReceiver() as receiver:
        pass
    (outcome,) = local.send_many([webhook(receiver.url, on_unknown="hold")])
    assert (outcome.state, outcome.error, outcome.tries) == ("retry", "connect.failed", 1)


def test_an_endpoint_that_does_not_speak_tls_is_told_from_one_that_is_not_there(local: Sending) -> None:
    def greet(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"220 mail.example ESMTP\r\n")
            connection.recv(65_536)

    with socket.create_server(("127.0.0.1", 0)) as listener, beginning(lambda: greet(listener)):
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        (outcome,) = local.send_many([webhook(url, on_unknown="hold")])
    assert (outcome.state, outcome.error, outcome.tries) == ("retry", "tls.failed", 1)


def test_an_endpoint_that_never_ends_the_greeting_of_tls_leaves_no_connection(local: Sending) -> None:
    with HttpReceiver() as receiver:
        url = receiver.url.replace("http://", "https://")
        (outcome,) = local.send_many([webhook(url, timeout_seconds=0.2)])
        assert outcome.error == "timeout"
        gc.collect()  # a socket that nobody closed would say so here


def test_a_huge_answer_is_not_read_to_its_end(local: Sending) -> None:
    outcome, _ = answered(local, Answer(200, body=b"x" * (ANSWER_LIMIT * 50)))
    assert outcome.state == "succeeded"
    # The connection was given up; the next request gets a new one.
    assert answered(local, 200)[0].state == "succeeded"


def test_cookies_of_one_endpoint_are_never_sent_again(local: Sending) -> None:
    with HttpReceiver(respond=lambda _: Answer(200, {"Set-Cookie": "a=b; Path=/"})) as receiver:
        for number in range(2):
            local.send_many([webhook(receiver.url, number)])
    assert all("cookie" not in received.headers for received in receiver.book.latest)


def test_one_bad_request_does_not_hurt_the_others(local: Sending) -> None:
    with HttpReceiver() as receiver:
        outcomes = local.send_many(
            [
                webhook(receiver.url, 0, headers={"X-A": "x\r\nHost: y"}),
                webhook("http://[", 1),
                webhook("http://exa mple/", 2),
                Outgoing(effect(3), "pigeon", {}, Place("pigeon"), NAMESPACE),
                Outgoing(effect(4), "webhook", {}, Place("webhook"), NAMESPACE),
                Outgoing(effect(5), "email", {}, RELAY, NAMESPACE),
                webhook(receiver.url, 6),
            ]
        )
    assert [outcome.state for outcome in outcomes] == ["failed"] * 6 + ["succeeded"]
    assert receiver.book.ids == {str(effect(6))}


def test_proxies_of_the_environment_are_not_used(local: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    with HttpReceiver() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert answered(local, 200)[0].state == "succeeded"
        assert proxy.book.total == 0


OLD, NEW = (f"whsec_{letter * 32}" for letter in "AB")
OTHER = UUID(int=2)


def genuine(tmp_path: Path, project_id: UUID, known: str, **settings: Any) -> bool:
    """Whether a receiver with a secret takes a project's webhook for genuine."""
    chosen = Settings.model_validate({"data_dir": tmp_path, "outbound_allow": ("127.0.0.0/8",), **settings})
    with Deliveries.from_settings(chosen, Secrets(b"x" * 32)) as sender, HttpReceiver(known) as receiver:
        flight = sender.begin([replace(webhook(receiver.url), project_id=project_id)], sender.monotonic() + PATIENCE)
        assert flight.wait(PATIENCE)
        assert [outcome.state for outcome in flight.landed()] == ["succeeded"]
    sender.close()
    return receiver.book.forged == 0


def test_each_project_has_a_secret_of_its_own(tmp_path: Path) -> None:
    for settings in ({}, {"webhook_secret": NEW}):
        signing = Signing.from_settings(Settings.model_validate({"data_dir": tmp_path, **settings}), Secrets(b"x" * 32))
        own, other = signing.secret(NAMESPACE), signing.secret(OTHER)
        assert own != other
        assert genuine(tmp_path, NAMESPACE, own, **settings)
        assert not genuine(tmp_path, OTHER, own, **settings)
    assert not genuine(tmp_path, NAMESPACE, NEW, webhook_secret=NEW)


def test_two_secrets_are_good_at_once_while_receivers_change(tmp_path: Path) -> None:
    def secret(base: str) -> str:
        return Signing(b64decode(base.removeprefix("whsec_"))).secret(NAMESPACE)

    both = {"webhook_secret": NEW, "webhook_secret_before": OLD}
    assert genuine(tmp_path, NAMESPACE, secret(OLD), **both)
    assert genuine(tmp_path, NAMESPACE, secret(NEW), **both)
    assert not genuine(tmp_path, NAMESPACE, secret(OLD), webhook_secret=NEW)
    # From before projects had secrets of their own.
    shared = {"webhook_secret": NEW, "webhook_shared_signature": True}
    assert genuine(tmp_path, NAMESPACE, NEW, **shared)
    assert genuine(tmp_path, NAMESPACE, secret(NEW), **shared)


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


def test_a_receiver_stops_twice_without_harm() -> None:
    receiver = HttpReceiver(respond=lambda _: Answer()).start()
    receiver.stop()
    receiver.stop()
    assert isinstance(Received("", "GET", "/", {}, b""), Received)

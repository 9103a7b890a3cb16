"""Conversations with a mail server that wants few of them, takes its time, or breaks off."""

from __future__ import annotations

import asyncio
import smtplib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from engine.clock import SystemClock
from engine.demo.receivers import SmtpReceiver
from tests.support.outgoing import deliveries, mail
from tests.support.wait import until
from workers.delivery import relay
from workers.delivery.permit import Permit
from workers.delivery.places import Places
from workers.delivery.relay import RELAY, Conversations, Full, Refused


class Server:
    """As much of a conversation as is asked for here."""

    sock = None

    def noop(self) -> tuple[int, bytes]:
        return 250, b"ok"

    def rset(self) -> tuple[int, bytes]:
        return 250, b"ok"

    def close(self) -> None:
        pass


class Host:
    """A relay that takes so many conversations and answers 421 to one more."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.opened = 0

    def connect(self) -> smtplib.SMTP:
        if self.opened >= self.most:
            raise smtplib.SMTPConnectError(421, b"too many")
        self.opened += 1
        return Server()  # type: ignore[return-value]


def permit() -> Permit:
    clock = SystemClock()
    return Permit(clock.monotonic() + 30.0, clock.monotonic, lambda: False)


def places(conversations: int = 8) -> Places:
    return Places(SystemClock().monotonic, per_host=50, total=200, conversations=conversations)


def test_a_relay_that_wants_two_conversations_has_two_and_the_third_waits_its_turn() -> None:
    book = places()
    talks = Conversations(Host(2).connect, book)
    with talks.one(permit()), talks.one(permit()):
        with pytest.raises(Full), talks.one(permit()):
            pass
        assert book.window(RELAY) == 2
        with ThreadPoolExecutor(1) as pool:
            third = pool.submit(lambda: talks.one(permit()).__enter__())
            talks._idle.append(Server())  # type: ignore[arg-type]
            with talks._changed:
                talks._changed.notify()
            assert third.result(30) is not None


def test_a_message_that_waited_for_a_conversation_does_not_begin_in_a_process_that_stops() -> None:
    host, clock = Host(8), SystemClock()
    stopping = Permit(clock.monotonic() + 30.0, clock.monotonic, lambda: True)
    with pytest.raises(Full), Conversations(host.connect, places()).one(stopping):
        pass
    assert host.opened == 0


def test_a_relay_that_wants_none_of_us_is_asked_for_patience_and_no_message_is_tried() -> None:
    talks = Conversations(Host(0).connect, places())
    with pytest.raises(Refused) as refusal, talks.one(permit()):
        pass
    assert (refusal.value.code, refusal.value.ours) == (421, True)


def test_a_conversation_is_kept_after_a_refusal_and_not_after_it_broke_off() -> None:
    host = Host(8)
    talks = Conversations(host.connect, places())
    for error, opened in ((Refused(550), 1), (Refused(421), 1), (OSError(), 2), (Refused(451), 3)):
        with pytest.raises(type(error)), talks.one(permit()):
            raise error
        assert host.opened == opened


class Replying(SmtpReceiver):
    """A mail server that answers to a command as it is told, and to a message when it is told."""

    def __init__(self, replies: dict[str, str] | None = None, seconds: float = 0.0) -> None:
        super().__init__()
        self._replies, self._seconds = replies or {}, seconds

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802
        envelope.mail_from = address
        return self._replies.get("MAIL", "250 OK")

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        said = await super().handle_DATA(server, session, envelope)
        await asyncio.sleep(self._seconds)
        return self._replies.get("DATA", said)


def sent(server: Replying, **request: Any) -> Any:
    with server, deliveries(relay=f"smtp://127.0.0.1:{server.port}") as sender:
        return sender.send_many([mail(**request)])[0]


def test_a_server_may_take_its_time_to_say_what_became_of_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "SECONDS", 0.2)
    server = Replying(seconds=0.4)
    assert (sent(server).state, server.book.total) == ("succeeded", 1)
    assert relay.ACCEPT_SECONDS == 600.0


@pytest.mark.parametrize(("on_unknown", "state"), [("retry", "retry"), ("hold", "unknown")])
def test_nobody_knows_what_became_of_a_message_of_which_the_server_says_nothing(
    monkeypatch: pytest.MonkeyPatch, on_unknown: str, state: str
) -> None:
    monkeypatch.setattr(relay, "ACCEPT_SECONDS", 0.1)
    outcome = sent(Replying(seconds=0.4), on_unknown=on_unknown)
    assert (outcome.state, outcome.error, outcome.arrived) == (state, "connection.lost", True)


@pytest.mark.parametrize(
    ("command", "reply", "asked", "error"),
    [
        ("MAIL", "451 4.7.0 maximum sending rate exceeded", True, "smtp.451"),
        ("MAIL", "421 4.7.0 go away", True, "smtp.421"),
        ("DATA", "452 4.3.1 disk full", False, "smtp.452"),
    ],
)
def test_what_may_pass_costs_no_attempt(command: str, reply: str, asked: bool, error: str) -> None:
    outcome = sent(Replying({command: reply}), on_unknown="hold")
    assert (outcome.state, outcome.error, outcome.tries, outcome.asked) == ("retry", error, 0, asked)


def test_hanging_up_wakes_whoever_waits_for_a_word() -> None:
    with Replying(seconds=3600.0) as server:
        sender = deliveries(relay=f"smtp://127.0.0.1:{server.port}")
        flight = sender.begin([mail()], sender.monotonic() + 30.0)
        until(lambda: server.book.total, what="the message has arrived")
        sender.close()
        assert [(found.state, found.arrived) for found in flight.landed()] == [("retry", True)]

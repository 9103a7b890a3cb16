"""A mail leaves once for each person, with nothing added by what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.demo.receivers import SmtpReceiver
from tests.support.outgoing import deliveries, effect, mail
from workers.delivery.email import Emails
from workers.delivery.places import Places
from workers.delivery.relay import Relay

NOW = datetime(2026, 3, 4, tzinfo=UTC)


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


EVIL = "=?utf-8?q?a=0D=0ABcc:_x=40y.z?="
HEADERS = {
    "to", "subject", "message-id", "date", "from", "auto-submitted", "content-type", "content-transfer-encoding",
    "mime-version",
}  # fmt: skip


def on_the_wire(message: bytes) -> dict[str, str]:
    """The headers as any other program finds them, each once and unfolded, still encoded."""
    head, _, body = message.partition(b"\r\n\r\n")
    assert body.strip() == b"Good day" and not re.search(rb"\r(?!\n)|(?<!\r)\n", head)
    lines = head.decode("ascii").replace("\r\n ", " ").split("\r\n")
    named = [line.partition(":") for line in lines if not line.lower().startswith("x-peer:")]
    assert len(named) == len({name.lower() for name, _, _ in named})
    return {name.lower(): value.strip() for name, _, value in named}


@pytest.mark.parametrize(
    "subject",
    [
        EVIL,
        f"Hello {EVIL} there",
        f"Grüße {EVIL}",
        f"{EVIL} {EVIL}",
        "=?utf-8?b?YQ0KDQpBbm90aGVyIGJvZHk=?=",
        "=?utf-8?q?a=0AX:_y?=",
        "=?us-ascii?q?a=0DX?=",
        "=?",
        "= ?utf-8?q?a?=",
        "a\x00b\x1b\x7fc",
        "Grüße 🎉 and more",
        "é a é b c é",
        "日本語 and English 日本語 " * 12,
        "Dear Ann, " * 30,
        "x" * 1_200,
        "é" * 400,
        "a;" + "x" * 80 + " b: c",
        'Re: "quoted" (comment) <a@b.c>, d',
    ],
)
def test_a_subject_is_read_as_it_was_written_and_adds_nothing(mailbox: SmtpReceiver, subject: str) -> None:
    with deliveries(relay=f"smtp://127.0.0.1:{mailbox.port}") as sender:
        (outcome,) = sender.send_many([mail(subject=subject)])
    assert outcome.state == "succeeded"
    found = on_the_wire(mailbox.book.latest[0].body)
    assert found.keys() == HEADERS
    assert str(make_header(decode_header(found["subject"]))) == subject.strip()


WORDS = st.text(alphabet='aé日Пש🎉b-=?_"(<,', min_size=1, max_size=14)


@given(st.lists(WORDS, min_size=1, max_size=14).map(" ".join))
@settings(deadline=None)
def test_no_subject_loses_a_space_where_it_is_folded(subject: str) -> None:
    places = Places(lambda: 0.0, per_host=1, total=1, conversations=1)
    message, _, _ = Emails(Relay("", 25), "a@b.example", lambda: NOW, places)._message(mail(subject=subject))
    assert message_from_bytes(message, policy=policy.default)["subject"] == subject


def test_a_plain_subject_is_not_encoded(mailbox: SmtpReceiver) -> None:
    with deliveries(relay=f"smtp://127.0.0.1:{mailbox.port}") as sender:
        sender.send_many([mail(subject="Your week, Ann: 3 things = 1 ?")])
    assert b"\r\nSubject: Your week, Ann: 3 things = 1 ?\r\n" in mailbox.book.latest[0].body


@pytest.mark.parametrize(
    "name", [EVIL, f"Ann {EVIL}", "Ann =?", '"=\\?utf-8?q?a=0D=0ABcc:_x?="', f"({EVIL})", "=?utf-8?b?YQ==?="]
)
def test_a_senders_name_that_looks_encoded_is_not_sent(name: str) -> None:
    with deliveries() as sender:
        (outcome,) = sender.send_many([mail(0, **{"from": f"{name} <a@example.com>"})])
    assert (outcome.state, outcome.error, outcome.tries) == ("failed", "address.invalid", 0)


@pytest.mark.parametrize(
    "to",
    [
        *("", "ann", "a@b@c", "a@b, c@d", "Ann <a@b.c>", "a b@c.d", "ä@example.com", "a@-b.c", "a@" + "b" * 300),
        *("=?utf-8?q?a=0d=0abcc=3a?=@example.com", "=?utf-8?q?ann?=@example.com"),
    ],
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


@pytest.mark.parametrize(
    ("reply", "bounced"),
    [
        ("550 5.1.1 No such mailbox", True),
        ("550 5.1.2 No such host", True),
        ("556 5.1.10 Recipient address has null MX", True),
        ("553 5.1.8 Bad sender's system address", False),
        ("550 5.7.1 Not wanted here", False),
        ("552 5.2.2 Mailbox full", False),
        ("550 No such mailbox", False),
        ("451 4.1.1 Try later", False),
    ],
)
def test_an_address_that_there_is_not_is_told_from_other_refusals(reply: str, bounced: bool) -> None:
    with SmtpReceiver(lambda _: reply) as server, deliveries(relay=f"smtp://127.0.0.1:{server.port}") as sender:
        assert sender.send_many([mail()])[0].bounced is bounced


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

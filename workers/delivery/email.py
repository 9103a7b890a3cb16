"""Messages over SMTP. The Message-ID of an effect is the same on every try, so a receiver can tell a repeat."""

from __future__ import annotations

import re
import smtplib
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from email.errors import MessageError
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from aggregates.address import normalised
from workers.delivery.retries import NOT_TRIED, Outcome, Outgoing, Result, pause_before_next

SECONDS = 10.0
"""Longest time for one step of the conversation with the mail server."""

# Seven-bit bodies pass through every server; the library folds and encodes what nobody outside has a say in.
POLICY = SMTP.clone(cte_type="7bit")

ENCODED = "=?"
"""How an encoded word begins (RFC 2047). The library decodes one in any text that it makes a header of, and writes what
comes out as it is, line ends among it: so no text from outside that may have one becomes a header there."""

WORD = 60
"""Longest word of a header that is not encoded: lines are folded between words only, and none of them may be blank."""

# A line that ends without the next one going on with it, or with a bare CR or LF.
BREAK = re.compile(r"\r(?!\n )|(?<!\r)\n")

Connect = Callable[[], smtplib.SMTP]


@dataclass(frozen=True)
class Relay:
    """The mail server of the installation."""

    host: str
    port: int
    security: Literal["none", "starttls", "tls"] = "none"
    username: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, url: str) -> Relay:
        """From `smtp://`, `smtp+starttls://` or `smtps://`, with `user:password@` if the server asks for it."""
        parts = urlsplit(url)
        schemes: dict[str, tuple[Literal["none", "starttls", "tls"], int]] = {
            "smtp": ("none", 25),
            "smtp+starttls": ("starttls", 587),
            "smtps": ("tls", 465),
        }
        if parts.scheme not in schemes or not parts.hostname:
            raise ValueError("a mail server is smtp://, smtp+starttls:// or smtps://host:port")
        security, port = schemes[parts.scheme]
        return cls(
            parts.hostname, parts.port or port, security, unquote(parts.username or ""), unquote(parts.password or "")
        )

    def connect(self) -> smtplib.SMTP:
        """A conversation ready for messages; OSError or SMTPException if there is none."""
        if self.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self.host, self.port, timeout=SECONDS, context=ssl.create_default_context()
            )
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=SECONDS)
        if self.security == "starttls":
            server.starttls(context=ssl.create_default_context())
        if self.username:
            server.login(self.username, self.password)
        server.ehlo_or_helo_if_needed()
        return server


class Emails:
    """Sends messages from any number of threads, each with a conversation of its own that it keeps."""

    def __init__(
        self,
        relay: Relay,
        sender: str,
        now: Callable[[], datetime],
        chance: Callable[[float], float],
        connect: Connect | None = None,
    ) -> None:
        self._sender = sender
        self._now = now
        self._chance = chance
        self._connect = connect or relay.connect
        self._closed = threading.Event()
        self._own = threading.local()
        self._all: set[smtplib.SMTP] = set()
        self._lock = threading.Lock()

    def send(self, outgoing: Outgoing, deadline: float, monotonic: Callable[[], float]) -> Outcome:
        """Try, and try again at once where that may help, until `deadline` on the monotonic clock."""
        try:
            message, recipient, sender = self._message(outgoing)
        except (ValueError, MessageError, KeyError, IndexError):
            return Result("failed", "address.invalid").outcome(outgoing, 0)
        result, tries, arrived = NOT_TRIED, 0, False
        while deadline - monotonic() > 1:
            result, tries = self._try(sender, recipient, message), tries + 1
            arrived = arrived or result.arrived
            pause = pause_before_next(outgoing, result, tries, deadline - monotonic(), self._chance)
            if pause is None:
                break
            self._closed.wait(pause)
        return result.outcome(outgoing, tries, arrived=arrived)

    def close(self) -> None:
        """End every conversation, and every pause before another try."""
        self._closed.set()
        with self._lock:
            for server in self._all:
                server.close()
            self._all.clear()

    def _message(self, outgoing: Outgoing) -> tuple[bytes, str, str]:
        """The message as bytes, and the envelope. ValueError if the recipient is not one plain address."""
        request = outgoing.request
        recipient = _address(str(request["to"]).strip())
        written = str(request.get("from") or self._sender)
        name, sender = parseaddr(written)
        sender = _address(sender)
        # Both: what is read of the name may be less than was written, or have quotes and comments taken off.
        if ENCODED in written or ENCODED in name:
            raise ValueError("a sender's name is written as it is read")
        message = EmailMessage(policy=POLICY)
        message["Message-ID"] = f"<{outgoing.effect_id}@{sender.rpartition('@')[2]}>"
        message["Date"] = format_datetime(self._now())
        message["From"] = Address(name, addr_spec=sender)
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(str(request["text"]))
        if request.get("html") is not None:
            message.add_alternative(str(request["html"]), subtype="html")
        subject = " ".join(str(request["subject"]).split())
        return _line("To", recipient) + _line("Subject", _shown(subject)) + message.as_bytes(), recipient, sender

    def _try(self, sender: str, recipient: str, message: bytes) -> Result:
        sent = False
        try:
            server = self._server()
            _expect(server.mail(sender))
            _expect(server.rcpt(recipient))
            sent = True
            code, answer = server.data(message)
            _expect((code, answer))
            return Result("succeeded", provider_id=_queue_id(answer))
        except _Refused as refusal:
            self._reset()
            return Result(refusal.state, f"smtp.{refusal.code}")
        except smtplib.SMTPDataError as error:
            self._reset()
            return Result(_state(error.smtp_code), f"smtp.{error.smtp_code}")
        except smtplib.SMTPAuthenticationError:
            self._drop()
            return Result("retry", "smtp.login")
        except (smtplib.SMTPException, OSError):
            self._drop()
            return Result("retry", "connection.lost" if sent else "connect.failed", sent=sent)

    def _server(self) -> smtplib.SMTP:
        """This thread's conversation, if the server still listens; else a new one."""
        server: smtplib.SMTP | None = getattr(self._own, "server", None)
        if server is not None:
            try:
                if server.noop()[0] == 250:
                    return server
            except (smtplib.SMTPException, OSError):
                pass
            self._drop()
        server = self._connect()
        self._own.server = server
        with self._lock:
            self._all.add(server)
        return server

    def _reset(self) -> None:
        """After a refusal the conversation goes on; some servers end it all the same."""
        try:
            self._own.server.rset()
        except (smtplib.SMTPException, OSError):
            self._drop()

    def _drop(self) -> None:
        server: smtplib.SMTP | None = getattr(self._own, "server", None)
        self._own.server = None
        if server is not None:
            server.close()
            with self._lock:
                self._all.discard(server)


class _Refused(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code
        self.state = _state(code)


def _expect(reply: tuple[int, Any]) -> None:
    if not 200 <= reply[0] < 300:
        raise _Refused(reply[0])


def _state(code: int) -> Literal["failed", "retry"]:
    """A reply of 5xx is for good, any other may pass."""
    return "failed" if 500 <= code < 600 else "retry"


def _address(text: str) -> str:
    """One plain address as it is written, at the domain that was confirmed; ValueError for anything else."""
    found = normalised(text)
    # A mail program may decode an address that looks encoded, and show another one.
    if found is None or ENCODED in found:
        raise ValueError("not one plain address")
    local, _, domain = found.rpartition("@")
    written = text.strip().rpartition("@")[0]
    return f"{written if written.isascii() and written.lower() == local else local}@{domain}"


def _shown(text: str) -> str:
    """A header's text so that it is read as exactly this; ValueError or MessageError if it cannot be written."""
    plain = text.isascii() and text.isprintable() and ENCODED not in text and len(max(text.split(" "), key=len)) <= WORD
    return Header(text, "us-ascii" if plain else "utf-8", header_name="Subject").encode(linesep="\r\n")


def _line(name: str, written: str) -> bytes:
    """A header that is finished: nothing parses it again. ValueError if it would be more than one."""
    if BREAK.search(written):
        raise ValueError("a header ends where its line ends")
    return f"{name}: {written}\r\n".encode("ascii")


def _queue_id(answer: Any) -> str | None:
    """What the server says of the message it took, usually its queue id."""
    text = answer.decode("latin-1")[:200] if isinstance(answer, bytes) else ""
    return text if text and text.isprintable() else None

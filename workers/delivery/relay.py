"""The mail relay of the installation, and the conversations that one process has with it.

A conversation is kept for the next message. How many there may be is found by looking: a relay that hangs up on one
more (421) has said how many it wants.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from workers.delivery.permit import Permit
from workers.delivery.places import Place, Places

RELAY = Place("email")

SECONDS = 10.0
"""Longest time for one step of the conversation with the mail server, but for the last one."""

ACCEPT_SECONDS = 600.0
"""Longest time that a server may take to say what became of a message that it has (RFC 5321, 4.5.3.2.6)."""

Connect = Callable[[], smtplib.SMTP]


class Refused(Exception):
    """The relay said no with this code. `ours` tells that it speaks of our conversation and not of one message."""

    def __init__(self, code: int, text: Any = b"", *, ours: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.text = text.decode("latin-1") if isinstance(text, bytes) else str(text)
        self.ours = ours or code == 421


class Full(Exception):
    """There is no conversation left for one more message, and the relay would not have another."""


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


class Conversations:
    """At most as many at a time as `places` has learned; used from any thread."""

    def __init__(self, connect: Connect, places: Places) -> None:
        self._connect = connect
        self._places = places
        self._changed = threading.Condition()
        self._idle: list[smtplib.SMTP] = []
        self._open: set[smtplib.SMTP] = set()
        self._coming = 0
        self._closed = False

    @contextmanager
    def one(self, permit: Permit) -> Iterator[smtplib.SMTP]:
        """A conversation ready for a message, kept afterwards unless it broke off.

        Raises Full when none is free as long as something may begin; Refused, OSError or SMTPException when there is
        none to be had.
        """
        server = self._take(permit)
        whole = False
        try:
            yield server
            whole = True
        except Refused as refusal:
            whole = refusal.code != 421 and _resets(server)
            raise
        finally:
            with self._changed:
                if whole and not self._closed:
                    self._idle.append(server)
                else:
                    self._drop(server)
                self._changed.notify()

    def close(self) -> None:
        """Break off every conversation, whatever it waits for."""
        with self._changed:
            self._closed = True
            for server in list(self._open):
                if server.sock is not None:
                    with suppress(OSError):  # a thread that reads wakes up of this, and of nothing less
                        server.sock.shutdown(socket.SHUT_RDWR)
            for server in self._idle:
                self._drop(server)
            self._idle.clear()
            self._changed.notify_all()

    def _take(self, permit: Permit) -> smtplib.SMTP:
        while True:
            server = self._idle_or_none(permit)
            if server is None:
                return self._new()
            if _listens(server):
                return server
            with self._changed:
                self._drop(server)

    def _idle_or_none(self, permit: Permit) -> smtplib.SMTP | None:
        """One that is idle; None, and its place is taken, for one that may be opened."""
        with self._changed:
            ready = self._changed.wait_for(lambda: self._closed or self._idle or self._room() > 0, permit.left())
            if not ready or self._closed or not permit.may_begin():
                raise Full
            if self._idle:
                return self._idle.pop()
            self._coming += 1
            return None

    def _room(self) -> int:
        return self._places.window(RELAY) - len(self._open) - self._coming

    def _new(self) -> smtplib.SMTP:
        try:
            server = self._connect()
        except smtplib.SMTPAuthenticationError:
            raise
        except (smtplib.SMTPResponseException, smtplib.SMTPServerDisconnected) as error:
            code = error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else 421
            with self._changed:
                others = len(self._open)
            if 400 <= code < 500 and others:
                self._places.crowded(RELAY, others)
                raise Full from error
            if isinstance(error, smtplib.SMTPResponseException):
                raise Refused(code, error.smtp_error, ours=True) from error
            raise
        finally:
            with self._changed:
                self._coming -= 1
                self._changed.notify()
        with self._changed:
            self._open.add(server)
        return server

    def _drop(self, server: smtplib.SMTP) -> None:
        self._open.discard(server)
        server.close()


def converse(server: smtplib.SMTP, sender: str, recipient: str) -> None:
    """Say who writes and to whom. Refused by either; what is said of the sender is said of all of us."""
    _expect(server.mail(sender), ours=True)
    _expect(server.rcpt(recipient))


def hand_over(server: smtplib.SMTP, message: bytes, leaving: Callable[[], None]) -> bytes:
    """Give the message to the server and wait for its word as long as it may take; what it says then.

    `leaving` is called before the line that ends the message: from then on nobody knows what became of it until the
    server says so.
    """
    code, answer = server.docmd("DATA")
    if code != 354:
        raise Refused(code, answer)
    server.send(DOTS.sub(rb"..", message) + (b"" if message.endswith(b"\r\n") else b"\r\n"))
    leaving()
    server.send(b".\r\n")
    assert server.sock is not None, "a conversation that sends has a socket"
    server.sock.settimeout(ACCEPT_SECONDS)
    try:
        reply = server.getreply()
    finally:
        if server.sock is not None:
            server.sock.settimeout(SECONDS)
    _expect(reply)
    return reply[1]


DOTS = re.compile(rb"(?m)^\.")


def _expect(reply: tuple[int, Any], *, ours: bool = False) -> None:
    if not 200 <= reply[0] < 300:
        raise Refused(*reply, ours=ours and 400 <= reply[0] < 500)


def _listens(server: smtplib.SMTP) -> bool:
    try:
        return server.noop()[0] == 250
    except (smtplib.SMTPException, OSError):
        return False


def _resets(server: smtplib.SMTP) -> bool:
    """After a refusal the conversation goes on; some servers end it all the same."""
    try:
        return server.rset()[0] == 250
    except (smtplib.SMTPException, OSError):
        return False

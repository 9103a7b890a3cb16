"""An HTTP endpoint and a mail server that keep a book of what arrived, for the demo and for tests.

Both listen on the loopback interface, on a free port, in a thread of their own, and take several thousand
requests a second. They are no servers for the open network.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from typing import Any, Self, cast

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

KEPT = 1_000
"""Newest arrivals that are kept in full; of older ones only the id and the count."""

LARGEST = 1024 * 1024
"""Largest request that is read, in bytes."""


@dataclass(frozen=True)
class Received:
    """One request or message. `genuine` is None where no signature was to be checked."""

    id: str
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    genuine: bool | None = None


@dataclass(frozen=True)
class Answer:
    """What the endpoint says; None for `status` hangs up without a word."""

    status: int | None = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0


class Book:
    """What arrived, by idempotency key. Safe to read while it is written."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: Counter[str] = Counter()
        self._forged = 0
        self._latest: deque[Received] = deque(maxlen=KEPT)

    def write(self, received: Received) -> int:
        """How many times this id has now arrived."""
        with self._lock:
            self._times[received.id] += 1
            self._forged += received.genuine is False
            self._latest.append(received)
            return self._times[received.id]

    @property
    def total(self) -> int:
        with self._lock:
            return self._times.total()

    @property
    def distinct(self) -> int:
        with self._lock:
            return len(self._times)

    @property
    def duplicates(self) -> int:
        """Arrivals beyond the first of each id."""
        with self._lock:
            return self._times.total() - len(self._times)

    @property
    def forged(self) -> int:
        """Arrivals whose signature was missing or wrong."""
        return self._forged

    @property
    def ids(self) -> set[str]:
        with self._lock:
            return set(self._times)

    @property
    def latest(self) -> list[Received]:
        """The newest arrivals, oldest first."""
        with self._lock:
            return list(self._latest)


class HttpReceiver:
    """An endpoint that takes anything, checks the signature if it has the secret, and answers as it is told."""

    def __init__(self, secret: str | bytes | None = None, respond: Callable[[Received], Answer] | None = None) -> None:
        self.book = Book()
        self.url = ""
        self._verifier = Webhook(secret) if secret else None
        self._respond = respond or (lambda _: Answer())
        self._thread = _LoopThread("http-receiver")
        self._server: asyncio.Server | None = None
        self._open: set[_Connection] = set()

    def start(self, port: int = 0) -> Self:
        """Listen; returns when it does, with `url` set. A port of 0 takes a free one."""
        self._thread.start()
        self._thread.call(self._listen(port))
        return self

    def stop(self) -> None:
        """Hang up on everybody. Stopping twice is once."""
        if self._thread.running:
            self._thread.call(self._hang_up())
            self._thread.stop()

    def __enter__(self) -> Self:
        return self if self._thread.running else self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _listen(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", port, backlog=1024)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _hang_up(self) -> None:
        assert self._server is not None
        self._server.close()
        for connection in list(self._open):
            connection.hang_up()

    def joined(self, connection: _Connection) -> None:
        self._open.add(connection)

    def left(self, connection: _Connection) -> None:
        self._open.discard(connection)

    def take(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Write one request into the book and decide on the answer."""
        genuine = None
        if self._verifier is not None:
            try:
                self._verifier.verify(body, dict(headers), json_parse=False)
                genuine = True
            except (WebhookVerificationError, ValueError):
                genuine = False
        received = Received(headers.get("webhook-id", ""), method, target, headers, body, genuine)
        self.book.write(received)
        return self._respond(received)


class _Connection(asyncio.Protocol):
    """As much of HTTP/1.1 as a well-behaved client needs: requests with a length, one after the other."""

    def __init__(self, receiver: HttpReceiver) -> None:
        self._receiver = receiver
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._receiver.joined(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._receiver.left(self)

    def hang_up(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._transport is not None and (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            request, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
            headers = {
                name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
            }
            length = headers.get("content-length", "0")
            method, _, rest = request.partition(" ")
            if "transfer-encoding" in headers or not length.isdigit() or int(length) > LARGEST:
                self._answer(Answer(400))
                self.hang_up()
                return
            whole = end + 4 + int(length)
            if len(self._buffer) < whole:
                return
            body, self._buffer = self._buffer[end + 4 : whole], self._buffer[whole:]
            answer = self._receiver.take(method, rest.rpartition(" ")[0], headers, body)
            if answer.delay:
                asyncio.get_running_loop().call_later(answer.delay, self._answer, answer)
            else:
                self._answer(answer)
        if len(self._buffer) > LARGEST:
            self.hang_up()

    def _answer(self, answer: Answer) -> None:
        if self._transport is None:
            return
        if answer.status is None:
            self.hang_up()
            return
        headers = {"content-length": str(len(answer.body)), **answer.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._transport.write(f"HTTP/1.1 {answer.status} x\r\n{lines}\r\n".encode("latin-1") + answer.body)


class SmtpReceiver:
    """A mail server that takes mail for anybody and delivers it nowhere. Needs the extra `embedded`."""

    def __init__(self, refuse: Callable[[str], str | None] | None = None) -> None:
        """`refuse` may answer a recipient with an SMTP reply such as `550 5.1.1 No such mailbox`."""
        self.book = Book()
        self.host, self.port = "127.0.0.1", 0
        self._refuse = refuse or (lambda _: None)
        self._thread = _LoopThread("smtp-receiver")
        self._server: asyncio.Server | None = None

    def start(self, port: int = 0) -> Self:
        """Listen; returns when it does, with `port` set."""
        self._thread.start()
        self._thread.call(self._listen(port))
        return self

    def stop(self) -> None:
        """Hang up on everybody. Stopping twice is once."""
        if self._thread.running:
            self._thread.call(self._hang_up())
            self._thread.stop()

    def __enter__(self) -> Self:
        return self if self._thread.running else self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802
        """Called by the library for every recipient."""
        if (refusal := self._refuse(address)) is None:
            envelope.rcpt_tos.append(address)
        return refusal or "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """Called by the library for every message."""
        message = message_from_bytes(envelope.content, policy=policy.SMTP)
        headers = {name.lower(): str(value) for name, value in message.items()}
        id, target = headers.get("message-id", ""), ",".join(envelope.rcpt_tos)
        self.book.write(Received(id, "MAIL", target, headers, envelope.content))
        return "250 OK"

    async def _listen(self, port: int) -> None:
        from aiosmtpd.smtp import SMTP  # noqa: PLC0415 - an extra: the product runs without it

        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SMTP(self, hostname="localhost", loop=loop, enable_SMTPUTF8=True), self.host, port
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _hang_up(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)


class _LoopThread:
    """An event loop in a thread of its own."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)

    def _run(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

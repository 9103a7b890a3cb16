"""A pooler in transaction mode, as small as can be: each transaction is given the next free session of the server."""

from __future__ import annotations

import socket
import struct
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path

Message = tuple[bytes, bytes]


class Pooler:
    """Listens in `folder` under the name that the server's socket has; `sessions` are what all clients share.

    `options` says whether the settings that a client brings are dropped, refused, or handed on to every session.
    """

    def __init__(self, folder: Path, target: str, *, user: str, database: str, sessions: int, options: str) -> None:
        self._target, self._login, self._options = target, {"user": user, "database": database}, options
        self._count, self._free, self._lock = sessions, deque[socket.socket](), threading.Condition()
        self._taken: list[socket.socket] = []
        self._greeting = b""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / Path(target).name))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """End every connection."""
        for taken in (self._listener, *self._taken):
            with suppress(OSError):
                taken.shutdown(socket.SHUT_RDWR)
            taken.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._taken.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError, EOFError):
            size = struct.unpack("!i", _exactly(client, 4))[0]
            words = _exactly(client, size - 4)[4:].split(b"\0")
            given = {key.decode(): value.decode() for key, value in zip(words[::2], words[1::2], strict=False) if key}
            if self._options == "refused" and "options" in given:
                fault = b"SFATAL\0C08P01\0Munsupported startup parameter: options\0\0"
                client.sendall(_packed(b"E", fault))
                return
            with self._lock:
                if not self._greeting:
                    kept = {"options": given["options"]} if self._options == "handed on" else {}
                    for _ in range(self._count):
                        self._free.append(self._session(self._login | kept))
            own_key = _packed(b"K", bytes(8))  # no process of a server has the id 0
            client.sendall(self._greeting + own_key + _packed(b"Z", b"I"))
            self._carry(client)

    def _session(self, parameters: dict[str, str]) -> socket.socket:
        session = socket.socket(socket.AF_UNIX)
        session.connect(self._target)
        self._taken.append(session)
        words = "".join(f"{key}\0{value}\0" for key, value in parameters.items()).encode() + b"\0"
        session.sendall(struct.pack("!ii", len(words) + 8, 196_608) + words)
        told = []
        while (message := _message(session))[0] != b"Z":
            told.append(message)
        self._greeting = b"".join(_packed(*each) for each in told if each[0] in b"RS")
        return session

    def _carry(self, client: socket.socket) -> None:
        """Hold a session from the first message of a transaction to its end."""
        session = None
        while (message := _message(client))[0] != b"X":
            if session is None:
                with self._lock:
                    self._lock.wait_for(lambda: self._free)
                    session = self._free.popleft()
            session.sendall(_packed(*message))
            if message[0] not in b"QS":
                continue
            answer = (b"", b"")
            while answer[0] != b"Z":
                answer = _message(session)
                client.sendall(_packed(*answer))
            if answer[1] == b"I":
                with self._lock:
                    self._free.append(session)
                    self._lock.notify()
                session = None


def _packed(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _message(source: socket.socket) -> Message:
    head = _exactly(source, 5)
    return head[:1], _exactly(source, struct.unpack("!i", head[1:])[0] - 4)


def _exactly(source: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = source.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data

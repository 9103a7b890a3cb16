"""Who is at work: each process says every few seconds that it is there, so that its absence can be seen."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from engine.bootstrap import System
from engine.ids import new_id

logger = logging.getLogger(__name__)

EVERY_SECONDS = 5.0
ABSENT_SECONDS = 30
"""After how long without a word a process counts as absent."""

NEEDED = ("projector", "scheduler", "worker")
"""Roles without which nothing goes on; the server is seen by whoever asks it."""

# The instants are the database's: clocks of hosts may differ.
_HERE = text(
    "INSERT INTO processes (id, role, host, pid, started_at, seen_at) VALUES (:id, :role, :host, :pid, now(), now()) "
    "ON CONFLICT (id) DO UPDATE SET seen_at = now()"
)
_GONE = text("DELETE FROM processes WHERE id = :id")
_FORGET = text("DELETE FROM processes WHERE seen_at < now() - interval '1 day'")


@contextmanager
def present(system: System, role: str) -> Iterator[None]:
    """Say that a process of this role is at work, until the block ends."""
    me = {"id": new_id(), "role": role, "host": socket.gethostname(), "pid": os.getpid()}
    ended = threading.Event()

    def say() -> None:
        while True:
            _say(system, me)
            if ended.wait(EVERY_SECONDS):
                return

    speaker = threading.Thread(target=say, name="presence", daemon=True)
    speaker.start()
    try:
        yield
    finally:
        ended.set()
        speaker.join(EVERY_SECONDS)
        try:
            with system.engine.begin() as connection:
                connection.execute(_GONE, {"id": me["id"]})
        except SQLAlchemyError:
            logger.debug("the database does not hear that this process ends")


def _say(system: System, me: dict[str, object]) -> None:
    try:
        with system.engine.begin() as connection:
            connection.execute(_HERE, me)
            connection.execute(_FORGET)
    except SQLAlchemyError as error:
        logger.debug("the database does not hear that this process is here: %s", type(error).__name__)

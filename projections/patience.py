"""How long a statement may take: a minute, but for those that touch everybody.

The server ends a statement that takes longer, and a client stops waiting a little later: then it is not the statement
that is slow, but the server that does not answer any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from sqlalchemy import Connection, text

USUAL_SECONDS = 60
LONG_SECONDS = 3600
"""For what touches a whole audience, a whole file or the whole log."""

GRACE_SECONDS = 5
"""What a client waits beyond what the server may take."""

_present: ContextVar[float] = ContextVar("patience", default=USUAL_SECONDS + GRACE_SECONDS)

_SET = text(
    "SELECT current_setting('statement_timeout') AS statement, current_setting('lock_timeout') AS lock,"
    " set_config('statement_timeout', :statement, true), set_config('lock_timeout', :lock, true)"
)


def patience() -> float:
    """Seconds that a client waits for an answer now."""
    return _present.get()


@contextmanager
def waiting(seconds: float) -> Iterator[None]:
    """Wait so long for each answer of the server, and no longer."""
    token = _present.set(seconds)
    try:
        yield
    finally:
        _present.reset(token)


@contextmanager
def patient(connection: Connection) -> Iterator[None]:
    """Let the statements of a transaction, and their waits for locks, take as long as what touches everybody takes."""
    long = f"{LONG_SECONDS}s"
    before = connection.execute(_SET, {"statement": long, "lock": long}).mappings().one()
    with waiting(LONG_SECONDS + GRACE_SECONDS):
        yield
        connection.execute(_SET, {"statement": before["statement"], "lock": before["lock"]})

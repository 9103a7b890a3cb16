"""Whether an error means that the database is away, and not that we are wrong."""

from __future__ import annotations

import psycopg
from psycopg import errors
from sqlalchemy.exc import TimeoutError as PoolTimeout

_ENDED = (
    errors.ReadOnlySqlTransaction,
    errors.IdleInTransactionSessionTimeout,
    errors.TransactionTimeout,
)
"""What the library counts among other errors."""


def is_outage(error: BaseException) -> bool:
    """No connection, a lost one, none free in the pool, or a server that gives up: the same request may do better.

    A server that only reads is about to give its place to another one, or has just taken it.
    """
    cause = getattr(error, "orig", None) or error
    return isinstance(cause, (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, *_ENDED))


def reason(error: BaseException) -> str:
    """What the server or the driver says of an outage, in its first line: a class name tells an operator nothing."""
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return lines[0] if lines else type(error).__name__

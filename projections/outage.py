"""Whether an error means that the database is away, and not that we are wrong."""

from __future__ import annotations

import psycopg
from sqlalchemy.exc import TimeoutError as PoolTimeout


def is_outage(error: BaseException) -> bool:
    """No connection, a lost one, none free in the pool, or a server that gives up: the same request may do better."""
    cause = getattr(error, "orig", None) or error
    return isinstance(cause, (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout))

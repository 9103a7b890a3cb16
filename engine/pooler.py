"""Whether a session is one: what is said to it in one transaction must be there in the next.

Locks of jobs, LISTEN, prepared statements and the settings of a session belong to the session. A pooler in transaction
mode, which is what a managed database offers as its pooled address, gives each transaction another one: locks stay
behind, bells reach no process, prepared statements are those of others. So such an address is refused at the start.
"""

from __future__ import annotations

from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, text

from engine.errors import StartupError
from projections.patience import waiting

REFUSALS = ("unsupported startup parameter", "command-line options")
"""What poolers (PgBouncer, RDS Proxy) say of the settings that come with a connection; no server says it."""

POOLER_NEXT = (
    "Give TIDEGATE_DATABASE_URL the direct address of the server, or a pooler in session mode that hands on `options`."
)

ROUNDS = 4
"""One is enough for a pooler whose idle sessions are taken in an order; the rest is for one that takes any."""

WAIT_SECONDS = 5.0

_OURS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
_DROPPED = text("SELECT name FROM pg_settings WHERE name = ANY(:names) AND source <> 'client' ORDER BY name")


class PoolerError(StartupError):
    """The address of the database is that of a pooler that does not keep sessions."""

    def __init__(self, fault: str) -> None:
        super().__init__(f"{fault} {POOLER_NEXT}")
        self.fault = fault


def refuse_pooler(engine: Engine) -> None:
    """Raises PoolerError when transactions of one connection are not of one session, or its settings are dropped."""
    with engine.connect() as plain, waiting(WAIT_SECONDS):
        connection = plain.execution_options(isolation_level="AUTOCOMMIT")
        dropped = connection.scalars(_DROPPED, {"names": list(_OURS)}).all()
        if dropped:
            raise PoolerError(
                f"A pooler (such as PgBouncer) answers for the database and drops the settings of a session: "
                f"{', '.join(dropped)}."
            )
        mine = _driver(connection)
        # A pooler has to tell a process id of its own, because it has to know whose statement is to be cancelled.
        if mine.pgconn.backend_pid != _pid(mine) and _shared(engine, mine):
            raise PoolerError("The database is behind a pooler in transaction mode (such as PgBouncer).")


def pooler_refusal(error: BaseException) -> PoolerError | None:
    """The refusal of a connection, if it was a pooler that did not take the settings of the session."""
    said = str(error)
    if not any(words in said for words in REFUSALS):
        return None
    return PoolerError("A pooler (such as PgBouncer) answers for the database and refuses the settings of a session.")


def _shared(engine: Engine, mine: psycopg.Connection[Any]) -> bool:
    """Whether one server process serves two clients, or one client has two of them."""
    with engine.connect() as connection:
        other = _driver(connection)
        for _ in range(ROUNDS):
            pid = _pid(mine)
            # Idle ones taken in turn: the second is another one. The latest one first: it serves the other client.
            if _pid(mine) != pid or _pid(other) == pid or _pid(mine) != pid:
                return True
            other.rollback()
    return False


def _pid(driver: psycopg.Connection[Any]) -> int:
    """The server process of this transaction; unprepared, because what is prepared may be in another session."""
    return int(driver.execute("SELECT pg_backend_pid()", prepare=False).fetchone()[0])  # type: ignore[index]


def _driver(connection: Connection) -> psycopg.Connection[Any]:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver

"""The connections of a process to its database: under which settings, and for how long a silent one is believed.

A server that is gone says so, or its machine does. One that is cut off says nothing: what waits for it would wait for
ever, and whoever waits behind that. So each wait has an end: of a statement and of a lock at the server, of an answer
here, of a transaction in which nothing happens any more, because its process is frozen, at the server again.
"""

from __future__ import annotations

import math
import time
from typing import Any

import psycopg
from psycopg import errors
from psycopg.abc import RV, PQGen
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import InvalidatePoolError

from engine.pooler import pooler_refusal
from engine.settings import Settings
from projections import stored_json
from projections.patience import USUAL_SECONDS, patience, waiting

LOCK_SECONDS = 10
"""How long a statement waits for what another transaction holds."""

IDLE_SECONDS = 30
"""How long a transaction may do nothing: whoever holds locks for longer is frozen, and everybody waits behind it."""

STALE_SECONDS = 5.0
"""A connection that was not used for so long is asked whether it is still there."""

PROBE_SECONDS = 3.0

SESSION = {
    "client_encoding": "UTF8",
    "timezone": "UTC",
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    "standard_conforming_strings": "on",
    "statement_timeout": f"{USUAL_SECONDS}s",
    "lock_timeout": f"{LOCK_SECONDS}s",
    "idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s",
}
"""What every session has, whatever the server, the database or the role say."""

ROUTE = {
    "application_name": "tidegate",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""How the server is reached, where the URL does not say otherwise."""


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that waits for an answer as long as the present patience."""

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Raises OperationalError, and is closed, when no answer comes."""
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        seconds = patience()
        try:
            return super().wait(gen, interval, seconds)
        except errors._WaitTimeout as error:
            self.close()  # an answer that comes now would be taken for that of the next statement
            raise psycopg.OperationalError(f"The server has not answered for {seconds:g} seconds.") from error


def connected(url: str, **options: Any) -> Engine:
    """An engine over `url`; connects to nothing yet. What the URL says of the route is kept, and its `options`."""
    parsed = make_url(url)
    engine = create_engine(
        parsed,
        # What a statement was sent with is about people: it stays out of errors, and so out of the log.
        hide_parameters=True,
        json_deserializer=stored_json.loads,
        connect_args=_arguments(parsed),
        **options,
    )

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, args: Any, parameters: dict[str, Any]) -> BoundedConnection:
        try:
            return BoundedConnection.connect(*args, **parameters)
        except psycopg.OperationalError as error:
            refusal = pooler_refusal(error)
            if refusal is None:
                raise
            raise refusal from error

    @event.listens_for(engine, "checkin")
    def left(connection: psycopg.Connection[Any] | None, record: Any) -> None:
        # A session that only reads is what is left of a switch to another server: the next one is a new one.
        reads_only = connection is not None and _reads_only(connection)
        record.info["left"] = -math.inf if reads_only else time.monotonic()

    @event.listens_for(engine, "checkout")
    def taken(connection: psycopg.Connection[Any], record: Any, _proxy: Any) -> None:
        idle = time.monotonic() - record.info.get("left", math.inf)
        if idle > STALE_SECONDS and not (math.isfinite(idle) and _answers(engine, connection)):
            # Those that are as old have the same end: none of them is asked again.
            raise InvalidatePoolError

    return engine


def pool(settings: Settings) -> Engine:
    """The process's connections: as many again for a peak, then callers wait five seconds and are told 503.

    Those of a peak are kept: to open one for each request of a busy time costs more than the request.
    """
    assert settings.database_url is not None, "services were not resolved"
    return connected(
        settings.database_url,
        pool_size=2 * settings.pool_size,
        max_overflow=0,
        pool_use_lifo=True,  # the most recent one first: what a peak has opened is left alone when it is over
        pool_timeout=5,
    )


def _arguments(url: URL) -> dict[str, Any]:
    """libpq takes the last word of each setting: ours, but for what it does not name, such as `search_path`."""
    given = url.query.get("options", "")
    session = " ".join(f"-c {name}={value}" for name, value in SESSION.items())
    return {
        **{name: value for name, value in ROUTE.items() if name not in url.query},
        "options": " ".join([*([given] if isinstance(given, str) else given), session]).strip(),
    }


def _reads_only(connection: psycopg.Connection[Any]) -> bool:
    """What the server has told by itself, so asking costs nothing."""
    status = connection.pgconn.parameter_status
    return not connection.closed and b"on" in {status(b"in_hot_standby"), status(b"default_transaction_read_only")}


def _answers(engine: Engine, connection: Any) -> bool:
    try:
        with waiting(PROBE_SECONDS):
            return bool(engine.dialect.do_ping(connection))
    except psycopg.Error:
        return False

"""The event store: the library's PostgreSQL recorder, inside the caller's transaction.

Three things differ from the stock recorder: one statement without a pipeline (which hangs on large payloads),
metadata columns beside each event, and the transaction, which is always the caller's. The log lock is taken by
the inserting statement itself and held to the commit, so positions appear in the order of commits and a
follower that asks for "everything after N" never misses one. The streams' heads are locked before the log: who holds
a head (the scheduler, while it sizes an audience) makes others of that stream wait, and never the whole log.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, TypeVar, cast
from uuid import UUID

import psycopg
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.rows import dict_row
from sqlalchemy import Connection, select, text, union_all
from sqlalchemy.dialects.postgresql import insert

from aggregates.base import Aggregate, Event, Meta, decode, encode, fold
from aggregates.errors import DomainError
from commands.bus import StreamMoved
from engine.outside import Kept
from projections import failpoints
from projections.outside import values_of
from projections.tables import spent_tokens, stream_heads

A = TypeVar("A", bound=Aggregate)

LOG_LOCK = 7_346_200_111
"""The advisory lock that puts the log in order."""

LOG_IDLE = "3s"
"""How long who holds the log may do nothing: everybody waits behind a process that is frozen before its commit."""

LOG_KEY = "log_pkey"
"""The constraint by which a version of a stream is there once."""

CHANNEL = "tidegate_log"
"""NOTIFY channel on which followers of the log are woken."""

_APPEND = """
WITH mine AS MATERIALIZED (
    SELECT id FROM stream_heads WHERE id = ANY (%(head_ids)s::uuid[]) ORDER BY id FOR UPDATE
),
ordered AS MATERIALIZED (
    SELECT pg_advisory_xact_lock(%(lock)s), set_config('idle_in_transaction_session_timeout', %(idle)s, true)
    FROM (SELECT count(*) FROM mine) AS held
),
fresh AS (
    INSERT INTO log (originator_id, originator_version, topic, state,
                     project_id, command_id, actor, source, recorded_at)
    SELECT e.id, e.version, e.topic, e.state,
           %(project_id)s, %(command_id)s, %(actor)s, %(source)s, %(recorded_at)s
    FROM ordered, unnest(%(ids)s::uuid[], %(versions)s::bigint[], %(topics)s::text[], %(states)s::bytea[])
         WITH ORDINALITY AS e (id, version, topic, state, place)
    ORDER BY e.place
    RETURNING originator_id, notification_id
),
heads AS (
    INSERT INTO stream_heads (id, project_id, kind, version, status, due_at, parent_id, position)
    SELECT h.id, %(project_id)s, h.kind, h.version, h.status, h.due_at, h.parent_id,
           (SELECT max(f.notification_id) FROM fresh f WHERE f.originator_id = h.id)
    FROM unnest(%(head_ids)s::uuid[], %(kinds)s::text[], %(head_versions)s::bigint[], %(statuses)s::text[],
                %(dues)s::timestamptz[], %(parents)s::uuid[])
         AS h (id, kind, version, status, due_at, parent_id)
    ON CONFLICT (id) DO UPDATE
    SET version = excluded.version, status = excluded.status, due_at = excluded.due_at, position = excluded.position
)
SELECT notification_id, pg_notify(%(channel)s, '') FROM fresh ORDER BY notification_id
"""


class CallersConnection(PostgresDatastore):
    """A datastore without connections: every call of the recorder brings the caller's."""

    def __init__(self) -> None:
        super().__init__(dbname="", host="", port="", user="", password="")

    def register_type_adapters(self) -> None:
        """Nothing to ask the database for: events travel as plain arrays."""


class LogRecorder(PostgresApplicationRecorder):
    """The library's recorder over the table `log`, which migrations own."""

    def __init__(self) -> None:
        super().__init__(CallersConnection(), events_table_name="log")

    def insert_events(
        self, stored_events: Sequence[StoredEvent], *, conn: psycopg.Connection[Any] | None = None, **columns: Any
    ) -> Sequence[int]:
        """Append in the caller's transaction; `columns` are the metadata and the streams' heads."""
        assert conn is not None
        parameters = {
            "lock": LOG_LOCK,
            "idle": LOG_IDLE,
            "channel": CHANNEL,
            "ids": [event.originator_id for event in stored_events],
            "versions": [event.originator_version for event in stored_events],
            "topics": [event.topic for event in stored_events],
            "states": [event.state for event in stored_events],
            **columns,
        }
        return [row[0] for row in conn.execute(_APPEND, parameters).fetchall()]

    def select_events(  # type: ignore[override]  # a connection is always given
        self, originator_id: UUID, *, conn: psycopg.Connection[Any], **_: Any
    ) -> Sequence[StoredEvent]:
        with conn.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(
                "SELECT originator_version, topic, state FROM log WHERE originator_id = %s ORDER BY originator_version",
                (originator_id,),
            )
            return [StoredEvent(originator_id, r["originator_version"], r["topic"], r["state"]) for r in rows]


class Store:
    """Streams in and out of one open transaction."""

    def __init__(self, connection: Connection, recorder: LogRecorder) -> None:
        self._connection = connection
        self._recorder = recorder
        self.appended: int | None = None
        """The position of what was appended last."""

    @property
    def _driver(self) -> psycopg.Connection[Any]:
        return cast("psycopg.Connection[Any]", self._connection.connection.driver_connection)

    def load(self, kind: type[A], id: UUID, meta: Meta) -> A:
        found = self.find(kind, id, meta)
        if found is None:
            raise DomainError(f"{kind.KIND}.not_found")
        return found

    def find(self, kind: type[A], id: UUID, meta: Meta) -> A | None:
        found = fold(self._events(id, meta.principal.project_id))
        if not isinstance(found, kind) or found.project_id != meta.principal.project_id:
            return None
        return found

    def taken(self, id: UUID | None) -> bool:
        if id is None:
            return False
        # What a token buys may be a stream or a row here: whoever asks second has to see what the first has made.
        self._connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:id, -5))"), {"id": str(id)})
        taken = union_all(
            select(stream_heads.c.id).where(stream_heads.c.id == id),
            select(spent_tokens.c.id).where(spent_tokens.c.id == id),
        )
        return self._connection.execute(taken).first() is not None

    def spend(self, id: UUID, meta: Meta) -> None:
        row = {"id": id, "spent_at": meta.now}
        if self._connection.execute(insert(spent_tokens).values(row).on_conflict_do_nothing()).rowcount == 0:
            raise StreamMoved

    def belonging(self, kind: type[A], parent_id: UUID, meta: Meta, *statuses: str) -> list[A]:
        heads = stream_heads.c
        ids = self._connection.execute(
            select(heads.id)
            .where(heads.parent_id == parent_id, heads.kind == kind.KIND, heads.status.in_(statuses))
            .order_by(heads.id)
            .with_for_update()
        ).scalars()
        return [self.load(kind, id, meta) for id in ids.all()]

    def siblings(self, kind: type[A], parent_id: UUID, meta: Meta, *statuses: str) -> list[A]:
        # The heads are left alone: a scheduler that sizes an audience holds one for as long as that takes.
        self._connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:id, -7))"), {"id": str(parent_id)}
        )
        heads = stream_heads.c
        ids = self._connection.execute(
            select(heads.id)
            .where(heads.parent_id == parent_id, heads.kind == kind.KIND, heads.status.in_(statuses))
            .order_by(heads.id)
        ).scalars()
        return [self.load(kind, id, meta) for id in ids.all()]

    def any_stands(self, ids: Sequence[UUID], statuses: Collection[str]) -> bool:
        heads = stream_heads.c
        standing = select(heads.id).where(heads.id.in_(ids), heads.status.in_(statuses)).limit(1)
        return bool(ids) and self._connection.execute(standing).first() is not None

    def lock(self, id: UUID, *, shared: bool = False) -> None:
        self._connection.execute(select(stream_heads.c.id).where(stream_heads.c.id == id).with_for_update(read=shared))

    def claim(self, id: UUID, now: datetime) -> bool:
        heads = stream_heads.c
        due = select(heads.id).where(heads.id == id, heads.due_at <= now).with_for_update(skip_locked=True)
        claimed = self._connection.execute(due).first() is not None
        if claimed:
            failpoints.reach("instant_claimed")
        return claimed

    def save(self, *aggregates: Aggregate) -> int:
        """Append all pending events at once. Raises StreamMoved when another writer was first.

        Once a transaction: a second time would lock heads while it holds the log, and meet others the other way round.
        """
        pending = [(aggregate, cast("list[Event]", list(aggregate.collect_events()))) for aggregate in aggregates]
        events = [event for _, collected in pending for event in collected]
        if not events:
            return self._position_of(aggregates[0].id) if aggregates else 0
        assert self.appended is None, "a transaction appends once"
        moved = [aggregate for aggregate, collected in pending if collected]
        meta = events[0].meta
        kept = Kept()
        stored = [StoredEvent(e.originator_id, e.originator_version, *encode(e, kept.keep)) for e in events]
        # Before the log is locked: nobody waits for these rows.
        kept.store(self._connection, moved[0].project_id, events[0].timestamp)
        try:
            positions = self._recorder.insert_events(
                stored,
                conn=self._driver,
                project_id=moved[0].project_id,
                command_id=UUID(meta["command_id"]),
                actor=meta["actor"],
                source=meta["source"],
                recorded_at=events[0].timestamp,
                head_ids=[aggregate.id for aggregate in moved],
                kinds=[aggregate.KIND for aggregate in moved],
                head_versions=[aggregate.version for aggregate in moved],
                statuses=[aggregate.status for aggregate in moved],
                dues=[aggregate.due_at for aggregate in moved],
                parents=[aggregate.parent_id for aggregate in moved],
            )
        except psycopg.errors.UniqueViolation as error:
            if error.diag.constraint_name != LOG_KEY:
                raise  # a position that is taken is nobody's change: the sequence is behind the table
            raise StreamMoved from error
        self.appended = positions[-1]
        return self.appended

    def _events(self, id: UUID, project_id: UUID) -> list[Event]:
        stored = self._recorder.select_events(id, conn=self._driver)
        values = values_of(self._connection, ((project_id, e.state) for e in stored))
        return [decode(id, e.originator_version, e.topic, e.state, values) for e in stored]

    def _position_of(self, id: UUID) -> int:
        row = self._connection.execute(select(stream_heads.c.position).where(stream_heads.c.id == id)).first()
        return row.position if row else 0


def head_status(connection: Connection, id: UUID) -> str | None:
    """A stream's status as of the last commit, without reading the stream."""
    row = connection.execute(select(stream_heads.c.status).where(stream_heads.c.id == id)).first()
    return row.status if row else None

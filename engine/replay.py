"""States of the past: events folded with the code of today, up to a position or a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, Row, Select, exists, select

from aggregates.base import Aggregate, Principal, decode, fold
from aggregates.errors import DomainError, Problem, invalid
from aggregates.shape import changes
from projections.outside import values_of
from projections.page import as_id
from projections.person_facts import for_reader
from projections.tables import log, stream_heads

STREAMS_AT_ONCE = 200
"""Streams that a check folds in one snapshot."""

_EVENTS: Select[Any] = select(
    log.c.notification_id,
    log.c.recorded_at,
    log.c.project_id,
    log.c.originator_id,
    log.c.originator_version,
    log.c.topic,
    log.c.state,
).order_by(log.c.originator_id, log.c.originator_version)


class Replay:
    """Reads the past of a project's streams: workflows, schedules, batch jobs, keys, cohorts, the project, refusals."""

    def __init__(self, engine: Engine, authorize: Callable[[Principal, str], None]) -> None:
        self._engine = engine
        self._authorize = authorize

    def state_at(
        self, principal: Principal, id: object, *, position: int | None = None, time: datetime | None = None
    ) -> dict[str, Any]:
        """A state as it was when the log stood at `position`, or at `time`; the present one without either.

        Refuses an id that is not of the project with `stream.not_found`, and what was before its first event with
        `stream.not_begun`.
        """
        self._authorize(principal, "state.at")
        if position is not None and time is not None:
            problem = Problem("/time", "state.two_instants", "Give a position or a time, not both.")
            raise invalid("request.invalid", [problem])
        rows, values = self._until(principal, as_id(id, "stream.not_found"), position, time)
        aggregate = _folded(rows, values)
        return {**_place(aggregate, rows), "state": for_reader(principal, aggregate.as_data(), aggregate.KIND)}

    def diff(
        self, principal: Principal, id: object, *, from_position: int, to_position: int | None = None
    ) -> dict[str, Any]:
        """What is different between two positions, `to_position` being the present one unless it is given."""
        self._authorize(principal, "state.diff")
        stream_id = as_id(id, "stream.not_found")
        before, kept_before = self._until(principal, stream_id, from_position, None)
        after, kept_after = self._until(principal, stream_id, to_position, None)
        old, new = _folded(before, kept_before), _folded(after, kept_after)
        # Both as they are shown: where something is not told, neither is that it changed.
        shown = tuple(for_reader(principal, each.as_data(), each.KIND) for each in (old, new))
        return {
            "stream_id": stream_id,
            "kind": new.KIND,
            "before": _moment(before),
            "after": _moment(after),
            "changes": list(changes("", *shown)),
        }

    def _until(
        self, principal: Principal, id: UUID, position: int | None, time: datetime | None
    ) -> tuple[Sequence[Row[Any]], Mapping[str, Any]]:
        """The events of a stream of the principal's project, in order, up to a position or a time; at least one.

        With them the values that they keep outside the log.
        """
        whole = _EVENTS.where(log.c.originator_id == id, log.c.project_id == principal.project_id)
        with self._engine.connect() as connection:
            rows = connection.execute(whole if position is None else _up_to(whole, position)).all()
            if time is not None:
                # A prefix in any case: a clock that was set back makes no gaps.
                rows = list(takewhile(lambda row: row.recorded_at <= time, rows))
            first = None if rows else connection.execute(whole.limit(1)).first()
            values = _kept(connection, rows)
        if rows:
            return rows, values
        if first is None:
            raise DomainError("stream.not_found")
        began = {"first_position": first.notification_id, "first_recorded_at": first.recorded_at.isoformat()}
        raise DomainError("stream.not_begun", details=began)


@dataclass(frozen=True)
class Mismatch:
    """Something that the store keeps beside a stream and that its events do not add up to."""

    stream_id: UUID
    kind: str
    field: str
    live: object
    folded: object


@dataclass(frozen=True)
class Checked:
    """Some streams that were folded: how many, of how many events, and what does not agree."""

    streams: int
    events: int
    mismatches: list[Mismatch]


def check(engine: Engine) -> Iterator[Checked]:
    """Fold every stream of the installation with the code of today and compare with what is live, some at a time."""
    after = UUID(int=0)
    steady = engine.execution_options(isolation_level="REPEATABLE READ")
    while True:
        with steady.begin() as connection:
            heads = connection.execute(
                select(stream_heads).where(stream_heads.c.id > after).order_by(stream_heads.c.id).limit(STREAMS_AT_ONCE)
            ).all()
            found = _checked(connection, heads) if heads else Checked(0, 0, _headless(connection))
        yield found
        if not heads:
            return
        after = heads[-1].id


def _checked(connection: Connection, heads: Sequence[Row[Any]]) -> Checked:
    rows = connection.execute(_EVENTS.where(log.c.originator_id.in_([head.id for head in heads]))).all()
    streams: dict[UUID, list[Row[Any]]] = {}
    for row in rows:
        streams.setdefault(row.originator_id, []).append(row)
    values = _kept(connection, rows)
    mismatches = [found for head in heads for found in _compared(head, streams.get(head.id, []), values)]
    return Checked(len(heads), len(rows), mismatches)


def _compared(head: Row[Any], rows: Sequence[Row[Any]], values: Mapping[str, Any]) -> Iterator[Mismatch]:
    try:
        aggregate = _folded(rows, values) if rows else None
    except Exception as error:  # noqa: BLE001  # whatever today's code cannot fold is what is looked for
        yield Mismatch(head.id, head.kind, "events", None, f"{type(error).__name__} after {len(rows)} events")
        return
    if aggregate is None:
        yield Mismatch(head.id, head.kind, "events", head.version, 0)
        return
    folded = {
        "kind": aggregate.KIND,
        "version": aggregate.version,
        "status": aggregate.status,
        "due_at": aggregate.due_at,
        "parent_id": aggregate.parent_id,
        "project_id": aggregate.project_id,
        "position": rows[-1].notification_id,
    }
    for field, value in folded.items():
        if getattr(head, field) != value:
            yield Mismatch(head.id, head.kind, field, getattr(head, field), value)


def _headless(connection: Connection) -> list[Mismatch]:
    """Streams that the store has forgotten: nobody who looks for work finds them."""
    known = exists().where(stream_heads.c.id == log.c.originator_id)
    ids = connection.execute(select(log.c.originator_id).where(~known).distinct().limit(STREAMS_AT_ONCE)).scalars()
    return [Mismatch(id, "", "head", None, "events") for id in ids]


def _up_to(statement: Select[Any], position: int) -> Select[Any]:
    return statement.where(log.c.notification_id <= position)


def _kept(connection: Connection, rows: Sequence[Row[Any]]) -> Mapping[str, Any]:
    return values_of(connection, ((row.project_id, row.state) for row in rows))


def _folded(rows: Sequence[Row[Any]], values: Mapping[str, Any]) -> Aggregate:
    aggregate = fold(decode(row.originator_id, row.originator_version, row.topic, row.state, values) for row in rows)
    assert aggregate is not None, "a stream has events"
    return aggregate


def _place(aggregate: Aggregate, rows: Sequence[Row[Any]]) -> dict[str, Any]:
    return {"stream_id": rows[-1].originator_id, "kind": aggregate.KIND, **_moment(rows)}


def _moment(rows: Sequence[Row[Any]]) -> dict[str, Any]:
    """Where a state stands: the last event that it is made of."""
    last = rows[-1]
    return {
        "position": last.notification_id,
        "version": last.originator_version,
        "recorded_at": last.recorded_at,
    }

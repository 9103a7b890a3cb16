"""The log as it is read: what was done, what was refused, and by whom. No view of it: the table is the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select

from aggregates.base import Principal, told
from aggregates.errors import DomainError
from aggregates.outside import ERASED, ERASED_TEXT, named
from aggregates.refusal.events import CallRefused
from projections.outside import values_of
from projections.page import Page, Reader, as_id, bigint, decode_cursor
from projections.person_facts import for_reader
from projections.tables import log, stream_heads

META = ("on_behalf_of", "owner", "via", "client", "request_id", "correlation_id", "reason")
"""What is told of an event's metadata."""

OF_THE_STORE = frozenset({"timestamp", "originator_topic", "class_version", "meta", "project_id"})
"""What every stored event has; the rest of it is its own."""

_EVENTS = select(
    log.c.notification_id.label("position"),
    log.c.recorded_at,
    log.c.topic,
    stream_heads.c.kind,
    log.c.originator_id.label("stream_id"),
    log.c.originator_version.label("version"),
    log.c.actor,
    log.c.source,
    log.c.state,
).join(stream_heads, stream_heads.c.id == log.c.originator_id)


class LogReads(Reader):
    """Events of the principal's project."""

    def read(
        self,
        principal: Principal,
        *,
        from_position: int | None = None,
        limit: int = 20,
        after: str | None = None,
        **filters: Any,
    ) -> Page:
        """The newest first; or, `from_position` on, in the order in which they came. Filters are those of `_matching`.

        A page goes on with `after` and everything else as before.
        """
        self.authorize(principal, "log.read")
        position = log.c.notification_id
        statement = _EVENTS.where(log.c.project_id == principal.project_id, *_matching(**filters))
        reached = decode_cursor(after, (bigint,))[0] if after else None
        if from_position is None:
            statement = statement.order_by(position.desc())
            statement = statement if reached is None else statement.where(position < reached)
        else:
            first = from_position if reached is None else max(from_position, reached + 1)
            statement = statement.where(position >= first).order_by(position)
        page = self.page(statement, limit, ("position",), None)
        with self.engine.connect() as connection:
            values = values_of(connection, ((principal.project_id, row["state"]) for row in page.data))
        return replace(page, data=[_row(row, principal, values) for row in page.data])

    def get(self, principal: Principal, position: object) -> dict[str, Any]:
        """One event by its position; one that is malformed is as unknown as any other."""
        self.authorize(principal, "log.get")
        try:
            place = bigint(int(str(position)))
        except ValueError:
            raise DomainError("event.not_found") from None
        one = _EVENTS.where(log.c.project_id == principal.project_id, log.c.notification_id == place)
        with self.engine.connect() as connection:
            row = connection.execute(one).first()
            if row is None:
                raise DomainError("event.not_found")
            values = values_of(connection, [(principal.project_id, row.state)])
        return _row(dict(row._mapping), principal, values)


def _matching(
    *,
    stream_id: object | None = None,
    topic: str | None = None,
    actor: str | None = None,
    source: str | None = None,
    refused: bool = False,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[ColumnElement[bool]]:
    """Conditions; what is None does not filter.

    `stream_id`: of one workflow, schedule or batch job, and what was refused about it. `topic`: how it begins.
    `refused`: refused calls only. `since` is inclusive, `until` is not.
    """
    found: list[ColumnElement[bool]] = []
    if stream_id is not None:
        id, heads = as_id(stream_id, "stream.not_found"), stream_heads.c
        about = select(heads.id).where((heads.id == id) | ((heads.parent_id == id) & (heads.kind == "refusal")))
        found.append(log.c.originator_id.in_(about))
    if topic is not None:
        found.append(log.c.topic.startswith(topic, autoescape=True))
    if refused:
        found.append(log.c.topic == CallRefused.TOPIC)
    found += [log.c[name] == value for name, value in (("actor", actor), ("source", source)) if value is not None]
    found += [] if since is None else [log.c.recorded_at >= since]
    found += [] if until is None else [log.c.recorded_at < until]
    return found


def _row(row: Mapping[str, Any], principal: Principal, values: Mapping[str, Any]) -> dict[str, Any]:
    """An event as it was recorded; what is told of it does not depend on the code of today."""
    state = for_reader(principal, told(row["state"]), row["topic"])
    meta = for_reader(principal, state["meta"], row["topic"])
    return {
        **{name: value for name, value in row.items() if name != "state"},
        **{name: _told(meta.get(name), values) for name in META},
        "data": {name: _whole(value, values) for name, value in state.items() if name not in OF_THE_STORE},
    }


def _told(value: Any, values: Mapping[str, Any]) -> Any:
    """A text of the metadata, wherever it is kept."""
    digest = named(value)
    return value if digest is None else values.get(digest, ERASED_TEXT)


def _whole(value: Any, values: Mapping[str, Any]) -> Any:
    """What a state says, with what is kept outside in its place."""
    digest = named(value)
    if digest is not None:
        # A tenant's data from here on: what looks like a name in it is none.
        return values.get(digest, {ERASED: digest})
    match value:
        case dict():
            return {name: _whole(inner, values) for name, inner in value.items()}
        case list():
            return [_whole(inner, values) for inner in value]
        case _:
            return value

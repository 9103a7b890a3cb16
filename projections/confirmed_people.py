"""The people whom a human confirmed for a schedule, where its approval limits how many others an occurrence may have.

They are kept as chunks under the schedule's id, until it is confirmed anew or ends: ids, with a mark of the address of
each where the workflow sends email. A confirmed person with another address is somebody who was not confirmed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, cast, delete, func, null, select, true, tuple_

from aggregates.audience import Audience
from aggregates.reach import Reach
from projections import audience_sql
from projections.audience import POINTER, Audiences
from projections.audience_sql import Question
from projections.exclusions import mark
from projections.failed_runs import NO_ADDRESS
from projections.tables import chunks


def forget(connection: Connection, schedule_id: UUID) -> None:
    """Drop who was confirmed for a schedule."""
    connection.execute(delete(chunks).where(chunks.c.job_id == schedule_id))


def strangers(
    connection: Connection,
    audiences: Audiences,
    project_id: UUID,
    schedule_id: UUID,
    audience: Audience,
    *,
    reach: Reach,
    now: datetime,
) -> int | None:
    """How many of the people whom an audience reaches now were not confirmed; None if nobody was kept."""
    with audiences._asking(connection, project_id, audience, now, POINTER) as verdict:
        affected = audience_sql.affected(Question(project_id, verdict, reach, now))
        each = affected.subquery("affected")
        marked = mark(each.c.address, audiences.seeds.mark) if "address" in each.c else _no_mark()
        return _beside(connection, select(each.c.id, marked.label("mark")), schedule_id)


def strangers_of(connection: Connection, job_id: UUID, schedule_id: UUID) -> int | None:
    """How many of the people of an enrolled job were not confirmed for its schedule; None if nobody was kept."""
    return _beside(connection, _frozen(job_id), schedule_id)


def _beside(connection: Connection, people: Select[Any], schedule_id: UUID) -> int | None:
    if connection.execute(select(true()).where(chunks.c.job_id == schedule_id).limit(1)).first() is None:
        return None
    each, known = people.subquery("each"), _frozen(schedule_id).subquery("confirmed")
    confirmed = select(known.c.id, func.coalesce(known.c.mark, NO_ADDRESS))
    # Looked up in one table of them, and not joined: of people in arrays a planner knows too little for that.
    other = tuple_(each.c.id, func.coalesce(each.c.mark, NO_ADDRESS)).not_in(confirmed)
    return int(connection.execute(select(func.count()).select_from(each).where(other)).scalar_one())


def _frozen(id: UUID) -> Select[Any]:
    pairs = func.unnest(chunks.c.person_ids, chunks.c.address_marks)
    person = pairs.table_valued("id", "mark", name="person").render_derived()
    columns: list[Any] = [cast(column, BigInteger).label(column.name) for column in (person.c.id, person.c.mark)]
    return select(*columns).select_from(chunks.join(person, true())).where(chunks.c.job_id == id)


def _no_mark() -> ColumnElement[Any]:
    return cast(null(), BigInteger)

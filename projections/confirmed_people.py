"""The people whom a human confirmed for a schedule, where its approval limits how many others an occurrence may have.

They are kept as chunks under the schedule's id, until it is confirmed anew or ends. They are ids and nothing else.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Connection, Select, cast, delete, func, select, true

from aggregates.audience import Audience
from aggregates.reach import Reach
from projections import audience_sql
from projections.audience import POINTER, Audiences
from projections.audience_sql import Question
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
        return _beside(connection, affected, schedule_id)


def strangers_of(connection: Connection, job_id: UUID, schedule_id: UUID) -> int | None:
    """How many of the people of an enrolled job were not confirmed for its schedule; None if nobody was kept."""
    return _beside(connection, _ids(job_id), schedule_id)


def _beside(connection: Connection, ids: Select[Any], schedule_id: UUID) -> int | None:
    if connection.execute(select(true()).where(chunks.c.job_id == schedule_id).limit(1)).first() is None:
        return None
    each, known = ids.subquery("affected"), _ids(schedule_id).subquery("confirmed")
    counted = select(func.count()).select_from(each.outerjoin(known, known.c.id == each.c.id))
    return int(connection.execute(counted.where(known.c.id.is_(None))).scalar_one())


def _ids(id: UUID) -> Select[Any]:
    person = func.unnest(chunks.c.person_ids).table_valued("id", name="person").render_derived()
    source = select(cast(person.c.id, BigInteger).label("id")).select_from(chunks.join(person, true()))
    return source.where(chunks.c.job_id == id)

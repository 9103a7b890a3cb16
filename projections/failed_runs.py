"""The failed runs of a job: who they were, and their people frozen into the chunks of a retry.

A job that has ended changes no more, so these are the same people whenever they are asked for. So are their addresses:
a retry keeps the marks of the runs that it repeats, and the sender skips a person who has another one by then.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, case, false, func, select
from sqlalchemy.sql.elements import ColumnElement

from aggregates.reach import Reach
from projections import audience_sql
from projections.audience import Audiences, Frozen
from projections.exclusions import TOLD, left_topic, mark, refused
from projections.tables import people, runs

NO_ADDRESS = 0
"""The mark of a person for whom no address was confirmed; the mark of no address, but for one in 2**64."""


def tally(connection: Connection, audiences: Audiences, job_id: UUID, reach: Reach) -> tuple[int, str]:
    """How many failed, and who with which confirmed addresses, as a fingerprint."""
    failed = _failed(job_id, reach, audiences)
    row = connection.execute(audience_sql.known(failed, audiences.seeds)).mappings().one()
    return int(row["count"]), audiences.fingerprint(row["count"], row["sum"], row["xor"])


def freeze(
    connection: Connection, audiences: Audiences, job_id: UUID, *, of: UUID, reach: Reach, chunk_size: int
) -> Frozen:
    """Write the people whose runs of the job `of` failed into the chunks of another job."""
    statement = audience_sql.freeze(job_id, _failed(of, reach, audiences), chunk_size, audiences.seeds)
    row = connection.execute(statement).mappings().one()
    return Frozen(int(row["count"]), audiences.fingerprint(row["count"], row["sum"], row["xor"]), int(row["chunks"]))


def left_since(
    connection: Connection, audiences: Audiences, job_id: UUID, project_id: UUID, reach: Reach
) -> dict[str, int]:
    """How many of those who failed a retry would skip, by the reason."""
    failed, stop = _failed(job_id, reach, audiences).subquery("failed"), refused(project_id, reach)
    source = failed.outerjoin(people, people.c.id == failed.c.id).outerjoin(stop, stop.c.address == people.c.address)
    left: ColumnElement[bool] = people.c.opted_out_at.is_not(None)
    if (gone := left_topic(reach)) is not None:
        source = source.outerjoin(gone, gone.c.person_id == people.c.id)
        left = left | gone.c.person_id.is_not(None)
    changed: ColumnElement[bool] = false()
    if reach.confirms_address:
        now = func.coalesce(mark(TOLD, audiences.seeds.mark), NO_ADDRESS)
        changed = failed.c.mark.is_distinct_from(now)
    reason = case(
        (people.c.id.is_(None), "erased"),
        (left | func.coalesce(stop.c.opted_out, False), "opted_out"),
        (func.coalesce(stop.c.suppressed, False), "suppressed"),
        (changed, "address_changed"),
    )
    each = select(reason.label("reason")).select_from(source).subquery("each")
    rows = connection.execute(
        select(each.c.reason, func.count()).where(each.c.reason.is_not(None)).group_by(each.c.reason)
    )
    none = dict.fromkeys(("opted_out", "suppressed", "erased", "address_changed"), 0)
    return none | {row[0]: row[1] for row in rows}


def failed_of(job_id: UUID) -> Select[Any]:
    """(id): the people whose runs of a job have failed."""
    return select(runs.c.person_id.label("id")).where(runs.c.job_id == job_id, runs.c.status == "failed")


def _failed(job_id: UUID, reach: Reach, audiences: Audiences) -> Select[Any]:
    """The people, with the marks of the addresses that were confirmed, where they are.

    Runs of an older version have none; their addresses of now are confirmed with the retry.
    """
    if not reach.confirms_address:
        return failed_of(job_id)
    marked = func.coalesce(runs.c.address_mark, mark(TOLD, audiences.seeds.mark), NO_ADDRESS)
    source = runs.outerjoin(people, people.c.id == runs.c.person_id)
    return failed_of(job_id).add_columns(marked.label("mark")).select_from(source)

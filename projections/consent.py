"""Who may not be written to: opt-outs, of all or of a topic, by person and by address, and suppressed addresses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, and_, delete, exists, false, literal, null, or_, select, union_all, update
from sqlalchemy.dialects.postgresql import insert

from aggregates.address import normalised
from aggregates.base import Principal
from aggregates.reach import Reach
from projections.exclusions import left_topic, refused
from projections.page import Page, Reader, decode_cursor
from projections.tables import opt_outs, people, person_opt_outs, suppressions

COUNTED = {"preserve_rowcount": True}
"""An INSERT says how many rows it made only when it is asked to."""


def opt_out(
    conn: Connection,
    project_id: UUID,
    *,
    person_id: int | None,
    address: str | None,
    topic: str,
    reason: str,
    source: str,
    now: datetime,
) -> bool:
    """Let a person, and everybody with the address, leave a topic ("": all); whether that was not so before."""
    told = {"topic": topic, "reason": reason, "source": source, "at": now}
    whom = _whom(project_id, person_id, address)
    if topic:
        gone = select(people.c.id, *(literal(value) for value in told.values())).where(whom)
        stored = insert(person_opt_outs).from_select(["person_id", *told], gone, include_defaults=False)
        made = conn.execute(stored.on_conflict_do_nothing(), execution_options=COUNTED).rowcount
    else:
        out = update(people).where(whom, people.c.opted_out_at.is_(None)).values(opted_out_at=now, updated_at=now)
        made = conn.execute(out).rowcount
    if address is not None:
        row = {"project_id": project_id, "address": address, **told}
        made += conn.execute(insert(opt_outs).values(row).on_conflict_do_nothing(), execution_options=COUNTED).rowcount
    return made > 0


def keep_out(conn: Connection, project_id: UUID, address: str, at: datetime) -> None:
    """An address of somebody who opted out is opted out as well, also one that they got after that."""
    row = {"project_id": project_id, "address": address, "topic": "", "source": "import", "at": at}
    conn.execute(insert(opt_outs).values(row).on_conflict_do_nothing())


def opt_in(
    conn: Connection, project_id: UUID, *, person_id: int | None, address: str | None, topic: str, now: datetime
) -> bool:
    """Take back what `opt_out` of the same topic did, the only way back; whether there was anything to take back."""
    whom = _whom(project_id, person_id, address)
    if topic:
        ids = select(people.c.id).where(whom)
        back = delete(person_opt_outs).where(person_opt_outs.c.topic == topic, person_opt_outs.c.person_id.in_(ids))
        made = conn.execute(back).rowcount
    else:
        in_ = update(people).where(whom, people.c.opted_out_at.is_not(None)).values(opted_out_at=None, updated_at=now)
        made = conn.execute(in_).rowcount
    here = and_(opt_outs.c.project_id == project_id, opt_outs.c.address == address, opt_outs.c.topic == topic)
    if address is not None:
        made += conn.execute(delete(opt_outs).where(here)).rowcount
    return made > 0


def suppress(conn: Connection, project_id: UUID, address: str, reason: str, now: datetime) -> bool:
    """Let nothing be sent to an address; whether that was not so before. The first reason stays."""
    row = {"project_id": project_id, "address": address, "reason": reason, "at": now}
    stored = insert(suppressions).values(row).on_conflict_do_nothing()
    return conn.execute(stored, execution_options=COUNTED).rowcount > 0


def unsuppress(conn: Connection, project_id: UUID, address: str) -> bool:
    """Let an address be sent to again; whether it was suppressed."""
    here = (suppressions.c.project_id == project_id, suppressions.c.address == address)
    return conn.execute(delete(suppressions).where(*here)).rowcount > 0


def refused_addresses(conn: Connection, project_id: UUID, addresses: Iterable[str], reach: Reach) -> dict[str, str]:
    """Those of these addresses that may not be sent to, as they were told, each with the reason of a sizing.

    An address is opted out by itself, and by any person who has it and opted out, under whatever address that was.
    """
    forms = {told: normalised(told) for told in addresses}
    stop = refused(project_id, reach).c
    known = [form for form in set(forms.values()) if form is not None]
    rows = conn.execute(select(stop.address, stop.opted_out).where(stop.address.in_(known)))
    found = {row.address: "opted_out" if row.opted_out else "suppressed" for row in rows}
    found |= dict.fromkeys(_left_by_person(conn, project_id, known, reach), "opted_out")
    reasons = {told: "invalid_address" if form is None else found.get(form) for told, form in forms.items()}
    return {told: reason for told, reason in reasons.items() if reason is not None}


def _left_by_person(conn: Connection, project_id: UUID, known: Sequence[str], reach: Reach) -> set[str]:
    """Those of these addresses that somebody has who left the topic, or all of them."""
    gone = left_topic(reach)
    by_topic = false() if gone is None else exists().where(gone.c.person_id == people.c.id)
    out = or_(people.c.opted_out_at.is_not(None), by_topic)
    here = (people.c.project_id == project_id, people.c.address.in_(known))
    return set(conn.scalars(select(people.c.address).where(*here, out)))


def left(conn: Connection, project_id: UUID, person_id: int, address: str | None) -> list[dict[str, Any]]:
    """What a person left and their address: {topic, reason, source, at, by}."""
    of_all = select(
        literal("").label("topic"), literal("").label("reason"), literal("").label("source"),
        people.c.opted_out_at.label("at"), literal("person").label("by"),
    ).where(people.c.id == person_id, people.c.opted_out_at.is_not(None))  # fmt: skip
    mine, there = person_opt_outs.c, opt_outs.c
    of_one = select(mine.topic, mine.reason, mine.source, mine.at, literal("person")).where(mine.person_id == person_id)
    by_address = select(there.topic, there.reason, there.source, there.at, literal("address")).where(
        there.project_id == project_id, there.address == (null() if address is None else address)
    )
    each = union_all(of_all, of_one, by_address).subquery("each")
    return [dict(row._mapping) for row in conn.execute(select(each).order_by(each.c.topic, each.c.by))]


def suppressed(conn: Connection, project_id: UUID, address: str | None) -> str | None:
    """Why nothing may be sent to an address; None when it may."""
    here = (suppressions.c.project_id == project_id, suppressions.c.address == address)
    return conn.scalar(select(suppressions.c.reason).where(*here)) if address is not None else None


class SuppressionReads(Reader):
    """Suppressed addresses of the principal's project."""

    def list(self, principal: Principal, *, limit: int = 20, after: str | None = None) -> Page:
        """By address: {address, reason, at}."""
        self.authorize(principal, "suppressions.list")
        table = suppressions.c
        statement = select(table.address, table.reason, table.at).where(table.project_id == principal.project_id)
        if after is not None:
            statement = statement.where(table.address > decode_cursor(after, (str,))[0])
        return self.page(statement.order_by(table.address), limit, ("address",), None)


def _whom(project_id: UUID, person_id: int | None, address: str | None) -> Any:
    same: Sequence[Any] = [people.c.id == person_id] if person_id is not None else []
    if address is not None:
        same = [*same, people.c.address == address]
    return and_(people.c.project_id == project_id, same[0] if len(same) == 1 else same[0] | same[1])

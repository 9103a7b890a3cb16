"""The statements behind `projections.audience`: everything here builds SQL and decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    Select,
    Subquery,
    and_,
    any_,
    case,
    cast,
    func,
    insert,
    literal,
    literal_column,
    not_,
    null,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.sql.elements import ColumnElement

from projections.conditions import Verdict, address, present
from projections.tables import chunks, people

BUCKETS = 1009
"""A sample is the smallest ids of so many classes of ids: found in the pass that counts, in constant memory."""

OPTED_OUT = people.c.opted_out_at.is_not(None)
REACHABLE = func.coalesce(address(people), "") != ""

Statement = Select[Any]


def tally(
    project_id: UUID,
    verdict: Verdict,
    seeds: tuple[int, int],
    *,
    sends_email: bool,
    needs: Sequence[str],
    sample: int,
    with_total: bool,
) -> Statement:
    """One row: matched, affected, the exclusions, sum and xor of the hashed ids, lack_0.., sample (ids), total."""
    rows = _recipients(project_id, verdict, needs) if sends_email else _people(project_id, verdict, needs)
    row = rows.c
    fine = and_(not_(row.opted_out), row.reachable)
    parts = (
        select(
            func.sum(row.people).label("matched"),
            func.count().filter(fine).label("affected"),
            func.coalesce(func.sum(row.people).filter(row.opted_out), 0).label("opted_out"),
            func.coalesce(func.sum(row.people).filter(not_(row.opted_out), not_(row.reachable)), 0).label("no_address"),
            func.coalesce(func.sum(row.people - 1).filter(fine), 0).label("duplicate_address"),
            func.sum(_hashed(row.id, seeds[0])).filter(fine).label("sum"),
            func.bit_xor(_hashed(row.id, seeds[1])).filter(fine).label("xor"),
            func.min(row.id).filter(fine).label("first"),
            *(func.count().filter(fine, row[f"lack_{n}"]).label(f"lack_{n}") for n in range(len(needs))),
        )
        .group_by(*([row.id % BUCKETS] if sample else []))
        .subquery("parts")
    )
    part = parts.c
    sums = ["matched", "affected", "opted_out", "no_address", "duplicate_address", "sum"]
    sums += [f"lack_{n}" for n in range(len(needs))]
    firsts = func.array_agg(aggregate_order_by(part.first, part.first)).filter(part.first.is_not(None))
    total = select(func.count()).select_from(people).where(people.c.project_id == project_id).scalar_subquery()
    return select(
        *(func.coalesce(func.sum(part[name]), 0).label(name) for name in sums),
        func.bit_xor(part.xor).label("xor"),
        (_slice(firsts, sample) if sample else null()).label("sample"),
        (total if with_total else null()).label("total"),
    )


def affected(project_id: UUID, verdict: Verdict, *, sends_email: bool) -> Statement:
    """The ids that an enrolment reaches: who matches, less every exclusion."""
    mine = (people.c.project_id == project_id, verdict, not_(OPTED_OUT))
    if sends_email:
        return select(func.min(people.c.id).label("id")).where(*mine, REACHABLE).group_by(address(people))
    return select(people.c.id).where(*mine)


def by_lot(ids: Statement, seed: int, limit: int) -> Statement:
    """Some of these ids; which ones says a hash of each."""
    each = ids.subquery("affected")
    return select(each.c.id).order_by(_hashed(each.c.id, seed), each.c.id).limit(limit)


def freeze(job_id: UUID, ids: Statement, chunk_size: int, seeds: tuple[int, int]) -> Statement:
    """Insert the chunks of `ids` and answer count, sum, xor and chunks of what was inserted."""
    each = ids.subquery("affected")
    place = cast(func.row_number().over(order_by=each.c.id) - 1, BigInteger)
    placed = select(each.c.id, cast(place // chunk_size, Integer).label("number")).subquery("placed")
    content = select(
        literal(job_id).label("job_id"),
        placed.c.number,
        func.array_agg(aggregate_order_by(placed.c.id, placed.c.id)).label("person_ids"),
        func.count().label("size"),
    ).group_by(placed.c.number)
    written = (
        insert(chunks)
        .from_select(["job_id", "number", "person_ids", "size"], content, include_defaults=False)
        .returning(chunks.c.person_ids)
        .cte("written")
    )
    person = func.unnest(written.c.person_ids).table_valued("id", name="person").render_derived()
    id = cast(person.c.id, BigInteger)
    return select(
        func.count().label("count"),
        func.sum(_hashed(id, seeds[0])).label("sum"),
        func.bit_xor(_hashed(id, seeds[1])).label("xor"),
        select(func.count()).select_from(written).scalar_subquery().label("chunks"),
    ).select_from(written.join(person, true()))


def known(ids: Statement, seeds: tuple[int, int]) -> Statement:
    """Count, sum and xor of ids that are known already."""
    each = ids.subquery("known")
    return select(
        func.count().label("count"),
        func.sum(_hashed(each.c.id, seeds[0])).label("sum"),
        func.bit_xor(_hashed(each.c.id, seeds[1])).label("xor"),
    )


def reasons(project_id: UUID, verdict: Verdict, ids: Any, *, sends_email: bool) -> Statement:
    """(id, reason) of those of `ids` who are not reached."""
    named = (
        select(people.c.id, func.coalesce(verdict, False).label("matched"), OPTED_OUT.label("opted_out"), _address())
        .where(people.c.project_id == project_id, people.c.id == any_(ids))
        .cte("named")
    )
    firsts = select(func.min(people.c.id).label("id"), address(people).label("address")).where(
        people.c.project_id == project_id, verdict, not_(OPTED_OUT), REACHABLE,
        address(people).in_(select(named.c.address)),
    ).group_by(address(people)).subquery("firsts")  # fmt: skip
    of_email = [(named.c.address.is_(None), "no_address"), (named.c.id != firsts.c.id, "duplicate_address")]
    reason: ColumnElement[Any] = case(
        (not_(named.c.matched), "not_matched"),
        (named.c.opted_out, "opted_out"),
        *(of_email if sends_email else []),
    )
    source = named.outerjoin(firsts, firsts.c.address == named.c.address) if sends_email else named
    found = select(named.c.id, reason.label("reason")).select_from(source).subquery("found")
    return select(found).where(found.c.reason.is_not(None)).order_by(found.c.id)


def excluded(project_id: UUID, verdict: Verdict, *, sends_email: bool, limit: int) -> Statement:
    """(id, reason) of some people who match and are excluded, in turn from each reason."""
    matched = select(people.c.id, OPTED_OUT.label("opted_out"), _address()).where(
        people.c.project_id == project_id, verdict, *([] if sends_email else [OPTED_OUT])
    ).subquery("matched")  # fmt: skip
    rank = func.row_number().over(partition_by=(matched.c.opted_out, matched.c.address), order_by=matched.c.id)
    of_email = [(matched.c.address.is_(None), "no_address"), (rank > 1, "duplicate_address")]
    reason: ColumnElement[Any] = case((matched.c.opted_out, "opted_out"), *(of_email if sends_email else []))
    found = select(matched.c.id, reason.label("reason")).subquery("found")
    turn = func.row_number().over(partition_by=found.c.reason, order_by=found.c.id).label("turn")
    turns = select(found.c.id, found.c.reason, turn).where(found.c.reason.is_not(None)).subquery("turns")
    return select(turns.c.id, turns.c.reason).order_by(turns.c.turn, turns.c.reason).limit(limit)


def sample(conn: Connection, project_id: UUID, ids: Sequence[int] | None) -> list[dict[str, Any]]:
    """The named people, masked: enough to recognise somebody whom one knows."""
    chosen = select(people.c.id, people.c.distinct_id, people.c.email).where(
        people.c.project_id == project_id, people.c.id.in_(ids or [])
    )
    return [
        {"id": row.id, "distinct_id": mask(row.distinct_id), "email": mask_email(row.email)}
        for row in conn.execute(chosen.order_by(people.c.id))
    ]


def mask(text: str) -> str:
    """`user-1042` as `us…42`; of a short text only the first character."""
    return f"{text[:2]}…{text[-2:]}" if len(text) >= 7 else f"{text[:1]}…"


def mask_email(email: str | None) -> str | None:
    """`anna@example.com` as `a…@e….com`."""
    if not email:
        return None
    name, _, domain = email.rpartition("@")
    host, dot, top = domain.rpartition(".")
    return f"{name[:1]}…@{host[:1]}…{dot}{top}"


def _people(project_id: UUID, verdict: Verdict, needs: Sequence[str]) -> Subquery:
    lacks = [not_(present(key, people)).label(f"lack_{n}") for n, key in enumerate(needs)]
    one = (literal(1).label("people"), OPTED_OUT.label("opted_out"), true().label("reachable"))
    return select(people.c.id, *one, *lacks).where(people.c.project_id == project_id, verdict).subquery("recipients")


def _recipients(project_id: UUID, verdict: Verdict, needs: Sequence[str]) -> Subquery:
    """One row an address: the smallest id stands for it, the others are its duplicates."""
    first = func.min(people.c.id)
    lacks = [
        func.coalesce(func.min(people.c.id).filter(not_(present(key, people))) == first, False).label(f"lack_{n}")
        for n, key in enumerate(needs)
    ]
    return (
        select(
            first.label("id"),
            func.count().label("people"),
            OPTED_OUT.label("opted_out"),
            (func.coalesce(address(people), literal_column("''")) != literal_column("''")).label("reachable"),
            *lacks,
        )
        .where(people.c.project_id == project_id, verdict)
        .group_by(OPTED_OUT, address(people))
        .subquery("recipients")
    )


def _hashed(id: ColumnElement[int], seed: int) -> ColumnElement[int]:
    return func.hashint8extended(id, cast(seed, BigInteger), type_=BigInteger)


def _address() -> ColumnElement[str]:
    """The address of a person who has one; blank ones are none."""
    return func.nullif(address(people), "").label("address")


def _slice(ids: ColumnElement[Any], length: int) -> ColumnElement[Any]:
    return func.trim_array(ids, func.greatest(func.cardinality(ids) - length, 0), type_=ARRAY(BigInteger))

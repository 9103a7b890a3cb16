"""The statements behind `projections.audience`: everything here builds SQL and decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Integer,
    Select,
    Subquery,
    any_,
    case,
    cast,
    false,
    func,
    insert,
    literal,
    not_,
    null,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.sql.elements import ColumnElement

from aggregates.reach import REASONS, Reach
from projections.conditions import Verdict, present
from projections.exclusions import INVALID, TOLD, capped, hashed, left_topic, mark, refused, unrefused
from projections.tables import chunks, people

BUCKETS = 1009
"""A sample is the smallest ids of so many classes of ids: found in the pass that counts, in constant memory."""

Statement = Select[Any]


@dataclass(frozen=True)
class Seeds:
    """Secrets of the hashes: two for people, and one for addresses."""

    sum: int
    xor: int
    mark: int


@dataclass(frozen=True)
class Question:
    """An audience as it is asked about: whose, on which conditions, for what, at which instant."""

    project_id: UUID
    verdict: Verdict
    reach: Reach
    now: datetime


def tally(asked: Question, seeds: Seeds, *, needs: Sequence[str], sample: int, with_total: bool) -> Statement:
    """One row: matched, affected, each exclusion, sum and xor of the hashes, lack_0.., sample (ids), total."""
    row = _recipients(asked, needs).c
    marked = mark(row.told, seeds.mark) if asked.reach.confirms_address else None
    parts = (
        select(
            row.reason,
            func.count().label("rows"),
            func.sum(row.people).label("people"),
            func.sum(hashed(row.id, seeds.sum, marked)).label("sum"),
            func.bit_xor(hashed(row.id, seeds.xor, marked)).label("xor"),
            func.min(row.id).label("first"),
            *(func.count().filter(row[f"lack_{n}"]).label(f"lack_{n}") for n in range(len(needs))),
        )
        .group_by(row.reason, *([row.id % BUCKETS] if sample else []))
        .subquery("parts")
    )
    part = parts.c
    fine = part.reason.is_(None)
    counts: dict[str, tuple[Any, ColumnElement[bool]]] = {
        reason: (part.people, part.reason == reason) for reason in REASONS
    }
    # Of the people with one address the first may be reached, or is capped; the others are its duplicates.
    counts |= {
        "matched": (part.people, true()),
        "affected": (part.rows, fine),
        "duplicate_address": (part.people - part.rows, fine | (part.reason == "capped")),
        "capped": (part.rows, part.reason == "capped"),
        **{name: (part[name], fine) for name in ("sum", *(f"lack_{n}" for n in range(len(needs))))},
    }
    firsts = func.array_agg(aggregate_order_by(part.first, part.first)).filter(fine)
    total = select(func.count()).select_from(people).where(people.c.project_id == asked.project_id).scalar_subquery()
    return select(
        *(func.coalesce(func.sum(value).filter(when), 0).label(name) for name, (value, when) in counts.items()),
        func.bit_xor(part.xor).filter(fine).label("xor"),
        (_slice(firsts, sample) if sample else null()).label("sample"),
        (total if with_total else null()).label("total"),
    )


def affected(asked: Question) -> Statement:
    """Whom an enrolment reaches: (id), with (address) where people are confirmed with their addresses."""
    mine = (people.c.project_id == asked.project_id, asked.verdict, *unrefused(asked.project_id, asked.reach))
    if not asked.reach.sends_email:
        told = [TOLD.label("address")] if asked.reach.tells_address else []
        each = select(people.c.id, *told).where(*mine).subquery("each")
    else:
        addressed = select(func.min(people.c.id).label("id"), people.c.address)
        each = addressed.where(*mine, people.c.address.is_not(None)).group_by(people.c.address).subquery("each")
    return select(each).where(not_(capped(each.c.id, asked.reach, asked.now))) if asked.reach.cap else select(each)


def by_lot(ids: Statement, seed: int, limit: int) -> Statement:
    """Some of these ids; which ones says a hash of each."""
    each = ids.subquery("affected")
    return select(each.c.id).order_by(hashed(each.c.id, seed), each.c.id).limit(limit)


def freeze(job_id: UUID, ids: Statement, chunk_size: int, seeds: Seeds) -> Statement:
    """Insert the chunks of `ids`, with marks of their addresses if it has those; count, sum, xor and chunks."""
    each = ids.subquery("affected")
    marks = [marked.label("mark") for marked in _marks(each, seeds)]
    place = cast(func.row_number().over(order_by=each.c.id) - 1, BigInteger)
    placed = select(each.c.id, cast(place // chunk_size, Integer).label("number"), *marks).subquery("placed")
    content = select(
        literal(job_id).label("job_id"),
        placed.c.number,
        func.array_agg(aggregate_order_by(placed.c.id, placed.c.id)).label("person_ids"),
        func.count().label("size"),
        *(func.array_agg(aggregate_order_by(placed.c.mark, placed.c.id)).label("address_marks") for _ in marks),
    ).group_by(placed.c.number)
    columns = ["job_id", "number", "person_ids", "size", *("address_marks" for _ in marks)]
    written = (
        insert(chunks)
        .from_select(columns, content, include_defaults=False)
        .returning(chunks.c.person_ids, chunks.c.address_marks)
        .cte("written")
    )
    # The fingerprint is of what was written; without marks that side of the rows is NULL.
    pairs = func.unnest(written.c.person_ids, written.c.address_marks)
    person = pairs.table_valued("id", "mark", name="person").render_derived()
    id, marked = cast(person.c.id, BigInteger), cast(person.c.mark, BigInteger) if marks else None
    return select(
        *_digest(id, marked, seeds), select(func.count()).select_from(written).scalar_subquery().label("chunks")
    ).select_from(written.join(person, true()))


def known(ids: Statement, seeds: Seeds) -> Statement:
    """Count, sum and xor of people who are known already, and of their addresses if `ids` has those."""
    each = ids.subquery("known")
    return select(*_digest(each.c.id, next(iter(_marks(each, seeds)), None), seeds))


def reasons(asked: Question, ids: Any) -> Statement:
    """(id, reason) of those of `ids` who are not reached."""
    matched = func.coalesce(asked.verdict, False).label("matched")
    each = _people(asked, matched).where(people.c.id == any_(ids)).cte("named")
    stop = refused(asked.project_id, asked.reach)
    source: Any = each.outerjoin(stop, stop.c.address == each.c.address)
    duplicate: ColumnElement[bool] = false()
    if asked.reach.sends_email:
        there = _matched(asked).where(people.c.address.in_(select(each.c.address))).subquery("there")
        first = select(func.min(there.c.id).label("id"), there.c.address).where(not_(there.c.left))
        firsts = first.group_by(there.c.address).subquery("firsts")
        source = source.outerjoin(firsts, firsts.c.address == each.c.address)
        duplicate = each.c.id != firsts.c.id
    why = case((not_(each.c.matched), "not_matched"), else_=_reason(asked, each, stop, duplicate))
    found = select(each.c.id, why.label("reason")).select_from(source).subquery("found")
    return select(found).where(found.c.reason.is_not(None)).order_by(found.c.id)


def excluded(asked: Question, *, limit: int) -> Statement:
    """(id, reason) of some people who match and are excluded, in turn from each reason."""
    each, stop = _matched(asked).subquery("matched"), refused(asked.project_id, asked.reach)
    rank = func.row_number().over(partition_by=(each.c.left, each.c.address), order_by=each.c.id)
    why = _reason(asked, each, stop, rank > 1)
    source = each.outerjoin(stop, stop.c.address == each.c.address)
    found = select(each.c.id, why.label("reason")).select_from(source).subquery("found")
    turn = func.row_number().over(partition_by=found.c.reason, order_by=found.c.id).label("turn")
    turns = select(found.c.id, found.c.reason, turn).where(found.c.reason.is_not(None)).subquery("turns")
    return select(turns.c.id, turns.c.reason).order_by(turns.c.turn, turns.c.reason).limit(limit)


def _recipients(asked: Question, needs: Sequence[str]) -> Subquery:
    """Who matches, with the reason that excludes them: (id, people, address, reason, lack_0..).

    Where the workflow sends email it is a row for each address: the smallest id stands for it.
    """
    reach = asked.reach
    lacks = [not_(present(key, people)).label(f"lack_{n}") for n, key in enumerate(needs)]
    each, stop = _matched(asked, *lacks).subquery("matched"), refused(asked.project_id, reach)
    if reach.sends_email:
        each = _by_address(each, len(needs))
    # An address of several people is their duplicate, which is no reason for the row that stands for them.
    why = _reason(asked, each, stop, false()).label("reason")
    people_here = each.c.people if reach.sends_email else literal(1).label("people")
    told = each.c.address if reach.sends_email else each.c.told
    columns = (
        each.c.id,
        each.c.address,
        told.label("told"),
        people_here,
        *(each.c[f"lack_{n}"] for n in range(len(needs))),
    )
    source = each.outerjoin(stop, stop.c.address == each.c.address)
    return select(*columns, why).select_from(source).subquery("recipients")


def _by_address(each: Subquery, needs: int) -> Subquery:
    row, first = each.c, func.min(each.c.id)
    key = (row.left, row.address, row.invalid)
    lacks = [
        func.coalesce(func.min(row.id).filter(row[f"lack_{n}"]) == first, False).label(f"lack_{n}")
        for n in range(needs)
    ]
    return select(first.label("id"), func.count().label("people"), *key, *lacks).group_by(*key).subquery("addresses")


def _matched(asked: Question, *more: ColumnElement[Any]) -> Statement:
    """Who matches: (id, address, left, invalid, ..)."""
    return _people(asked, *more).where(asked.verdict)


def _people(asked: Question, *more: ColumnElement[Any]) -> Statement:
    """The people of the project; `left` says whether they opted out by their id."""
    gone = left_topic(asked.reach)
    source = people if gone is None else people.outerjoin(gone, gone.c.person_id == people.c.id)
    left: ColumnElement[bool] = people.c.opted_out_at.is_not(None)
    left = left if gone is None else left | gone.c.person_id.is_not(None)
    columns = (people.c.id, people.c.address, TOLD.label("told"), left.label("left"), INVALID.label("invalid"))
    return select(*columns, *more).select_from(source).where(people.c.project_id == asked.project_id)


def _reason(asked: Question, each: Any, stop: Subquery, duplicate: ColumnElement[bool]) -> ColumnElement[Any]:
    """The first reason of `REASONS` that holds, or NULL."""
    row = each.c
    of_email = [
        (row.invalid, "invalid_address"),
        (row.address.is_(None), "no_address"),
        (duplicate, "duplicate_address"),
    ]
    of_cap = [(capped(row.id, asked.reach, asked.now), "capped")]
    return case(
        (row.left | func.coalesce(stop.c.opted_out, False), "opted_out"),
        (func.coalesce(stop.c.suppressed, False), "suppressed"),
        *(of_email if asked.reach.sends_email else []),
        *(of_cap if asked.reach.cap else []),
        else_=null(),
    )


def _marks(each: Subquery, seeds: Seeds) -> list[ColumnElement[int]]:
    """The mark of each address, where there are addresses, or marks that were made before."""
    if "mark" in each.c:
        return [each.c.mark]
    return [mark(each.c.address, seeds.mark)] if "address" in each.c else []


def _digest(id: ColumnElement[int], marked: ColumnElement[int] | None, seeds: Seeds) -> list[Any]:
    return [
        func.count().label("count"),
        func.sum(hashed(id, seeds.sum, marked)).label("sum"),
        func.bit_xor(hashed(id, seeds.xor, marked)).label("xor"),
    ]


def _slice(ids: ColumnElement[Any], length: int) -> ColumnElement[Any]:
    return func.trim_array(ids, func.greatest(func.cardinality(ids) - length, 0), type_=ARRAY(BigInteger))

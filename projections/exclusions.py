"""Who is excluded from an audience whatever its conditions say, as SQL over `people`, and how people are hashed.

The reasons and their order are `aggregates.reach.REASONS`. An opt-out holds for the person and for the address, under
whichever person it is.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Subquery, and_, cast, exists, false, func, literal, select, true, union_all
from sqlalchemy.sql.elements import ColumnElement

from aggregates.reach import Reach
from projections.tables import Instant, effects, opt_outs, people, person_opt_outs, suppressions

MADE = ("started", "succeeded", "confirmed", "unknown")
"""States of an effect that was made, or of which nobody knows: it counts as a message to the person."""

INVALID = and_(people.c.address.is_(None), func.coalesce(func.btrim(people.c.email), "") != "")
"""A person with something told as an address that is none."""

TOLD = func.coalesce(people.c.address, people.c.email)
"""What a template shows as the address of a person: normalised where it is one."""


def left_topic(reach: Reach) -> Subquery | None:
    """(person_id): people who left the workflow's topic, whatever address they have now; None where it has no say."""
    if len(reach.topics) < 2:
        return None
    return select(person_opt_outs.c.person_id).where(person_opt_outs.c.topic == reach.topic).subquery("left_topic")


def unrefused(project_id: UUID, reach: Reach) -> list[ColumnElement[bool]]:
    """What holds for a row of `people` to whom nobody forbids to send: neither by id nor by address."""
    left = exists().where(_opt_outs(project_id, reach), opt_outs.c.address == people.c.address)
    stopped = exists().where(suppressions.c.project_id == project_id, suppressions.c.address == people.c.address)
    gone = left_topic(reach)
    by_topic = [] if gone is None else [~exists().where(gone.c.person_id == people.c.id)]
    return [people.c.opted_out_at.is_(None), *by_topic, ~left, ~stopped]


def refused(project_id: UUID, reach: Reach) -> Subquery:
    """(address, opted_out, suppressed): a row for each address of the project to which nothing may be sent."""
    left = select(opt_outs.c.address, true().label("opted_out"), false().label("suppressed")).where(
        _opt_outs(project_id, reach)
    )
    stopped = select(suppressions.c.address, false(), true()).where(suppressions.c.project_id == project_id)
    both = union_all(left, stopped).subquery("both")
    return (
        select(
            both.c.address,
            func.bool_or(both.c.opted_out).label("opted_out"),
            func.bool_or(both.c.suppressed).label("suppressed"),
        )
        .group_by(both.c.address)
        .subquery("refused")
    )


def capped(id: ColumnElement[int], reach: Reach, now: datetime) -> ColumnElement[bool]:
    """Whether a person got as many messages lately as the policy lets them get; false without a cap."""
    if reach.cap is None:
        return false()
    since = now - timedelta(days=reach.cap.days)
    lately = (
        select(literal(1).label("one"))
        .where(effects.c.person_id == id, effects.c.started_at > cast(since, Instant), effects.c.state.in_(MADE))
        .limit(reach.cap.messages)
        .correlate_except(effects)
        .subquery("lately")
    )
    many = select(func.count()).select_from(lately).scalar_subquery()
    return many >= reach.cap.messages


def mark(address: ColumnElement[str], seed: int) -> ColumnElement[int]:
    """A keyed hash of a normalised address, as `chunks.address_marks` has it."""
    return func.hashtextextended(address, cast(seed, BigInteger), type_=BigInteger)


def hashed(id: ColumnElement[int], seed: int, marked: ColumnElement[int] | None = None) -> ColumnElement[int]:
    """A keyed hash of a person, and of the address that is marked with them."""
    key: Any = cast(seed, BigInteger)
    if marked is not None:
        key = func.coalesce(marked, 0).op("#", return_type=BigInteger())(key)
    return func.hashint8extended(id, key, type_=BigInteger)


def _opt_outs(project_id: UUID, reach: Reach) -> ColumnElement[bool]:
    return and_(opt_outs.c.project_id == project_id, opt_outs.c.topic.in_(reach.topics))

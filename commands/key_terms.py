"""What a key is, and what its maker may make of it: nobody gives more than they have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from aggregates.base import Meta, Principal
from aggregates.errors import Problem
from aggregates.policy import GUARDED_CHURN, LARGEST, Limits, Policy
from aggregates.values import NAME_LIMIT
from commands.grants import SCOPES

LIFTED = (*Limits.__dataclass_fields__, "rate_per_minute", "expires_at")
"""What narrows a key, and so can be taken away from it."""

BEYOND = "You cannot give more than your own limit."


@dataclass(frozen=True)
class KeyTerms:
    """Who a key is and what narrows it; None narrows nothing."""

    name: str
    scopes: tuple[str, ...]
    agent: bool
    limits: Limits
    rate_per_minute: int | None
    expires_at: datetime | None

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> KeyTerms:
        """The terms of a stored key."""
        return cls(
            stored["name"],
            tuple(stored["scopes"]),
            stored["agent"],
            Limits.of(stored["limits"]),
            stored["rate_per_minute"],
            stored["expires_at"],
        )

    def as_columns(self) -> dict[str, Any]:
        """As they are stored; sets are in order, instants in UTC."""
        return {
            "name": self.name,
            "scopes": sorted(set(self.scopes)),
            "agent": self.agent,
            "limits": self.limits.as_data(),
            "rate_per_minute": self.rate_per_minute,
            "expires_at": self.expires_at and self.expires_at.astimezone(UTC),
        }

    def as_data(self) -> dict[str, Any]:
        """As they are answered."""
        columns = self.as_columns()
        return {**columns, "expires_at": columns["expires_at"] and columns["expires_at"].isoformat()}


def problems_of(wanted: KeyTerms, meta: Meta, stands: KeyTerms | None = None) -> list[Problem]:
    """What is wrong with a key as its maker wants it; `stands` is what it is already, which nobody has to give."""
    maker = meta.principal
    return [
        *_name(wanted),
        *_scopes(wanted, maker, stands),
        *_agent(wanted, stands),
        *_limits(wanted, maker, stands),
        *_rate(wanted, maker, stands),
        *_expiry(wanted, meta, stands),
    ]


def widened(wanted: KeyTerms, stands: KeyTerms, policy: Policy) -> list[str]:
    """The pointers of what a key could do under a policy that it cannot do as it stands."""
    after, before = (_in_force(terms, policy) for terms in (wanted, stands))
    found = [f"/limits{problem.pointer}" for problem in after.beyond(before)]
    if not set(wanted.scopes) <= set(stands.scopes):
        found.append("/scopes")
    pairs = {name: (getattr(wanted, name), getattr(stands, name)) for name in ("rate_per_minute", "expires_at")}
    return [*found, *(f"/{name}" for name, (after, before) in pairs.items() if _wider(after, before))]


def _in_force(terms: KeyTerms, policy: Policy) -> Limits:
    """The limits of a key with those that an agent has unless they are set: setting one may widen it."""
    limits = terms.limits
    if not terms.agent:
        return limits
    largest = min(limits.max_audience or policy.max_audience, policy.max_audience)
    return replace(
        limits,
        reach_per_day=limits.reach_per_day or largest,
        max_churn=GUARDED_CHURN if limits.max_churn is None else limits.max_churn,
    )


def _name(wanted: KeyTerms) -> list[Problem]:
    if 0 < len(wanted.name) <= NAME_LIMIT and wanted.name.isprintable():
        return []
    message = f"A name is 1 to {NAME_LIMIT} printable characters."
    return [Problem("/name", "field.invalid", message, None, "string", "ci")]


def _scopes(wanted: KeyTerms, maker: Principal, stands: KeyTerms | None) -> list[Problem]:
    problems = []
    if not wanted.scopes or not SCOPES.issuperset(wanted.scopes):
        message = "A key has one or more of the known scopes."
        problems.append(Problem("/scopes", "scope.unknown", message, None, sorted(SCOPES)))
    # A key hands on what its maker may do, never more.
    given = {*maker.scopes, *(stands.scopes if stands else ())}
    beyond = [scope for scope in wanted.scopes if scope in SCOPES and scope not in given]
    if beyond:
        problems.append(Problem("/scopes", "scope.beyond", "You cannot give scopes that you lack.", beyond))
    return problems


def _agent(wanted: KeyTerms, stands: KeyTerms | None) -> list[Problem]:
    if stands is not None and stands.agent and not wanted.agent:
        return [Problem("/agent", "agent.stays", "The mark is never taken away.", False, True, True)]
    if wanted.agent and "batch:approve" in wanted.scopes:
        return [Problem("/scopes", "scope.agent", "A key marked agent can never approve.", "batch:approve")]
    return []


def _limits(wanted: KeyTerms, maker: Principal, stands: KeyTerms | None) -> list[Problem]:
    problems = wanted.limits.problems()
    if problems:
        return problems
    beyond = wanted.limits.beyond(maker.own_limits)
    if stands is None:
        return beyond
    widened = {problem.pointer for problem in wanted.limits.beyond(stands.limits)}
    return [problem for problem in beyond if problem.pointer in widened]


def _rate(wanted: KeyTerms, maker: Principal, stands: KeyTerms | None) -> list[Problem]:
    rate = wanted.rate_per_minute
    if rate is not None and not 1 <= rate <= LARGEST:
        return [Problem("/rate_per_minute", "field.invalid", "A positive number.", None, "integer", 1000)]
    if _wider(rate, maker.rate_per_minute) and (stands is None or _wider(rate, stands.rate_per_minute)):
        return [Problem("/rate_per_minute", "limit.beyond", BEYOND, None, maker.rate_per_minute)]
    return []


def _expiry(wanted: KeyTerms, meta: Meta, stands: KeyTerms | None) -> list[Problem]:
    """Who is let in until a certain instant lets nobody in, themselves included, for longer."""
    until, own = wanted.expires_at, meta.principal.expires_at
    if stands is not None and until == stands.expires_at:
        return []
    if until is not None and not _in_future(until, meta.now):
        message = "An instant in the future with its offset."
        return [Problem("/expires_at", "field.invalid", message, None, "date-time")]
    if _wider(until, own) and (stands is None or _wider(until, stands.expires_at)):
        return [Problem("/expires_at", "limit.beyond", BEYOND, None, own and own.isoformat())]
    return []


def _wider(wanted: Any, limit: Any) -> bool:
    """Whether it leaves more room; None leaves all there is."""
    return limit is not None and (wanted is None or wanted > limit)


def _in_future(instant: datetime, now: datetime) -> bool:
    """Whether it is one, with an offset, that a calendar in UTC has as well."""
    try:
        return instant.tzinfo is not None and instant.astimezone(UTC) > now
    except OverflowError:
        return False

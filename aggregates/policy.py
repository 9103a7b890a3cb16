"""Policy: the one object that the guard, the enroller and every answer read.

The installation's settings are its ceiling. A project narrows it, and a key narrows it further; nobody widens what
stands above them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import timedelta
from typing import Any

from aggregates.errors import Problem

LARGEST = 10**9
"""The highest number that a limit may be."""


RANGES: Mapping[str, tuple[float, float]] = {
    "max_audience": (1, LARGEST),
    "approval_over": (0, LARGEST),
    "max_growth": (0, 10),
    "minimum_interval_minutes": (60, 60 * 24 * 366),
    "reach_per_day": (1, LARGEST),
    "max_churn": (0, 1),
}
"""What each limit may be: lowest, highest."""

CONFIRMATIONS = ("relayed", "witnessed")
"""How a guarded principal shows that a human said yes: it brings the count and the token, or a human confirms."""

SHARES = frozenset({"max_growth", "max_churn"})
"""Limits that are shares; the others are whole numbers."""

GUARDED_CHURN = 0.5
"""Largest share of strangers at an occurrence of a guarded principal's schedule, unless a limit says otherwise."""


@dataclass(frozen=True)
class Limits:
    """What a project or a key narrows; None leaves it as it stands above.

    `max_growth` and `max_churn` are shares (0.1 is ten per cent), intervals are in minutes, audiences in people.
    """

    max_audience: int | None = None
    approval_over: int | None = None
    max_growth: float | None = None
    minimum_interval_minutes: int | None = None
    send_mode: str | None = None
    confirmation: str | None = None
    reach_per_day: int | None = None
    max_churn: float | None = None

    @classmethod
    def of(cls, data: Mapping[str, Any] | None) -> Limits:
        """Stored limits; names of another version are left out."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in (data or {}).items() if name in known})

    def as_data(self) -> dict[str, Any]:
        """Only what is narrowed."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def beyond(self, other: Limits) -> list[Problem]:
        """Where this leaves more room than the other: nobody gives more than they have."""
        wide = Policy(LARGEST, None, LARGEST, 0, "live", 0, 0)
        mine, both = wide.narrowed([self]), wide.narrowed([self, other])
        return [
            Problem(f"/{name}", "limit.beyond", "You cannot give more than your own limit.", None, getattr(both, name))
            for name in Limits.__dataclass_fields__
            if getattr(mine, name) != getattr(both, name)
        ]

    def problems(self) -> list[Problem]:
        """What is wrong with limits that somebody asks for."""
        found = [
            Problem(f"/{name}", "field.invalid", f"A number from {low:g} to {high:g}.", None, "number", low)
            for name, (low, high) in RANGES.items()
            if not _within(getattr(self, name), low, high, whole=name not in SHARES)
        ]
        if self.send_mode not in {None, "capture", "live"}:
            found.append(
                Problem("/send_mode", "field.invalid", "capture or live.", None, ["capture", "live"], "capture")
            )
        if self.confirmation not in {None, *CONFIRMATIONS}:
            message = "relayed or witnessed."
            found.append(Problem("/confirmation", "field.invalid", message, None, list(CONFIRMATIONS), "witnessed"))
        return found


@dataclass(frozen=True)
class Policy:
    """What may be done. `approval_over` None means that no job waits for a second person.

    `confirmation` None follows the send mode; `asked_confirmation` says what it comes to.
    """

    max_audience: int
    approval_over: int | None
    max_growth: float
    minimum_interval_minutes: int
    send_mode: str
    token_minutes: int
    approval_hours: int
    reach_per_day: int | None = None
    max_churn: float | None = None
    confirmation: str | None = None

    @property
    def asked_confirmation(self) -> str:
        """What is asked of guarded principals: `relayed` or `witnessed`."""
        return self.confirmation or ("witnessed" if self.send_mode == "live" else "relayed")

    @property
    def minimum_interval(self) -> timedelta:
        """The least time between two occurrences of a schedule."""
        return timedelta(minutes=self.minimum_interval_minutes)

    def budget(self, *, guarded: bool) -> int | None:
        """How many people a principal may reach in a day; None where nothing limits it."""
        return self.max_audience if guarded and self.reach_per_day is None else self.reach_per_day

    def churn(self, *, guarded: bool) -> float | None:
        """The largest share of an occurrence's people that may not have been confirmed; None for any."""
        return GUARDED_CHURN if guarded and self.max_churn is None else self.max_churn

    def holds(self, count: int) -> str | None:
        """Why a second person has to approve an audience of this size; None when nobody has to."""
        return "approval_over" if self.approval_over is not None and count > self.approval_over else None

    def narrowed(self, limits: Iterable[Limits]) -> Policy:
        """This policy with further limits on it, whatever their order."""
        policy = self
        for limit in limits:
            policy = replace(
                policy,
                max_audience=_least(policy.max_audience, limit.max_audience),
                approval_over=_least(policy.approval_over, limit.approval_over),
                max_growth=_least(policy.max_growth, limit.max_growth),
                minimum_interval_minutes=max(policy.minimum_interval_minutes, limit.minimum_interval_minutes or 0),
                reach_per_day=_least(policy.reach_per_day, limit.reach_per_day),
                max_churn=_least(policy.max_churn, limit.max_churn),
                send_mode="capture" if "capture" in (policy.send_mode, limit.send_mode) else policy.send_mode,
                confirmation=_strictest(policy.confirmation, limit.confirmation),
            )
        return policy

    def as_data(self) -> dict[str, Any]:
        return {**asdict(self), "confirmation": self.asked_confirmation}


def _strictest(above: str | None, limit: str | None) -> str | None:
    """Only `witnessed` narrows: `relayed` leaves what is above as it is."""
    return "witnessed" if limit == "witnessed" else above


def _least(first: Any, second: Any) -> Any:
    given = [value for value in (first, second) if value is not None]
    return min(given) if given else None


def _within(value: Any, low: float, high: float, *, whole: bool) -> bool:
    if value is None:
        return True
    return isinstance(value, int if whole else int | float) and not isinstance(value, bool) and low <= value <= high

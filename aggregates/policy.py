"""Policy: the one object that the guard, the enroller and every answer read.

The installation's settings are its ceiling. A project narrows it, and a key narrows it further; nobody widens what
stands above them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import timedelta
from typing import Any

from aggregates.address import normalised
from aggregates.errors import Problem
from aggregates.pace import RATE_SAID, is_rate, slowest
from aggregates.reach import MOST_DAYS, MOST_MESSAGES, PerPerson, strictest

LARGEST = 10**9
"""The highest number that a limit may be."""


RANGES: Mapping[str, tuple[float, float]] = {
    "max_audience": (1, LARGEST),
    "approval_over": (0, LARGEST),
    "max_growth": (0, 10),
    "minimum_interval_minutes": (60, 60 * 24 * 366),
    "max_sends": (0, 200),
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

NOTIFIED_AT_MOST = 50
"""Addresses of own colleagues that a policy may list."""

ANY_OTHER = "*"
"""Stands for every address that is not named, where two lists of addresses are compared."""


@dataclass(frozen=True)
class Limits:
    """What a project or a key narrows; None leaves it as it stands above.

    `max_growth` and `max_churn` are shares (0.1 is ten per cent), intervals are in minutes, audiences in people.
    `max_sends` counts sending steps on one path, `notify_addresses` are normalised addresses, `per_person` is how many
    messages one person may get in how many days. `send_rate` (`100/minute`) is of all jobs of a project together, so
    a project has it and a key does not.
    """

    max_audience: int | None = None
    approval_over: int | None = None
    max_growth: float | None = None
    minimum_interval_minutes: int | None = None
    send_mode: str | None = None
    max_sends: int | None = None
    notify_addresses: tuple[str, ...] | None = None
    per_person: PerPerson | None = None
    confirmation: str | None = None
    reach_per_day: int | None = None
    max_churn: float | None = None
    send_rate: str | None = None

    @classmethod
    def of(cls, data: Mapping[str, Any] | None) -> Limits:
        """Stored or sent limits; names of another version are left out."""
        known = {field.name for field in fields(cls)}
        given = {name: value for name, value in (data or {}).items() if name in known}
        if given.get("notify_addresses") is not None:
            given["notify_addresses"] = known_addresses(given["notify_addresses"])
        return cls(**given | {"per_person": PerPerson.of(given.get("per_person"))})

    def as_data(self) -> dict[str, Any]:
        """Only what is narrowed."""
        return {name: _plain(value) for name, value in asdict(self).items() if value is not None}

    def beside(self, other: Limits) -> Limits:
        """The narrower of both, name by name; what neither narrows stays open."""
        narrowed = self._widest(other).narrowed([self, other])
        either = {**self.as_data(), **other.as_data()}
        return replace(self, **{name: getattr(narrowed, name) for name in either})

    def beyond(self, other: Limits) -> list[Problem]:
        """Where this leaves more room than the other: nobody gives more than they have."""
        wide = self._widest(other)
        mine, both = wide.narrowed([self]), wide.narrowed([self, other])
        return [
            Problem(
                f"/{name}",
                "limit.beyond",
                "You cannot give more than your own limit.",
                None,
                _plain(getattr(both, name)),
            )
            for name in Limits.__dataclass_fields__
            if getattr(mine, name) != getattr(both, name)
        ]

    def _widest(self, other: Limits) -> Policy:
        """A policy that allows everything which either of them names."""
        named = {*(self.notify_addresses or ()), *(other.notify_addresses or ()), ANY_OTHER}
        return Policy(LARGEST, None, LARGEST, 0, "live", 0, 0, LARGEST, tuple(sorted(named)))

    def problems(self) -> list[Problem]:
        """What is wrong with limits that somebody asks for."""
        found = [
            Problem(f"/{name}", "field.invalid", f"A number from {low:g} to {high:g}.", None, "number", low)
            for name, (low, high) in RANGES.items()
            if not _within(getattr(self, name), low, high, whole=name not in SHARES)
        ]
        if self.per_person is not None and not self.per_person.is_fair:
            expected = {"messages": f"1..{MOST_MESSAGES}", "days": f"1..{MOST_DAYS}"}
            message = "Most messages to one person in some days."
            found.append(Problem("/per_person", "field.invalid", message, None, expected, {"messages": 3, "days": 7}))
        if self.send_mode not in {None, "capture", "live"}:
            found.append(
                Problem("/send_mode", "field.invalid", "capture or live.", None, ["capture", "live"], "capture")
            )
        if self.send_rate is not None and not is_rate(self.send_rate):
            found.append(Problem("/send_rate", "field.invalid", RATE_SAID, None, None, "100/minute"))
        addresses = self.notify_addresses or ()
        if len(addresses) > NOTIFIED_AT_MOST or any(normalised(address) is None for address in addresses):
            message = f"At most {NOTIFIED_AT_MOST} addresses, each of one mailbox."
            found.append(Problem("/notify_addresses", "field.invalid", message, None, "list", ["ann@example.com"]))
        if self.confirmation not in {None, *CONFIRMATIONS}:
            message = "relayed or witnessed."
            found.append(Problem("/confirmation", "field.invalid", message, None, list(CONFIRMATIONS), "witnessed"))
        return found


@dataclass(frozen=True)
class Policy:
    """What may be done. `approval_over` None means that no job waits for a second person.

    At most `max_sends` sending steps lie on any path of a workflow. `notify_addresses` are own colleagues, normalised:
    the only addresses that an email step may name itself. `confirmation` None follows the send mode;
    `asked_confirmation` says what it comes to.
    """

    max_audience: int
    approval_over: int | None
    max_growth: float
    minimum_interval_minutes: int
    send_mode: str
    token_minutes: int
    approval_hours: int
    max_sends: int = 5
    notify_addresses: tuple[str, ...] = ()
    per_person: PerPerson | None = None
    reach_per_day: int | None = None
    max_churn: float | None = None
    confirmation: str | None = None
    send_rate: str | None = None

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
                max_sends=_least(policy.max_sends, limit.max_sends),
                notify_addresses=_both(policy.notify_addresses, limit.notify_addresses),
                per_person=strictest(policy.per_person, limit.per_person),
                confirmation=_strictest(policy.confirmation, limit.confirmation),
                send_rate=slowest(policy.send_rate, limit.send_rate),
            )
        return policy

    def as_data(self) -> dict[str, Any]:
        plain = {name: _plain(value) for name, value in asdict(self).items()}
        return {**plain, "confirmation": self.asked_confirmation}


def known_addresses(given: Iterable[str]) -> tuple[str, ...]:
    """Addresses as they are compared, each once; what is none stays as it is, to be refused."""
    return tuple(sorted({normalised(address) or address for address in given}))


def _strictest(above: str | None, limit: str | None) -> str | None:
    """Only `witnessed` narrows: `relayed` leaves what is above as it is."""
    return "witnessed" if limit == "witnessed" else above


def _least(first: Any, second: Any) -> Any:
    given = [value for value in (first, second) if value is not None]
    return min(given) if given else None


def _both(above: tuple[str, ...], narrower: Sequence[str] | None) -> tuple[str, ...]:
    """The addresses that both name; None names all of those above."""
    if narrower is None:
        return above
    return tuple(address for address in above if address in narrower)


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    return list(value) if isinstance(value, tuple) else value


def _within(value: Any, low: float, high: float, *, whole: bool) -> bool:
    if value is None:
        return True
    return isinstance(value, int if whole else int | float) and not isinstance(value, bool) and low <= value <= high

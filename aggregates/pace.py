"""How fast a job may send, and when it stops by itself: as a run is asked for, and as a schedule has it for each."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from aggregates.errors import Problem, invalid

RATE = r"[1-9][0-9]{0,5}/(second|minute|hour)"
RATE_SAID = "A number of people for each second, minute or hour."
SECONDS = {"second": 1, "minute": 60, "hour": 3600}

AHEAD_SECONDS = 0.1
"""How much of a rate may go out at once: what it allows in so many seconds, and one person at least."""

MOST_ATTEMPTS = 1_000_000

LIFTED = ("rate", "breaker")
"""What of a pace may be taken away by its name."""


@dataclass(frozen=True)
class Breaker:
    """Stops a job when more than `max_failure_ratio` of at least `min_attempts` attempts have failed."""

    min_attempts: int
    max_failure_ratio: float

    def trips(self, attempts: int, failures: int) -> bool:
        return attempts >= self.min_attempts and failures > self.max_failure_ratio * attempts


@dataclass(frozen=True)
class Pace:
    """What a job was asked for beside its people. `rate` is `100/minute`; None sends as fast as it goes."""

    rate: str | None = None
    breaker: Breaker | None = None

    @classmethod
    def of(cls, rate: str | None, breaker: Mapping[str, Any] | None) -> Pace:
        """What was recorded."""
        return cls(rate, Breaker(**breaker) if breaker else None)

    @classmethod
    def parse(cls, rate: Any, breaker: Any) -> Pace:
        """What was asked for; refused with every problem."""
        if problems := cls.problems(rate, breaker):
            raise invalid("request.invalid", problems)
        return cls.of(rate, breaker)

    @classmethod
    def problems(cls, rate: Any, breaker: Any) -> list[Problem]:
        """What is wrong with what is asked for; None asks for nothing."""
        problems = []
        if rate is not None and not is_rate(rate):
            problems.append(_problem("/rate", RATE_SAID, "100/minute"))
        if breaker is not None and not _is_breaker(breaker):
            example = {"min_attempts": 100, "max_failure_ratio": 0.2}
            problems.append(
                _problem("/breaker", "How many attempts at least, and which share of them may fail.", example)
            )
        return problems

    def revised(self, rate: Any, breaker: Any, lifted: Collection[str]) -> tuple[Pace, list[Problem]]:
        """This pace with what is given and without what is lifted, and what is wrong with that; the rest stays."""
        given = {"rate": rate, "breaker": breaker}
        problems = self.problems(rate, breaker)
        for name in lifted:
            if name not in LIFTED or given[name] is not None:
                message = "Names of what is taken away and not given anew."
                problems.append(Problem("/lifted", "field.invalid", message, None, list(LIFTED), ["rate"]))
        if problems:
            return self, problems
        kept = {name: value for name, value in self.as_data().items() if name not in lifted}
        told = kept | {name: value for name, value in given.items() if value is not None}
        return Pace.of(told.get("rate"), told.get("breaker")), []

    def as_data(self) -> dict[str, Any]:
        breaker = self.breaker
        told = (
            {"min_attempts": breaker.min_attempts, "max_failure_ratio": breaker.max_failure_ratio} if breaker else None
        )
        return {"rate": self.rate, "breaker": told}

    @property
    def gap(self) -> float:
        """Seconds between two people at this rate; 0 if there is none."""
        return gap_of(self.rate)

    @property
    def at_once(self) -> int:
        """How many may go out together at this rate; only of use if there is one."""
        return max(1, int(AHEAD_SECONDS / self.gap + 1e-9))


UNHINDERED = Pace()


def is_rate(given: Any) -> bool:
    """Whether this is a rate, such as `100/minute`."""
    return isinstance(given, str) and re.fullmatch(RATE, given) is not None


def gap_of(rate: str | None) -> float:
    """Seconds between two messages at a rate; 0 without one."""
    if rate is None:
        return 0.0
    number, _, period = rate.partition("/")
    return SECONDS[period] / int(number)


def slowest(first: str | None, second: str | None) -> str | None:
    """The slower of two rates, the first of two that are the same; None if there is neither."""
    return max(filter(None, (first, second)), key=gap_of, default=None)


def _problem(pointer: str, message: str, example: Any) -> Problem:
    return Problem(pointer, "field.invalid", message, None, None, example)


def _is_breaker(given: Any) -> bool:
    if not isinstance(given, Mapping) or set(given) != {"min_attempts", "max_failure_ratio"}:
        return False
    attempts, ratio = given["min_attempts"], given["max_failure_ratio"]
    if isinstance(attempts, bool) or isinstance(ratio, bool) or not isinstance(ratio, int | float):
        return False
    return isinstance(attempts, int) and 1 <= attempts <= MOST_ATTEMPTS and 0 <= ratio < 1

"""A key's rate: a minute's worth at once, then as fast as it fills."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from aggregates.base import Principal
from aggregates.errors import DomainError
from engine.ids import new_id
from engine.rates import MOST_BUCKETS, Rates


@dataclass
class Watch:
    seconds: float = 0.0

    def now(self) -> datetime:
        return datetime(2026, 11, 21, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.seconds


def principal(id: str = "a", rate: int | None = 60) -> Principal:
    return Principal(new_id(), id, frozenset(), "api", rate_per_minute=rate)


def test_a_key_without_a_rate_is_never_limited() -> None:
    rates = Rates(Watch())
    for _ in range(1_000):
        rates.take(principal(rate=None))


def test_a_minutes_worth_is_taken_at_once_and_then_it_fills_steadily() -> None:
    watch = Watch()
    rates, caller = Rates(watch), principal()
    for _ in range(60):
        rates.take(caller)
    with pytest.raises(DomainError) as caught:
        rates.take(caller)
    assert (caught.value.code, caught.value.details["retry_after"]) == ("rate.limited", 1)
    watch.seconds = 2
    rates.take(caller)
    rates.take(caller)
    with pytest.raises(DomainError):
        rates.take(caller)


def test_one_key_does_not_use_up_anothers_rate() -> None:
    rates = Rates(Watch())
    rates.take(principal("a", 1))
    rates.take(principal("b", 1))
    with pytest.raises(DomainError):
        rates.take(principal("a", 1))


def test_forgetting_full_buckets_lets_nobody_ask_more_often() -> None:
    watch = Watch()
    rates = Rates(watch)
    for number in range(MOST_BUCKETS):
        rates.take(principal(str(number), 1))
    watch.seconds = 30
    rates.take(principal("late", 1))
    with pytest.raises(DomainError):
        rates.take(principal("0", 1))

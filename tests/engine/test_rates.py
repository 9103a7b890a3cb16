"""A key's rate: a minute's worth at once, then as fast as it fills; one bucket, however many processes ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, event, text

from aggregates.base import Principal
from aggregates.errors import DomainError
from engine.bootstrap import System, build
from engine.ids import new_id
from engine.rates import Rates
from engine.settings import load_settings

SERVERS = 4


@dataclass
class Watch:
    """Time stands still until a test moves it."""

    instant: datetime = field(default=datetime(2026, 11, 21, tzinfo=UTC))

    def now(self) -> datetime:
        return self.instant

    def monotonic(self) -> float:
        return self.instant.timestamp()

    def advance(self, **time: float) -> None:
        self.instant += timedelta(**time)


def principal(id: str = "a", rate: int | None = 60) -> Principal:
    return Principal(new_id(), id, frozenset(), "api", rate_per_minute=rate)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = create_engine(database_url, isolation_level="AUTOCOMMIT", pool_size=SERVERS * 2)
    yield made
    made.dispose()


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def rates(engine: Engine, watch: Watch) -> Rates:
    return Rates(engine, watch)


def passes(rates: Rates, caller: Principal) -> bool:
    try:
        rates.take(caller)
    except DomainError as refusal:
        if refusal.code != "rate.limited":
            raise
        return False
    return True


def statements_of(engine: Engine, body: Callable[[], object]) -> list[str]:
    """What is sent to the database meanwhile."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        body()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return sent


def test_a_key_without_a_rate_is_never_limited_and_asks_the_database_nothing(engine: Engine, rates: Rates) -> None:
    caller = principal(rate=None)
    assert statements_of(engine, lambda: all(passes(rates, caller) for _ in range(1_000))) == []


def test_a_key_with_a_rate_costs_one_statement(engine: Engine, rates: Rates) -> None:
    assert len(statements_of(engine, lambda: passes(rates, principal()))) == 1


# 7 and 11 are no divisors of a minute in microseconds.
@pytest.mark.parametrize("rate", [1, 7, 11, 60, 1000])
def test_a_minutes_worth_is_taken_at_once_and_not_one_more(rates: Rates, rate: int) -> None:
    assert [passes(rates, principal(rate=rate)) for _ in range(rate + 1)] == [True] * rate + [False]


def test_then_it_fills_steadily(rates: Rates, watch: Watch) -> None:
    caller = principal(rate=60)
    for _ in range(60):
        rates.take(caller)
    with pytest.raises(DomainError) as caught:
        rates.take(caller)
    assert (caught.value.code, dict(caught.value.details)) == (
        "rate.limited",
        {"rate_per_minute": 60, "retry_after": 1},
    )
    watch.advance(seconds=2)
    assert [passes(rates, caller) for _ in range(3)] == [True, True, False]
    watch.advance(hours=1)
    assert [passes(rates, caller) for _ in range(61)] == [True] * 60 + [False]


def test_who_waits_as_long_as_they_are_told_is_let_in(rates: Rates, watch: Watch) -> None:
    caller = principal(rate=7)
    while passes(rates, caller):
        pass
    with pytest.raises(DomainError) as caught:
        rates.take(caller)
    watch.advance(seconds=caught.value.details["retry_after"])
    assert passes(rates, caller)


def test_one_key_does_not_use_up_anothers_rate(rates: Rates) -> None:
    assert passes(rates, principal("a", 1))
    assert passes(rates, principal("b", 1))
    assert not passes(rates, principal("a", 1))


def test_a_rate_that_is_lowered_counts_at_once(rates: Rates, watch: Watch) -> None:
    assert [passes(rates, principal(rate=100)) for _ in range(50)] == [True] * 50
    assert [passes(rates, principal(rate=2)) for _ in range(2)] == [True, False]
    watch.advance(minutes=1)
    assert [passes(rates, principal(rate=2)) for _ in range(3)] == [True, True, False]


def test_a_clock_that_was_far_ahead_keeps_nobody_out_for_more_than_a_minute(rates: Rates, watch: Watch) -> None:
    caller = principal(rate=1)
    watch.advance(days=1)
    rates.take(caller)
    watch.advance(days=-1)
    assert not passes(rates, caller)
    watch.advance(minutes=1)
    assert [passes(rates, caller) for _ in range(2)] == [True, False]


def test_clocks_that_are_a_little_apart_give_no_more_than_the_rate(engine: Engine) -> None:
    fast, slow = Watch(), Watch()
    fast.advance(seconds=20)
    servers, caller = (Rates(engine, fast), Rates(engine, slow)), principal(rate=6)
    assert sum(passes(servers[n % 2], caller) for n in range(30)) == 6
    for _ in range(10):
        for watch in (fast, slow):
            watch.advance(seconds=10)
        assert sum(passes(servers[n % 2], caller) for n in range(6)) == 1


def test_losing_the_buckets_fills_them(engine: Engine, rates: Rates) -> None:
    caller = principal(rate=1)
    assert [passes(rates, caller) for _ in range(2)] == [True, False]
    with engine.connect() as connection:
        kind = connection.execute(text("SELECT relpersistence FROM pg_class WHERE relname = 'key_rates'")).scalar()
        assert kind == "u"  # which a crash of the database empties
        connection.execute(text("TRUNCATE key_rates"))
    assert [passes(rates, caller) for _ in range(2)] == [True, False]


def test_four_processes_share_one_bucket(engine: Engine, watch: Watch) -> None:
    servers = [Rates(engine, watch) for _ in range(SERVERS)]
    caller = principal(rate=60)
    with ThreadPoolExecutor(SERVERS * 2) as threads:
        passed = list(threads.map(lambda n: passes(servers[n % SERVERS], caller), range(240)))
    assert sum(passed) == 60


def test_systems_that_were_built_apart_share_it_too(database_url: str, tmp_path: Path, watch: Watch) -> None:
    settings = load_settings({}, directory=tmp_path, database_url=database_url, data_dir=tmp_path)
    first: System
    with closing(build(settings, clock=watch)) as first, closing(build(settings, clock=watch)) as second:
        caller = principal(rate=2)
        assert [passes(system.rates, caller) for system in (first, second, first, second)] == [True, True, False, False]

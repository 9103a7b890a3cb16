"""When a send that failed is tried again, and when it is given up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from aggregates.steps.base import Deliver
from aggregates.templates import Document
from tests.support.outgoing import effect
from workers.attempts import Effect
from workers.delivery import Outcome
from workers.outcomes import LEAST_PAUSE, LONGEST_PAUSE_SECONDS, again

NOW = datetime(2026, 3, 4, 5, tzinfo=UTC)
AWAY = Outcome(effect(), "retry", error="connect.failed")
PATIENCE = Outcome(effect(), "retry", error="http.429", tries=0, asked=True)


def plan(**facts: Any) -> Deliver:
    return Deliver("webhook", Document({}), **facts)


def tries(outcome: Outcome, plan: Deliver, *, until: timedelta) -> list[timedelta]:
    """When the calls are made that all end like this, from the first on, no longer than this."""
    made, at, standing = [], NOW, Effect(effect(), 1, "call", attempts=1)
    while True:
        made.append(at - NOW)
        pause = again(standing, plan, outcome, at)
        if pause is None or made[-1] > until:
            return made
        at = pause[0]
        standing = replace(
            standing, attempts=standing.attempts + outcome.tries, waits=standing.waits + 1, retry_until=pause[1]
        )


def test_a_failure_that_may_pass_is_tried_again_for_half_an_hour_and_once_at_the_end() -> None:
    made = tries(AWAY, plan(), until=timedelta(hours=1))
    assert made[-1] == timedelta(minutes=30)
    assert 9 <= len(made) <= 20
    pauses = [after - before for before, after in pairwise(made)]
    assert max(pauses) <= timedelta(seconds=LONGEST_PAUSE_SECONDS)
    assert pauses[0] <= timedelta(seconds=5)


def test_a_receiver_that_is_away_for_two_minutes_costs_nobody() -> None:
    made = tries(AWAY, plan(), until=timedelta(hours=1))
    assert sum(timedelta(minutes=2) < at < timedelta(minutes=10) for at in made) >= 1


def test_a_step_says_for_how_long_and_in_how_many_calls() -> None:
    assert tries(AWAY, plan(retry_for=timedelta(minutes=1)), until=timedelta(hours=1))[-1] == timedelta(minutes=1)
    assert len(tries(AWAY, plan(max_attempts=3), until=timedelta(hours=1))) == 3
    days = tries(AWAY, plan(retry_for=timedelta(days=3)), until=timedelta(days=4))
    assert days[-1] == timedelta(days=3) and len(days) < 300


def test_to_be_asked_for_patience_is_no_attempt_and_gives_up_nobody_for_days() -> None:
    made = tries(PATIENCE, plan(max_attempts=1, retry_for=timedelta(minutes=1)), until=timedelta(hours=5))
    assert made[-1] > timedelta(hours=5)
    assert tries(PATIENCE, plan(), until=timedelta(days=4))[-1] == timedelta(days=3)


def test_what_the_receiver_asks_for_is_waited_for() -> None:
    pause = again(Effect(effect(), 1, "call", attempts=1), plan(), replace(PATIENCE, retry_after=600.0), NOW)
    assert pause is not None and pause[0] >= NOW + timedelta(minutes=10)


@pytest.mark.parametrize(
    "outcome", [Outcome(effect(), "succeeded"), Outcome(effect(), "failed"), Outcome(effect(), "unknown")]
)
def test_what_is_settled_is_not_tried_again(outcome: Outcome) -> None:
    assert again(Effect(effect(), 1, "call", attempts=1), plan(), outcome, NOW) is None


def test_a_failure_after_its_time_is_the_last() -> None:
    standing = Effect(effect(), 1, "call", attempts=2, retry_until=NOW + LEAST_PAUSE / 2)
    assert again(standing, plan(), AWAY, NOW) is None

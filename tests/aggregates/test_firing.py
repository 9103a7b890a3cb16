"""What a schedule does with occurrences that are late, and with those that meet the one before."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from aggregates.base import Event
from aggregates.schedule.aggregate import AT_ONCE, Schedule
from aggregates.schedule.firing import CATCH_UPS, LONGEST_WINDOW_MINUTES, ON_TIME, OVERLAPS, Firing
from aggregates.schedule.terms import Terms
from tests.support.aggregates import acknowledged, approved, facts, given, meta
from tests.support.schedules import (
    FIRST,
    HOUR,
    MINUTE,
    again,
    attached,
    decisions,
    job_of,
    recurring,
    settle,
    terms,
    turn,
)

SECOND, THIRD = FIRST + HOUR, FIRST + 2 * HOUR

# -- overlap


@pytest.mark.parametrize(
    ("overlap", "busy", "waiting", "fired", "decided"),
    [
        ("skip", False, False, SECOND, [(SECOND, "fired")]),
        ("skip", True, False, None, [(SECOND, "overlap")]),
        ("buffer_one", False, False, SECOND, [(SECOND, "fired")]),
        ("buffer_one", True, False, None, [(SECOND, "buffered")]),
        ("buffer_one", False, True, FIRST, [(FIRST, "fired")]),
        ("buffer_one", True, True, None, [(SECOND, "overlap")]),
        ("allow", False, False, SECOND, [(SECOND, "fired")]),
        ("allow", True, False, SECOND, [(SECOND, "fired")]),
    ],
)
def test_an_occurrence_that_meets_the_one_before(
    overlap: str, *, busy: bool, waiting: bool, fired: datetime | None, decided: list[tuple[datetime, str]]
) -> None:
    schedule = attached(terms(overlap=overlap))
    given(schedule, lambda s: turn(s, FIRST, busy=waiting))
    assert turn(schedule, SECOND, busy=busy) == fired
    assert decisions(facts(schedule)) == decided


def test_the_buffered_occurrence_fires_first_and_the_next_one_waits_for_it() -> None:
    schedule = attached(terms(overlap="buffer_one"))
    given(schedule, lambda s: turn(s, FIRST), lambda s: turn(s, SECOND, busy=True))
    assert settle(schedule, THIRD, jobs_run=True) == [SECOND]
    assert decisions(facts(schedule)) == [(SECOND, "fired"), (THIRD, "buffered")]


@pytest.mark.parametrize("overlap", ["skip", "allow"])
def test_a_buffered_occurrence_is_kept_when_the_overlap_is_revised(overlap: str) -> None:
    schedule = given(attached(terms(overlap="buffer_one")), lambda s: turn(s, FIRST, busy=True))
    schedule.revise(terms(overlap=overlap), acknowledgement=acknowledged(), approval=approved(), meta=meta(now=FIRST))
    assert settle(schedule, FIRST + MINUTE) == [FIRST]


# -- catch-up


@pytest.mark.parametrize(
    ("catch_up", "late", "window", "fires"),
    [
        *[(catch_up, ON_TIME, 0, True) for catch_up in CATCH_UPS],
        *[(catch_up, ON_TIME + timedelta(seconds=1), 0, False) for catch_up in CATCH_UPS],
        ("skip", 20 * MINUTE, 60, False),
        ("latest", 20 * MINUTE, 60, True),
        ("latest", 20 * MINUTE, 20, True),
        ("latest", 20 * MINUTE + timedelta(seconds=1), 20, False),
        ("all", 20 * MINUTE, 20, True),
        ("all", 20 * MINUTE + timedelta(seconds=1), 20, False),
    ],
)
def test_a_late_occurrence_is_made_up_or_not(catch_up: str, late: timedelta, window: int, *, fires: bool) -> None:
    schedule = attached(terms(catch_up=catch_up, catch_up_window_minutes=window))
    assert settle(schedule, FIRST + late) == ([FIRST] if fires else [])
    assert decisions(facts(schedule)) == [(FIRST, "fired" if fires else "missed")]


OUTAGE = [
    # catch_up, window in minutes, how many of 24 hourly occurrences are made up; the latest is 30 minutes late
    ("skip", 0, 0),
    ("skip", 60, 0),
    ("skip", 180, 0),
    ("skip", 1440, 0),
    ("latest", 0, 0),
    ("latest", 60, 1),
    ("latest", 180, 1),
    ("latest", 1440, 1),
    ("all", 0, 0),
    ("all", 60, 1),
    ("all", 180, 3),
    ("all", 1440, 24),
]


@pytest.mark.parametrize("overlap", OVERLAPS)
@pytest.mark.parametrize(("catch_up", "window", "made_up"), OUTAGE)
def test_an_outage_of_a_day_gives_what_the_terms_say(catch_up: str, window: int, made_up: int, overlap: str) -> None:
    schedule = attached(terms(catch_up=catch_up, catch_up_window_minutes=window, overlap=overlap))
    fired = settle(schedule, FIRST + 23 * HOUR + 30 * MINUTE, jobs_run=True)
    missed, stand = (
        [FIRST + n * HOUR for n in range(24 - made_up)],
        [FIRST + (24 - n) * HOUR for n in range(made_up, 0, -1)],
    )
    met = {
        "allow": [(occurrence, "fired") for occurrence in stand],
        "skip": [*zip(stand, ["fired", *["overlap"] * 23], strict=False)],
        "buffer_one": [*zip(stand, ["fired", "buffered", *["overlap"] * 22], strict=False)],
    }[overlap]
    assert decisions(facts(schedule)) == [*((occurrence, "missed") for occurrence in missed), *met]
    assert fired == [occurrence for occurrence, what in met if what == "fired"]


def test_an_occurrence_that_is_on_time_after_an_outage_is_fired_whatever_the_catch_up() -> None:
    for catch_up in CATCH_UPS:
        schedule = attached(terms(catch_up=catch_up, catch_up_window_minutes=0))
        assert settle(schedule, THIRD + MINUTE) == [THIRD]
        assert decisions(facts(schedule)) == [(FIRST, "missed"), (SECOND, "missed"), (THIRD, "fired")]


def test_lateness_counts_until_the_schedule_was_seen_to_be_due() -> None:
    wanted = terms("FREQ=HOURLY;INTERVAL=2", catch_up_window_minutes=60)
    its_turn = SECOND + 50 * timedelta(seconds=1)
    assert turn(attached(wanted), its_turn) is None
    assert turn(attached(wanted), its_turn, seen_at=SECOND) == FIRST


@pytest.mark.parametrize("hours", [99, 100, 101, 102, 200, 201, 350])
@pytest.mark.parametrize(("catch_up", "made_up"), [("skip", 0), ("latest", 1), ("all", 2)])
def test_a_long_outage_is_decided_in_bounded_steps(hours: int, catch_up: str, made_up: int) -> None:
    schedule = attached(terms(catch_up=catch_up, catch_up_window_minutes=90, overlap="allow"))
    every = [FIRST + n * HOUR for n in range(hours)]
    fired = settle(schedule, every[-1] + 30 * MINUTE)
    events = facts(schedule)
    assert fired == (every[-made_up:] if made_up else [])
    assert [occurrence for occurrence, _ in decisions(events)] == every
    assert max(len(getattr(event, "scheduled_for", [])) for event in events if "skipped" in event.TOPIC) <= AT_ONCE  # type: ignore[attr-defined]


def test_a_long_overlap_is_decided_in_bounded_steps() -> None:
    schedule = attached(terms(overlap="skip", catch_up="all", catch_up_window_minutes=LONGEST_WINDOW_MINUTES))
    assert settle(schedule, FIRST + 249 * HOUR, busy=True) == []
    events = facts(schedule)
    assert [len(event.scheduled_for) for event in events] == [100, 100, 50]  # type: ignore[attr-defined]
    assert decisions(events) == [(FIRST + n * HOUR, "overlap") for n in range(250)]


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"overlap": "queue"}, "/overlap"),
        ({"overlap": None}, "/overlap"),
        ({"catch_up": "some"}, "/catch_up"),
        *[({"catch_up_window_minutes": value}, "/catch_up_window_minutes") for value in (-1, 1.5, True, "60", None)],
        ({"catch_up_window_minutes": LONGEST_WINDOW_MINUTES + 1}, "/catch_up_window_minutes"),
    ],
)
def test_terms_of_firing_that_make_no_sense_are_named(wrong: dict[str, Any], pointer: str) -> None:
    assert [problem.pointer for problem in Firing(**wrong).problems()] == [pointer]
    assert Firing().problems() == []


# -- whatever happens

RULES = ("FREQ=HOURLY", "FREQ=HOURLY;INTERVAL=5", "FREQ=HOURLY;COUNT=30", "FREQ=DAILY")
some_terms = st.builds(
    lambda rrule, **firing: Terms(recurring(rrule), {}, Firing(**firing)),
    st.sampled_from(RULES),
    overlap=st.sampled_from(OVERLAPS),
    catch_up=st.sampled_from(CATCH_UPS),
    catch_up_window_minutes=st.sampled_from((0, 60, 200, 10_000)),
)


class Lives(RuleBasedStateMachine):
    """Any commands in any order, on a clock that also goes back; the model is a list of what was decided."""

    @initialize(wanted=some_terms)
    def attach(self, wanted: Terms) -> None:
        self.now = FIRST - 30 * MINUTE
        self.schedule: Schedule = Schedule.attach(
            attached().id,
            workflow_id=attached().workflow_id,
            terms=wanted,
            acknowledgement=acknowledged(),
            approval=approved(),
            request_digest="d",
            meta=meta(now=self.now),
        )
        self.events: list[Event] = []
        self.left_at = self.begun_at = self.now
        self.collect()

    def collect(self) -> None:
        """What a command recorded; jobs are only for instants after the schedule was last paused or given a rule."""
        fresh = facts(self.schedule)
        self.events += fresh
        for occurrence, what in decisions(fresh):
            assert what not in {"fired", "beyond_growth"} or self.left_at < occurrence <= self.now

    def passed(self) -> list[datetime]:
        """Occurrences in the order in which they were decided; a buffered one counts when it is buffered."""
        return list(dict(decisions(self.events)))

    def begin(self) -> None:
        """A span begins: after now, and after what was decided before."""
        self.left_at, self.begun_at = self.now, max([self.now, *self.passed()])

    def end(self, was: Terms) -> None:
        """A span ends: nothing that was due in it is left without a decision."""
        assert set(was.recurrence.between(self.begun_at, self.now, 10**6)) <= set(self.passed())

    @rule(minutes=st.integers(0, 20_000))
    def time_passes(self, minutes: int) -> None:
        self.now += minutes * MINUTE

    @rule(minutes=st.integers(1, 300))
    def the_clock_goes_back(self, minutes: int) -> None:
        self.now -= minutes * MINUTE

    @rule(busy=st.booleans(), what=st.sampled_from(("fire", "hold", "skip")), seconds=st.integers(0, 400))
    def turn(self, *, busy: bool, what: str, seconds: int) -> None:
        at = meta(now=self.now)
        occurrence = self.schedule.take_turn(busy=busy, seen_at=self.now - timedelta(seconds=seconds), meta=at)
        if occurrence is not None and what == "skip":
            self.schedule.skip([occurrence], "audience.empty", meta=at)
        elif occurrence is not None and what == "hold":
            self.schedule.hold(occurrence, job_of(self.schedule, occurrence), reason="beyond_growth", meta=at)
        elif occurrence is not None:
            self.schedule.fire(occurrence, job_of(self.schedule, occurrence), meta=at)
        self.collect()

    @precondition(lambda self: self.schedule.status == "active")
    @rule(for_good=st.sampled_from((False, False, False, True)))
    def leave(self, *, for_good: bool) -> None:
        if for_good:
            self.schedule.detach(note="", meta=meta(now=self.now))
        else:
            self.schedule.pause(note="x", meta=meta(now=self.now))
        self.collect()
        self.end(self.schedule.terms)
        self.left_at = self.now

    @precondition(lambda self: self.schedule.status == "paused")
    @rule()
    def resume(self) -> None:
        upcoming = self.schedule.terms.recurrence.next_after(max([self.now, *self.passed()]))
        if upcoming is not None:
            self.schedule.resume(acknowledgement=acknowledged(), approval=approved(), meta=meta(now=self.now))
            assert self.schedule.due_at == upcoming
            self.begin()
        self.collect()

    @precondition(lambda self: self.schedule.status != "detached")
    @rule(wanted=some_terms)
    def revise(self, wanted: Terms) -> None:
        was, status = self.schedule.terms, self.schedule.status
        self.schedule.revise(wanted, acknowledgement=acknowledged(), approval=approved(), meta=meta(now=self.now))
        if wanted.recurrence != was.recurrence:
            self.collect()
            if status == "active":
                self.end(was)
            self.begin()
        self.collect()

    @invariant()
    def every_occurrence_is_decided_once(self) -> None:
        what: dict[datetime, list[str]] = {}
        for occurrence, decision in decisions(self.events):
            what.setdefault(occurrence, []).append(decision)
        assert all(len(found) == 1 or (found[0] == "buffered" and len(found) == 2) for found in what.values())

    @invariant()
    def occurrences_are_taken_in_order_and_none_is_passed_over(self) -> None:
        passed = self.passed()
        assert passed == sorted(passed)
        if self.schedule.status == "active" and passed:
            since = [occurrence for occurrence in passed if occurrence > self.begun_at]
            expected = self.schedule.terms.recurrence.between(self.begun_at, passed[-1], 10**6)
            assert since == expected

    @invariant()
    def an_active_schedule_knows_what_is_next(self) -> None:
        schedule = self.schedule
        assert (schedule.due_at is not None) == (schedule.status == "active")
        if schedule.due_at is not None:
            assert schedule.due_at == (schedule.buffered or schedule.next_occurrence)

    @invariant()
    def replay_gives_the_same_schedule(self) -> None:
        assert again(self.events) == self.schedule


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)

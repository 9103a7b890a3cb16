"""The schedule's state table: which command is taken where, and where it leads."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from aggregates.base import decode, fold
from aggregates.errors import DomainError
from aggregates.pace import UNHINDERED
from aggregates.schedule.aggregate import Schedule
from aggregates.schedule.firing import Firing
from tests.support.aggregates import NOW, acknowledged, approved, facts, given, meta, topics
from tests.support.schedules import FIRST, HOUR, MINUTE, attached, decisions, job_of, recurring, settle, terms, turn
from tests.test_golden import FOLDER

LATER = FIRST + 30 * MINUTE
DAILY = replace(terms(), recurrence=recurring("FREQ=DAILY"))


Move = Callable[[Schedule, datetime], object]


def pause(schedule: Schedule, now: datetime = NOW) -> None:
    schedule.pause(note="provider move", meta=meta(now=now))


def resume(schedule: Schedule, now: datetime = NOW) -> None:
    schedule.resume(acknowledgement=acknowledged(9), approval=approved(9), meta=meta(now=now))


def detach(schedule: Schedule, now: datetime = NOW) -> None:
    schedule.detach(note="over", meta=meta(now=now))


def revise(schedule: Schedule, now: datetime = NOW) -> None:
    schedule.revise(DAILY, acknowledgement=acknowledged(), approval=approved(), meta=meta(now=now))


def standing_in(status: str) -> Schedule:
    """A schedule in a status; the completed one fired its only occurrence at FIRST."""
    match status:
        case "paused":
            return given(attached(), pause)
        case "detached":
            return given(attached(), detach)
        case "completed":
            return given(attached(terms("FREQ=HOURLY;COUNT=1")), lambda s: turn(s, FIRST))
        case _:
            return attached()


def refusal_of(command: Callable[[], object]) -> str:
    with pytest.raises(DomainError) as refusal:
        command()
    return refusal.value.code


MOVES: dict[str, Move] = {"pause": pause, "resume": resume, "detach": detach, "revise": revise}

TABLE = [
    ("active", "pause", "paused"),
    ("active", "resume", "active"),
    ("active", "revise", "active"),
    ("active", "detach", "detached"),
    ("paused", "pause", "paused"),
    ("paused", "resume", "active"),
    ("paused", "revise", "paused"),
    ("paused", "detach", "detached"),
    ("completed", "pause", "schedule.not_active"),
    ("completed", "resume", "schedule.no_occurrence"),
    ("completed", "revise", "active"),
    ("completed", "detach", "detached"),
    ("detached", "pause", "schedule.ended"),
    ("detached", "resume", "schedule.ended"),
    ("detached", "revise", "schedule.ended"),
    ("detached", "detach", "detached"),
]


@pytest.mark.parametrize(("status", "move", "outcome"), TABLE)
def test_each_row_of_the_state_table(status: str, move: str, outcome: str) -> None:
    schedule = standing_in(status)
    assert schedule.status == status
    if "." in outcome:
        assert refusal_of(lambda: MOVES[move](schedule, LATER)) == outcome
        assert (schedule.status, topics(schedule)) == (status, [])
    else:
        MOVES[move](schedule, LATER)
        assert schedule.status == outcome


@pytest.mark.parametrize(
    ("status", "move"), [("active", "resume"), ("paused", "pause"), ("detached", "detach"), ("completed", "turn")]
)
def test_what_is_already_so_records_nothing(status: str, move: str) -> None:
    schedule = standing_in(status)
    moves: dict[str, Move] = {**MOVES, "turn": turn}
    moves[move](schedule, FIRST - MINUTE)
    assert topics(schedule) == []


@pytest.mark.parametrize("status", ["paused", "completed", "detached"])
def test_only_an_active_schedule_has_a_turn_or_a_due_instant(status: str) -> None:
    schedule = standing_in(status)
    assert schedule.due_at is None
    assert turn(schedule, FIRST + 9 * HOUR) is None
    for decide in (
        lambda: schedule.fire(FIRST, UUID(int=9), meta=meta()),
        lambda: schedule.hold(FIRST, UUID(int=9), reason="over_limit", meta=meta()),
        lambda: schedule.skip([FIRST], "missed", meta=meta()),
    ):
        assert refusal_of(decide) == "schedule.not_active"
    assert topics(schedule) == []


def test_an_active_schedule_is_due_at_its_next_occurrence() -> None:
    schedule = attached()
    assert schedule.due_at == FIRST
    assert turn(schedule, FIRST - timedelta(seconds=1)) is None
    assert turn(schedule, FIRST) == FIRST
    assert schedule.due_at == FIRST + HOUR


def test_the_buffered_occurrence_is_due_before_the_next_one() -> None:
    schedule = attached(terms(overlap="buffer_one"))
    assert turn(schedule, FIRST, busy=True) is None
    assert (schedule.due_at, schedule.next_occurrence) == (FIRST, FIRST + HOUR)


@pytest.mark.parametrize("wrong", [FIRST - HOUR, FIRST + HOUR])
def test_an_occurrence_is_decided_in_its_order_and_never_again(wrong: datetime) -> None:
    schedule = attached()
    with pytest.raises(AssertionError):
        schedule.fire(wrong, UUID(int=9), meta=meta(now=LATER))
    turn(schedule, FIRST)
    with pytest.raises(AssertionError):
        schedule.fire(FIRST, UUID(int=9), meta=meta(now=LATER))


# -- pause, resume, detach: no job for an instant before them


@pytest.mark.parametrize(("move", "reason"), [(pause, "paused"), (detach, "detached"), (revise, "revised")])
def test_what_is_due_when_a_schedule_is_left_is_skipped_and_said_so(move: Move, reason: str) -> None:
    schedule = attached()
    move(schedule, FIRST + 2 * HOUR)
    assert decisions(facts(schedule)) == [(FIRST + n * HOUR, reason) for n in range(3)]
    assert settle(schedule, FIRST + 2 * HOUR) == []


@pytest.mark.parametrize(("move", "reason"), [(pause, "paused"), (detach, "detached"), (revise, "revised")])
def test_what_is_buffered_when_a_schedule_is_left_is_skipped_and_said_so(move: Move, reason: str) -> None:
    schedule = given(attached(terms(overlap="buffer_one")), lambda s: turn(s, FIRST, busy=True))
    move(schedule, LATER)
    assert decisions(facts(schedule)) == [(FIRST, reason)]
    assert schedule.buffered is None
    assert settle(schedule, LATER) == []


def test_what_is_left_after_a_long_outage_is_skipped_in_bounded_facts() -> None:
    schedule = attached()
    pause(schedule, FIRST + 250 * HOUR)
    events = facts(schedule)
    assert [len(event.scheduled_for) for event in events[:-1]] == [100, 100, 51]  # type: ignore[attr-defined]
    assert schedule.status == "paused"


def test_resuming_does_not_make_up_for_the_pause() -> None:
    schedule = given(attached(), pause)
    resume(schedule, FIRST + 24 * HOUR + MINUTE)
    assert schedule.due_at == FIRST + 25 * HOUR
    assert schedule.acknowledgement["count"] == 9
    assert schedule.approval is not None
    assert schedule.approval.ceiling == 9
    assert decisions(facts(schedule)) == []


def test_a_rule_that_is_over_is_not_resumed() -> None:
    schedule = given(attached(terms("FREQ=HOURLY;COUNT=2")), pause)
    assert refusal_of(lambda: resume(schedule, FIRST + 9 * HOUR)) == "schedule.no_occurrence"


# -- revise


def test_an_active_schedule_is_not_revised_without_an_acknowledgement() -> None:
    schedule = attached()
    for changed in (DAILY, terms(variables={"a": "b"}), terms(overlap="allow"), terms(catch_up="all")):
        for acknowledgement in (None, acknowledged()):
            with pytest.raises(DomainError) as refusal:
                schedule.revise(changed, acknowledgement=acknowledgement, meta=meta())
            assert refusal.value.code == "acknowledgement.missing"
    assert topics(schedule) == []


def test_revising_to_the_same_terms_records_nothing() -> None:
    schedule = attached()
    schedule.revise(schedule.terms, meta=meta())
    assert topics(schedule) == []


def test_a_paused_schedule_is_revised_without_and_resumed_with_an_acknowledgement() -> None:
    schedule = given(attached(), pause)
    schedule.revise(DAILY, meta=meta())
    assert (schedule.status, schedule.due_at, schedule.next_occurrence) == ("paused", None, None)
    resume(schedule, LATER)
    assert schedule.due_at == FIRST + 24 * HOUR


def test_a_new_rule_goes_on_from_now_and_other_terms_leave_the_next_occurrence() -> None:
    schedule = attached()
    schedule.revise(
        terms(variables={"a": "b"}), acknowledgement=acknowledged(5), approval=approved(5), meta=meta(now=LATER)
    )
    assert (schedule.due_at, schedule.acknowledgement["count"]) == (FIRST, 5)
    revise(schedule, LATER)
    assert schedule.due_at == FIRST + 24 * HOUR


def test_a_completed_schedule_is_revived_by_another_rule_with_an_acknowledgement_only() -> None:
    schedule = standing_in("completed")
    assert refusal_of(lambda: schedule.revise(DAILY, meta=meta(now=LATER))) == "acknowledgement.missing"
    schedule.revise(replace(schedule.terms, variables={"a": "b"}), meta=meta(now=LATER))
    assert (schedule.status, schedule.due_at) == ("completed", None)
    schedule.revise(schedule.terms, acknowledgement=acknowledged(), approval=approved(), meta=meta(now=LATER))
    assert schedule.status == "completed"
    revise(schedule, LATER)
    assert (schedule.status, schedule.due_at) == ("active", FIRST + 24 * HOUR)


@pytest.mark.parametrize(
    ("status", "changes", "needed"),
    [
        ("active", "nothing", False),
        ("active", "approval", True),
        ("active", "variables", True),
        ("active", "rule", True),
        ("paused", "approval", False),
        ("paused", "rule", False),
        ("completed", "variables", False),
        ("completed", "rule", True),
    ],
)
def test_an_acknowledgement_is_needed_for_what_leads_to_people(status: str, changes: str, *, needed: bool) -> None:
    schedule = standing_in(status)
    wanted = {"rule": DAILY, "variables": replace(schedule.terms, variables={"a": "b"})}.get(changes, schedule.terms)
    assert schedule.needs_acknowledgement(wanted, approval_changes=changes == "approval") is needed


# -- the end of a rule


def test_a_schedule_completes_with_its_last_occurrence() -> None:
    schedule = attached(terms("FREQ=HOURLY;COUNT=3", catch_up="all", overlap="allow"))
    assert settle(schedule, FIRST + HOUR) == [FIRST, FIRST + HOUR]
    assert schedule.status == "active"
    assert settle(schedule, FIRST + 2 * HOUR) == [FIRST + 2 * HOUR]
    assert (schedule.status, schedule.due_at) == ("completed", None)
    assert topics(schedule)[-2:] == ["schedule.fired.v1", "schedule.completed.v1"]


@pytest.mark.parametrize("how", ["skip", "hold"])
def test_a_last_occurrence_that_does_not_fire_completes_it_as_well(how: str) -> None:
    schedule = attached(terms("FREQ=HOURLY;COUNT=1"))
    if how == "skip":
        schedule.skip([FIRST], "audience.empty", meta=meta(now=FIRST))
    else:
        schedule.hold(FIRST, UUID(int=9), reason="over_limit", meta=meta(now=FIRST))
    assert (schedule.status, schedule.due_at) == ("completed", None)


def test_a_schedule_whose_last_occurrence_is_buffered_is_not_over() -> None:
    schedule = attached(terms("FREQ=HOURLY;COUNT=1", overlap="buffer_one"))
    assert turn(schedule, FIRST, busy=True) is None
    assert (schedule.status, schedule.due_at) == ("active", FIRST)
    assert turn(schedule, LATER) == FIRST
    assert schedule.status == "completed"


# -- the clock


@pytest.mark.parametrize("move", ["revise", "resume"])
def test_a_clock_that_went_back_brings_no_occurrence_back(move: str) -> None:
    schedule = attached(terms(catch_up="all", overlap="allow"))
    settle(schedule, FIRST + HOUR)
    if move == "resume":
        pause(schedule, FIRST + MINUTE)
        resume(schedule, FIRST + MINUTE)
    else:
        changed = replace(schedule.terms, recurrence=recurring("FREQ=HOURLY;COUNT=100"))
        schedule.revise(changed, acknowledgement=acknowledged(), approval=approved(), meta=meta(now=FIRST + MINUTE))
    assert schedule.due_at == FIRST + 2 * HOUR


def test_a_rule_without_an_occurrence_after_those_decided_completes_the_schedule() -> None:
    schedule = attached(terms(catch_up="all", overlap="allow"))
    settle(schedule, FIRST + HOUR)
    over = replace(schedule.terms, recurrence=recurring("FREQ=HOURLY;COUNT=2"))
    schedule.revise(over, acknowledgement=acknowledged(), approval=approved(), meta=meta(now=FIRST + MINUTE))
    assert schedule.status == "completed"


# -- what an earlier release recorded


def test_a_schedule_of_the_first_release_waits_for_somebodys_word() -> None:
    stored = json.loads((FOLDER / "schedule.attached.v1.json").read_text())
    state = json.dumps(stored["state"]).encode()
    schedule = fold([decode(UUID(stored["id"]), stored["version"], stored["topic"], state)])
    assert isinstance(schedule, Schedule)
    assert (schedule.status, schedule.due_at, schedule.terms.firing) == ("active", None, Firing())
    assert schedule.terms.pace == UNHINDERED
    assert settle(schedule, LATER) == []
    schedule.revise(schedule.terms, acknowledgement=acknowledged(), approval=approved(), meta=meta(now=LATER))
    assert schedule.due_at == datetime(2026, 12, 2, 8, tzinfo=UTC)


def test_an_occurrence_that_is_fired_names_its_job() -> None:
    schedule = attached()
    turn(schedule, FIRST)
    assert schedule.job_ids[-1] == job_of(schedule, FIRST)
    schedule.hold(FIRST + HOUR, UUID(int=9), reason="beyond_growth", meta=meta(now=FIRST + HOUR))
    assert schedule.job_ids[-1] == UUID(int=9)
    assert decisions(facts(schedule)) == [(FIRST, "fired"), (FIRST + HOUR, "beyond_growth")]

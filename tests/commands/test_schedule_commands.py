"""Attaching, revising, pausing, resuming: what of a schedule needs a fresh acknowledgement, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from commands.batch_job import RunBatch, SizeAudience
from commands.preview import PreviewSchedule
from commands.schedule import DetachSchedule, PauseSchedule, ResumeSchedule, ReviseSchedule
from tests.commands.conftest import BOUND, PACE, Desk, MakeProduct, refused
from tests.support.product import Product

LATER = "2126-01-01T00:00:00+00:00"

# Everything that one can change about a schedule, each alone.
FIELDS: tuple[tuple[str, Any], ...] = (
    ("rrule", "FREQ=WEEKLY"),
    ("starts_at", "2026-01-02T10:30:00"),
    ("timezone", "Europe/Prague"),
    ("exdates", ["2027-01-02"]),
    ("variables", {"greeting": "bye"}),
    ("overlap", "allow"),
    ("catch_up", "all"),
    ("catch_up_window_minutes", 5),
    ("rate", "100/minute"),
    ("breaker", {"min_attempts": 10, "max_failure_ratio": 0.5}),
)
APPROVAL: tuple[tuple[str, Any], ...] = (("max_growth", 0.05), ("approval_expires_at", LATER))

every_field = pytest.mark.parametrize(("field", "value"), FIELDS, ids=[field for field, _ in FIELDS])
every_change = pytest.mark.parametrize(
    ("field", "value"), [*FIELDS, *APPROVAL], ids=[field for field, _ in (*FIELDS, *APPROVAL)]
)


@pytest.fixture
def schedule_id(desk: Desk) -> UUID:
    return desk.attach()


def revise(schedule_id: UUID, **change: Any) -> ReviseSchedule:
    return ReviseSchedule(schedule_id, **change)


def confirmed(desk: Desk, schedule_id: UUID, **change: Any) -> Mapping[str, Any]:
    """What a fresh sizing of a schedule, changed like this, lets one confirm."""
    what = {"schedule_id": schedule_id, **{name: change[name] for name in BOUND if name in change}}
    pace = {name: change[name] for name in PACE if name in change}
    count, token = desk.token(schedule=what, pace=pace, **change.get("variables", {}))
    return {"acknowledged_affected_count": count, "confirm_token": token}


# -- revising


@every_change
def test_any_change_of_what_is_active_needs_a_fresh_acknowledgement(
    desk: Desk, schedule_id: UUID, field: str, value: Any
) -> None:
    before = desk.schedule(schedule_id)
    for by in (desk.somebody, desk.agent, desk.another):
        refusal = refused(desk.product, revise(schedule_id, **{field: value}), by)
        assert refusal.code == "acknowledgement.missing"
    assert desk.schedule(schedule_id) == before


@every_change
def test_any_change_of_what_is_active_passes_with_one(desk: Desk, schedule_id: UUID, field: str, value: Any) -> None:
    command = revise(schedule_id, **{field: value}, **confirmed(desk, schedule_id, **{field: value}))
    answer = desk.product.ask(command, desk.somebody)
    assert answer["status"] == "active"
    stored = desk.schedule(schedule_id)[field]
    assert (stored.isoformat() if isinstance(stored, datetime) else stored) == value


@every_change
def test_any_change_needs_person_read_and_the_scope_to_run(
    desk: Desk, schedule_id: UUID, field: str, value: Any
) -> None:
    for paused in (False, True):
        if paused:
            desk.product.ask(PauseSchedule(schedule_id, "look first"))
        for scope in ("person:read", "workflow:run"):
            lacking = desk.product.principal(id="somebody", without=[scope])
            refusal = refused(desk.product, revise(schedule_id, **{field: value}), lacking)
            assert (refusal.code, refusal.details) == ("scope.missing", {"missing": [scope]})


@every_field
def test_any_change_of_the_terms_is_free_while_paused_and_resuming_is_not(
    desk: Desk, schedule_id: UUID, field: str, value: Any
) -> None:
    desk.product.ask(PauseSchedule(schedule_id, "look first"))
    assert desk.product.ask(revise(schedule_id, **{field: value}), desk.another)["status"] == "paused"
    assert desk.schedule(schedule_id)[field] == value
    assert desk.fire(schedule_id) == []
    assert refused(desk.product, ResumeSchedule(schedule_id, 3), desk.another).code == "audience.drift"
    assert refused(desk.product, ResumeSchedule(schedule_id, 2), desk.agent).code == "confirm.missing"
    count, token = desk.token(schedule={"schedule_id": schedule_id})
    assert desk.product.ask(ResumeSchedule(schedule_id, count, token), desk.somebody)["status"] == "active"


@pytest.mark.parametrize(("field", "value"), APPROVAL)
def test_an_approval_is_given_when_it_is_acknowledged_and_not_while_paused(
    desk: Desk, schedule_id: UUID, field: str, value: Any
) -> None:
    desk.product.ask(PauseSchedule(schedule_id, "look first"))
    refusal = refused(desk.product, revise(schedule_id, **{field: value}), desk.somebody)
    assert (refusal.code, refusal.details) == ("schedule.not_active", {"status": "paused"})
    given = confirmed(desk, schedule_id, **{field: value})
    command = ResumeSchedule(schedule_id, **given, **{field: value})
    assert desk.product.ask(command, desk.somebody)[field] == value


def test_an_approval_that_is_over_keeps_nobody_from_revising_while_paused(desk: Desk) -> None:
    soon = (desk.product.clock.now() + timedelta(hours=1)).isoformat()
    schedule_id = desk.attach(approval_expires_at=soon)
    desk.product.ask(PauseSchedule(schedule_id, "look first"))
    desk.product.clock.advance(hours=2)
    desk.product.ask(revise(schedule_id, rrule="FREQ=WEEKLY"))
    refusal = refused(desk.product, ResumeSchedule(schedule_id, 2))
    assert [problem.pointer for problem in refusal.problems] == ["/approval_expires_at"]
    assert desk.product.ask(ResumeSchedule(schedule_id, 2, approval_expires_at=LATER))["status"] == "active"


def test_an_occurrence_after_the_approval_is_over_is_held(desk: Desk) -> None:
    now = desk.product.clock.now()
    soon, later = (now + timedelta(hours=1)).isoformat(), (now + timedelta(hours=2)).isoformat()
    schedule_id = desk.attach(approval_expires_at=soon, starts_at=later)
    (job_id,) = desk.fire(schedule_id)
    assert (desk.status(job_id), desk.product.job(job_id)["reason"]) == ("held", "approval_expired")


def test_a_revision_that_changes_nothing_asks_for_nothing(desk: Desk, schedule_id: UUID) -> None:
    before, position = desk.schedule(schedule_id), desk.product.log_position()
    same = {field: before[field] for field, _ in FIELDS}
    assert desk.product.ask(revise(schedule_id, **same, max_growth=before["max_growth"]))["status"] == "active"
    desk.product.ask(revise(schedule_id))
    desk.product.ask(revise(schedule_id, starts_at="2026-01-01T09:00", rrule="RRULE:freq=daily"))
    assert desk.product.log_position() == position


def test_a_refused_revision_leaves_its_token_unspent(desk: Desk, schedule_id: UUID) -> None:
    given = confirmed(desk, schedule_id, rrule="FREQ=WEEKLY")
    bad = revise(schedule_id, rrule="FREQ=SECONDLY", overlap="never", **given)
    refusal = refused(desk.product, bad, desk.somebody)
    assert {problem.pointer for problem in refusal.problems} == {"/rrule", "/overlap"}
    desk.product.ask(revise(schedule_id, rrule="FREQ=WEEKLY", **given), desk.somebody)
    again = refused(desk.product, revise(schedule_id, rrule="FREQ=MONTHLY", **given), desk.somebody)
    assert again.code == "confirm.used"


def test_what_a_revision_was_confirmed_for_is_what_it_says(desk: Desk, schedule_id: UUID) -> None:
    command = revise(schedule_id, variables={"greeting": "bye"}, **confirmed(desk, schedule_id))
    refusal = refused(desk.product, command, desk.somebody)
    assert (refusal.code, refusal.details) == ("confirm.changed", {"changed": ["variables"]})


def test_reviving_a_completed_schedule_needs_an_acknowledgement_and_its_variables_do_not(desk: Desk) -> None:
    """A variables-only change of an exhausted schedule is free: it leads to nobody until the rule is revived."""
    tomorrow = (desk.product.clock.now() + timedelta(days=1)).isoformat()
    schedule_id = desk.attach(rrule="FREQ=DAILY;COUNT=1", starts_at=tomorrow, overlap="allow")
    assert len(desk.fire(schedule_id)) == 1
    assert desk.schedule(schedule_id)["status"] == "completed"
    desk.product.ask(revise(schedule_id, variables={"greeting": "bye"}))
    again = revise(schedule_id, rrule="FREQ=DAILY")
    assert refused(desk.product, again).code == "acknowledgement.missing"
    assert refused(desk.product, PauseSchedule(schedule_id, "look first")).code == "schedule.not_active"
    assert refused(desk.product, ResumeSchedule(schedule_id, 2)).code == "schedule.no_occurrence"
    given = confirmed(desk, schedule_id, rrule="FREQ=DAILY")
    assert desk.product.ask(revise(schedule_id, rrule="FREQ=DAILY", **given), desk.somebody)["status"] == "active"
    assert len(desk.fire(schedule_id)) == 1


# -- pausing, resuming, ending


def test_a_pause_says_why(desk: Desk, schedule_id: UUID) -> None:
    for note in ("", "  ", "x" * 1001, "a\0b"):
        refusal = refused(desk.product, PauseSchedule(schedule_id, note))
        assert (refusal.code, refusal.problems[0].pointer) == ("request.invalid", "/note")


def test_stopping_never_needs_an_acknowledgement_nor_person_read(desk: Desk, schedule_id: UUID) -> None:
    by = desk.product.principal(source="mcp", without=["person:read"])
    assert desk.product.ask(PauseSchedule(schedule_id, "look first"), by)["status"] == "paused"
    person = desk.product.principal(without=["person:read"])
    assert desk.product.ask(DetachSchedule(schedule_id), person)["status"] == "detached"
    assert desk.product.ask(DetachSchedule(schedule_id), person)["status"] == "detached"
    for command in (PauseSchedule(schedule_id, "look first"), revise(schedule_id, rrule="FREQ=WEEKLY")):
        assert refused(desk.product, command).code == "schedule.ended"


def test_pausing_and_resuming_twice_is_once(desk: Desk, schedule_id: UUID) -> None:
    desk.product.ask(PauseSchedule(schedule_id, "look first"))
    position = desk.product.log_position()
    assert desk.product.ask(PauseSchedule(schedule_id, "again"))["status"] == "paused"
    assert desk.product.log_position() == position
    count, token = desk.token(schedule={"schedule_id": schedule_id})
    desk.product.ask(ResumeSchedule(schedule_id, count, token), desk.somebody)
    position = desk.product.log_position()
    # It is active, so nothing is asked of the token, not even that it is a fresh one.
    assert desk.product.ask(ResumeSchedule(schedule_id, count, token), desk.somebody)["status"] == "active"
    assert desk.product.log_position() == position


def test_what_was_due_while_paused_is_not_made_up(desk: Desk, schedule_id: UUID) -> None:
    desk.product.ask(PauseSchedule(schedule_id, "look first"))
    desk.product.clock.advance(days=10)
    assert desk.fire(schedule_id) == []
    desk.product.ask(ResumeSchedule(schedule_id, 2))
    assert desk.schedule(schedule_id)["next_occurrence"] > desk.product.clock.now()
    assert len(desk.fire(schedule_id)) == 1


# -- what it carries


def test_each_job_has_the_pace_of_its_schedule_and_keeps_it(desk: Desk) -> None:
    pace = {"rate": "100/minute", "breaker": {"min_attempts": 10, "max_failure_ratio": 0.5}}
    schedule_id = desk.attach(desk.agent, overlap="allow", **pace)
    (first,) = desk.fire(schedule_id)
    slower = {"rate": "5/hour", "lifted": ["breaker"]}
    desk.product.ask(revise(schedule_id, **slower, **confirmed(desk, schedule_id, **slower)), desk.somebody)
    (second,) = desk.fire(schedule_id)
    jobs = [desk.product.job(id) for id in (first, second)]
    assert [(job["rate"], job["breaker"]) for job in jobs] == [(*pace.values(),), ("5/hour", None)]


def test_a_pace_that_is_not_named_stays_and_one_that_is_lifted_goes(desk: Desk) -> None:
    schedule_id = desk.attach(rate="100/minute")
    other = {"timezone": "Europe/Prague"}
    desk.product.ask(revise(schedule_id, **other, **confirmed(desk, schedule_id, **other)), desk.somebody)
    assert desk.schedule(schedule_id)["rate"] == "100/minute"
    gone = {"lifted": ["rate"]}
    answer = desk.product.ask(revise(schedule_id, **gone, **confirmed(desk, schedule_id, **gone)), desk.somebody)
    assert answer["rate"] is None


def test_a_pace_that_cannot_be_is_refused_with_all_else_that_is_wrong(desk: Desk, schedule_id: UUID) -> None:
    bad: dict[str, Any] = {"rate": "fast", "breaker": {"min_attempts": 0, "max_failure_ratio": 2}, "overlap": "never"}
    for command in (desk.attaching(2, **bad), revise(schedule_id, **bad)):
        refusal = refused(desk.product, command, desk.somebody)
        assert refusal.code == "schedule.invalid"
        assert {problem.pointer for problem in refusal.problems} == {"/rate", "/breaker", "/overlap"}
    wrong: tuple[dict[str, Any], ...] = ({"lifted": ["rrule"]}, {"lifted": ["rate"], "rate": "1/second"})
    for lifted in wrong:
        refusal = refused(desk.product, revise(schedule_id, **lifted), desk.somebody)
        assert [problem.pointer for problem in refusal.problems] == ["/lifted"]
        sizing = SizeAudience(
            desk.workflow_id, rate=lifted.pop("rate", None), schedule={"schedule_id": schedule_id, **lifted}
        )
        assert [problem.pointer for problem in refused(desk.product, sizing).problems] == ["/schedule/lifted"]


def test_the_default_gives_way_to_the_schedule_and_the_schedule_to_nothing(desk: Desk) -> None:
    """Default, then schedule, then job: each key on its own."""
    both = [
        {"key": "greeting", "type": "string", "default": "hello"},
        {"key": "discount", "type": "number", "default": 10},
    ]
    desk.rewrite(variables=both)
    schedule_id = desk.attach_with(greeting="bye")
    (scheduled,) = desk.fire(schedule_id)
    count, token = desk.token(discount=20)
    command = RunBatch(desk.workflow_id, count, token, {"discount": 20})
    asked = UUID(desk.product.ask(command, desk.somebody)["batch_job_id"])
    assert desk.product.job(scheduled)["variables"] == {"greeting": "bye", "discount": 10}
    assert desk.product.job(asked)["variables"] == {"greeting": "hello", "discount": 20}


def test_a_null_given_on_purpose_stays_null(desk: Desk) -> None:
    """SPEC is silent: a null override of a declared variable is kept, it does not fall back to the default."""
    count, token = desk.token(greeting=None)
    command = RunBatch(desk.workflow_id, count, token, {"greeting": None})
    job_id = UUID(desk.product.ask(command, desk.somebody)["batch_job_id"])
    assert desk.product.job(job_id)["variables"] == {"greeting": None}
    schedule_id = desk.attach_with(greeting=None)
    (scheduled,) = desk.fire(schedule_id)
    assert desk.product.job(scheduled)["variables"] == {"greeting": None}


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"unknown": 1}, "variable.unknown"),
        ({"greeting": 5}, "variable.type_mismatch"),
        ({"greeting": True}, "variable.type_mismatch"),
        ({"greeting": "x" * 5120}, "variables.too_large"),
    ],
)
@pytest.mark.parametrize("paused", [False, True])
def test_variables_are_checked_also_where_nothing_is_acknowledged(
    desk: Desk, schedule_id: UUID, paused: bool, variables: dict[str, Any], code: str
) -> None:
    if paused:
        desk.product.ask(PauseSchedule(schedule_id, "look first"))
    given = {} if paused else confirmed(desk, schedule_id)
    for command in (revise(schedule_id, variables=variables, **given), desk.attaching(2, variables=variables)):
        refusal = refused(desk.product, command, desk.somebody)
        assert (refusal.code, {problem.code for problem in refusal.problems}) == ("variables.invalid", {code})


def test_variables_of_exactly_five_kibibytes_are_taken(desk: Desk) -> None:
    most = "x" * (5 * 1024 - len('{"greeting":""}'))
    desk.attach_with(greeting=most)
    refusal = refused(desk.product, desk.attaching(2, variables={"greeting": most + "x"}))
    assert refusal.code == "variables.invalid"


# -- a standing approval


@pytest.mark.parametrize(("growth", "ceiling"), [(0, 10), (0.1, 11), (0.19, 11), (0.2, 12), (1, 20)])
def test_a_ceiling_is_the_count_and_its_growth_in_whole_people(
    product_with: MakeProduct, growth: float, ceiling: int
) -> None:
    desk = Desk(product_with(max_growth=1), people=20)
    schedule_id = desk.attach(max_growth=growth)
    assert desk.schedule(schedule_id)["ceiling"] == ceiling


@pytest.mark.parametrize(("more", "status"), [(1, "running"), (2, "held")])
def test_an_occurrence_at_the_ceiling_runs_and_one_more_person_holds_it(
    product: Product, more: int, status: str
) -> None:
    desk = Desk(product, people=20)
    schedule_id = desk.attach()
    free = desk.people[1::2]
    product.execute("""UPDATE people SET properties = '{"plan": "pro"}' WHERE id = ANY (:ids)""", ids=free[:more])
    (job_id,) = desk.fire(schedule_id)
    assert (desk.status(job_id), len(desk.enrolled(job_id))) == (status, 0 if status == "held" else 10 + more)


def test_a_growth_beyond_policy_is_refused(desk: Desk) -> None:
    values: tuple[Any, ...] = (-0.1, 0.11, 10, float("nan"), "0.1", True)
    for value in values:
        refusal = refused(desk.product, desk.attaching(2, max_growth=value))
        assert [problem.pointer for problem in refusal.problems] == ["/max_growth"]


def test_an_approval_ends_at_an_instant_in_the_future(desk: Desk) -> None:
    for value in ("2000-01-01T00:00:00+00:00", "2126-01-01T00:00:00", "tomorrow", ""):
        refusal = refused(desk.product, desk.attaching(2, approval_expires_at=value))
        assert [problem.pointer for problem in refusal.problems] == ["/approval_expires_at"]


def test_everything_wrong_with_a_schedule_is_told_at_once(desk: Desk) -> None:
    bad = desk.attaching(
        2,
        rrule="FREQ=SECONDLY",
        timezone="Mars/Base",
        overlap="x",
        catch_up="y",
        max_growth=-1,
        approval_expires_at="z",
    )
    pointers = {problem.pointer for problem in refused(desk.product, bad).problems}
    assert pointers == {"/rrule", "/timezone", "/overlap", "/catch_up", "/max_growth", "/approval_expires_at"}


def test_a_preview_records_nothing_and_needs_no_person_read(desk: Desk, schedule_id: UUID) -> None:
    by = desk.product.principal(without=["person:read", "workflow:run"])
    position = desk.product.log_position()
    answer = desk.product.ask(PreviewSchedule(schedule_id, count=3), by)
    assert len(answer["occurrences"]) == 3
    loose = PreviewSchedule(rrule="FREQ=DAILY", starts_at="2026-01-01T09:00:00", timezone="Europe/Prague", count=2)
    assert len(desk.product.ask(loose, by)["occurrences"]) == 2
    assert desk.product.log_position() == position
    for count in (0, 101):
        assert refused(desk.product, PreviewSchedule(schedule_id, count=count), by).code == "schedule.invalid"

"""Confirm tokens: short handles that buy what was sized, and nothing else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest

from aggregates.base import Principal
from aggregates.errors import DomainError
from aggregates.policy import Limits
from commands.batch_job import RunBatch, SizeAudience
from commands.schedule import PauseSchedule, ResumeSchedule, ReviseSchedule
from commands.workflow import CreateWorkflow, EnableWorkflow
from tests.commands.conftest import FREE, GREETING, Desk, MakeProduct, refused
from tests.support.product import CAPTURE, EVERYONE, Product
from tests.workers.conftest import Workshop

BREAKER = {"min_attempts": 100, "max_failure_ratio": 0.2}


def size(desk: Desk, by: Principal | None = None, **what: Any) -> dict[str, Any]:
    return desk.product.ask(SizeAudience(desk.workflow_id, **what), by or desk.agent)


def run(desk: Desk, sizing: dict[str, Any], **what: Any) -> RunBatch:
    return RunBatch(desk.workflow_id, sizing["affected"], sizing["confirm_token"], **what)


def changed(desk: Desk, command: Any, by: Principal | None = None) -> list[str]:
    """What a command differs in from its token, by the refusal."""
    refusal = refused(desk.product, command, by or desk.agent)
    assert refusal.code == "confirm.changed"
    assert all(name in refusal.message for name in refusal.details["changed"])
    return list(refusal.details["changed"])


def test_a_token_is_a_short_handle_and_nothing_stored_opens_with_it(desk: Desk) -> None:
    token = size(desk)["confirm_token"]
    assert token.startswith("tgc_") and len(token) <= 40
    stored = desk.product.execute("SELECT sizings::text FROM sizings UNION ALL SELECT encode(state, 'escape') FROM log")
    assert stored and all(token not in row[0] for row in stored)


@pytest.mark.parametrize("token", ["tgc_", "tgc_" + "A" * 22, "tgc_" + "A" * 21, "x" * 100])
def test_a_token_that_names_no_sizing_is_invalid(desk: Desk, token: str) -> None:
    assert refused(desk.product, RunBatch(desk.workflow_id, 2, token), desk.agent).code == "confirm.invalid"


def test_a_token_is_told_as_expired_for_a_day_and_its_job_for_ever(desk: Desk, workshop: Workshop) -> None:
    bought, late = run(desk, size(desk)), run(desk, size(desk))
    job_id = desk.product.ask(bought, desk.agent)["batch_job_id"]
    for hours, code in ((1, "confirm.expired"), (22, "confirm.expired"), (2, "confirm.invalid")):
        desk.product.clock.advance(hours=hours)
        workshop.scheduler.collect()
        assert refused(desk.product, late, desk.agent).code == code
    assert desk.product.execute("SELECT count(*) FROM sizings") == [(0,)]
    assert desk.product.ask(bought, desk.agent)["batch_job_id"] == job_id


# -- what it binds


@pytest.mark.parametrize(
    ("sized", "ran"),
    [
        ({}, {"rate": "100/minute"}),
        ({"rate": "100/minute"}, {}),
        ({"rate": "100/minute"}, {"rate": "100/second"}),
        ({"breaker": BREAKER}, {"breaker": {**BREAKER, "max_failure_ratio": 0.9}}),
    ],
)
def test_a_token_is_for_one_pace(desk: Desk, sized: dict[str, Any], ran: dict[str, Any]) -> None:
    assert changed(desk, run(desk, size(desk, **sized), **ran)) == ["pace"]
    assert desk.product.ask(run(desk, size(desk, **ran), **ran), desk.agent)["status"] == "queued"


def test_what_was_sized_in_capture_does_not_run_live(product_with: MakeProduct) -> None:
    desk = Desk(product_with(send_mode="live"))
    captured = desk.product.principal(id="agent", source="mcp", limits=(Limits(send_mode="capture"),))
    sizing = size(desk, captured)
    assert sizing["send_mode"] == "capture"
    assert changed(desk, run(desk, sizing)) == ["send_mode"]
    assert desk.product.ask(run(desk, sizing), captured)["send_mode"] == "capture"


def test_a_schedule_that_was_confirmed_in_capture_is_held_when_it_would_send(product_with: MakeProduct) -> None:
    desk = Desk(product_with(send_mode="live"))
    captured = desk.product.principal(id="somebody", limits=(Limits(send_mode="capture"), Limits()))
    (job_id,) = desk.fire(desk.attach(captured))
    assert (desk.status(job_id), desk.product.job(job_id)["reason"]) == ("held", "send_mode")


def test_a_token_of_a_batch_buys_no_schedule_and_one_of_a_schedule_no_batch(desk: Desk) -> None:
    count, token = desk.token(desk.agent)
    assert changed(desk, desk.attaching(count, token)) == ["purpose"]
    _, token = desk.token(desk.agent, schedule=desk.daily())
    assert changed(desk, RunBatch(desk.workflow_id, count, token)) == ["purpose"]


@pytest.mark.parametrize(
    ("terms", "difference"),
    [
        ({"rrule": "FREQ=HOURLY"}, "recurrence"),
        ({"starts_at": "2026-01-01T10:00:00"}, "recurrence"),
        ({"timezone": "Europe/Prague"}, "recurrence"),
        ({"exdates": ["2027-01-02"]}, "recurrence"),
        ({"max_growth": 0.05}, "max_growth"),
    ],
)
def test_a_token_is_for_one_recurrence_and_growth(desk: Desk, terms: dict[str, Any], difference: str) -> None:
    count, token = desk.token(desk.agent, schedule=desk.daily())
    assert changed(desk, desk.attaching(count, token, **terms)) == ["purpose", difference]
    count, token = desk.token(desk.agent, schedule=desk.daily(**terms))
    assert desk.product.ask(desk.attaching(count, token, **terms), desk.agent)["status"] == "active"


def test_a_schedule_that_was_revised_while_paused_resumes_with_a_token_of_its_new_terms(desk: Desk) -> None:
    schedule_id = desk.attach()
    desk.product.ask(PauseSchedule(schedule_id, "look first"))
    before = desk.token(desk.agent, schedule={"schedule_id": schedule_id})
    desk.product.ask(ReviseSchedule(schedule_id, rrule="FREQ=HOURLY"))
    assert changed(desk, ResumeSchedule(schedule_id, *before)) == ["purpose", "recurrence"]
    assert desk.schedule(schedule_id)["status"] == "paused"
    after = desk.token(desk.agent, schedule={"schedule_id": schedule_id})
    assert changed(desk, ResumeSchedule(schedule_id, *after, max_growth=0.0)) == ["purpose", "max_growth"]
    assert desk.product.ask(ResumeSchedule(schedule_id, *after), desk.agent)["status"] == "active"


def test_a_sizing_takes_from_the_schedule_what_is_not_said(desk: Desk) -> None:
    schedule_id = desk.attach(variables={"greeting": "bye"})
    count, token = desk.token(desk.agent, schedule={"schedule_id": schedule_id, "timezone": "Europe/Prague"})
    told: dict[str, Any] = {"acknowledged_affected_count": count, "confirm_token": token}
    answer = desk.product.ask(ReviseSchedule(schedule_id, timezone="Europe/Prague", **told), desk.agent)
    assert (answer["timezone"], answer["variables"]) == ("Europe/Prague", {"greeting": "bye"})


def test_a_sizing_says_what_is_wrong_with_the_schedule_that_it_is_for(desk: Desk) -> None:
    for schedule, pointers in (
        ({}, {"/schedule/rrule", "/schedule/starts_at"}),
        ({**desk.daily(), "rrule": "FREQ=SECONDLY", "max_growth": 7}, {"/schedule/rrule", "/schedule/max_growth"}),
    ):
        refusal = refused(desk.product, SizeAudience(desk.workflow_id, schedule=schedule), desk.agent)
        assert refusal.code == "schedule.invalid"
        assert {problem.pointer for problem in refusal.problems} == pointers
    frozen = SizeAudience(desk.workflow_id, freeze=True, schedule=desk.daily())
    assert refused(desk.product, frozen, desk.agent).code == "confirm.frozen"
    paced = SizeAudience(desk.workflow_id, rate="fast", schedule=desk.daily())
    assert [problem.pointer for problem in refused(desk.product, paced, desk.agent).problems] == ["/rate"]


@pytest.mark.parametrize(
    ("sized", "asked"), [({}, {"rate": "1/second"}), ({"rate": "1/second"}, {}), ({"breaker": BREAKER}, {})]
)
def test_the_token_of_a_schedule_is_for_one_pace(desk: Desk, sized: dict[str, Any], asked: dict[str, Any]) -> None:
    attaching = desk.attaching(*desk.token(desk.agent, schedule=desk.daily(), pace=sized), **asked)
    assert changed(desk, attaching) == ["pace"]
    schedule_id = desk.attach(desk.agent, **asked)
    desk.product.ask(PauseSchedule(schedule_id, "look first"), desk.agent)
    resized = desk.token(desk.agent, schedule={"schedule_id": schedule_id}, pace=sized)
    if sized:
        assert changed(desk, ResumeSchedule(schedule_id, *resized)) == ["pace"]
    kept = desk.token(desk.agent, schedule={"schedule_id": schedule_id})
    assert desk.product.ask(ResumeSchedule(schedule_id, *kept), desk.agent)["rate"] == asked.get("rate")


def test_a_schedule_of_another_workflow_is_not_there_to_be_sized(desk: Desk) -> None:
    schedule_id = desk.attach()
    desk.workflow_id = desk.product.workflow()
    for unknown in (schedule_id, UUID(int=404)):
        command = SizeAudience(desk.workflow_id, schedule={"schedule_id": unknown})
        assert refused(desk.product, command, desk.agent).code == "schedule.not_found"


# -- one thing each


@pytest.mark.parametrize("kind", ["batch", "paced batch", "schedule"])
def test_a_token_that_is_used_twenty_times_at_once_buys_one_thing(product: Product, kind: str) -> None:
    desk = Desk(product)
    paced: dict[str, Any] = {"rate": "100/minute"} if kind == "paced batch" else {}
    sizing = size(desk, schedule=desk.daily()) if kind == "schedule" else size(desk, **paced)
    proof = (sizing["affected"], sizing["confirm_token"])
    command: Any = desk.attaching(*proof) if kind == "schedule" else RunBatch(desk.workflow_id, *proof, **paced)
    other = RunBatch(desk.workflow_id, *proof, {"greeting": "bye"})

    def use(number: int) -> str:
        meta = product.system.meta(desk.agent, via="test")
        try:
            return product.system.bus.dispatch(other if number % 4 == 3 else command, meta).id
        except DomainError as refusal:
            return refusal.code

    with ThreadPoolExecutor(10) as pool:
        answers = set(pool.map(use, range(20)))
    refusals = {"confirm.used", "confirm.changed", "stream.conflict"}
    assert len(answers - refusals) == 1
    made = product.execute("SELECT count(*) FROM stream_heads WHERE kind IN ('batch_job', 'schedule')")
    assert made == [(1,)]


def test_every_difference_is_named(desk: Desk) -> None:
    sizing = size(desk, rate="1/second")
    desk.workflow_id = desk.product.workflow(trigger=FREE, variables=GREETING)
    other = desk.product.principal(id="other", source="mcp")
    assert changed(desk, run(desk, sizing, variables={"greeting": "bye"}), other) == [
        "principal",
        "workflow",
        "conditions",
        "variables",
        "pace",
    ]
    there = desk.product.other_project()
    foreign = Principal(project_id=there, id="agent", scopes=desk.agent.scopes, source="mcp")
    made = desk.product.ask(CreateWorkflow("Launch", trigger=EVERYONE, steps=[CAPTURE]), foreign)
    desk.workflow_id = UUID(made["workflow_id"])
    desk.product.ask(EnableWorkflow(desk.workflow_id), foreign)
    desk.product.add_people(2, project_id=there)
    assert changed(desk, run(desk, sizing), foreign) == ["project", "workflow", "conditions", "variables", "pace"]

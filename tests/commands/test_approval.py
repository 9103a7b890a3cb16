"""Approval: a person who did not ask for it decides about a held job, and about no other audience than today's."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest

from aggregates.errors import DomainError
from aggregates.policy import Limits
from commands.approval import ApproveBatchJob, DecideStep, RejectBatchJob
from commands.batch_job import CancelBatchJob, ResumeBatchJob, RunBatch
from commands.workflow import ArchiveWorkflow, DisableWorkflow, EnableWorkflow
from tests.commands.conftest import Desk, MakeProduct, refused, renamed_step
from tests.support.product import Product
from tests.workers.conftest import Workshop

HOURS = 5


@pytest.fixture
def product(product_with: MakeProduct) -> Product:
    return product_with(approval_over=1, approval_hours=HOURS)


@pytest.fixture
def held(desk: Desk) -> UUID:
    """A job of somebody that waits for another."""
    return desk.run()


def test_a_held_job_says_until_when_and_reaches_nobody(desk: Desk, workshop: Workshop) -> None:
    now = desk.product.clock.now()
    answer = desk.product.ask(RunBatch(desk.workflow_id, *desk.token()), desk.somebody)
    assert answer["status"] == "held"
    job_id = UUID(answer["batch_job_id"])
    job = desk.product.job(job_id)
    assert answer["held_until"] == job["held_until"].isoformat()
    assert timedelta(0) <= job["held_until"] - now - timedelta(hours=HOURS) < timedelta(minutes=1)
    workshop.scheduler.sweep()
    workshop.scheduler.wake()
    workshop.scheduler.fire()
    assert workshop.advance(job_id)["status"] == "held"
    assert desk.product.execute("SELECT (SELECT count(*) FROM chunks), (SELECT count(*) FROM runs)") == [(0, 0)]


@pytest.mark.parametrize(("count", "status"), [(1, "queued"), (2, "held")])
def test_what_is_over_the_threshold_is_held(product_with: MakeProduct, count: int, status: str) -> None:
    desk = Desk(product_with(approval_over=1), people=2 * count)
    assert desk.status(desk.run()) == status


def test_another_person_lets_it_run_over_exactly_those_people(desk: Desk, held: UUID) -> None:
    answer = desk.approve(held)
    assert (answer["status"], answer["acknowledged"]) == ("queued", 2)
    assert "held_until" not in answer
    desk.enrol(held)
    assert (desk.status(held), desk.enrolled(held)) == ("running", desk.pro)


def test_who_asked_for_it_cannot_approve_it(desk: Desk, held: UUID) -> None:
    command = ApproveBatchJob(held, *desk.token())
    assert refused(desk.product, command, desk.somebody).code == "approval.own_request"
    in_their_name = desk.product.principal(id="third", on_behalf_of="somebody")
    assert refused(desk.product, command, in_their_name).code == "approval.own_request"


def test_who_had_it_asked_for_cannot_approve_it(desk: Desk) -> None:
    helper = desk.product.principal(id="helper", on_behalf_of="somebody")
    job_id = desk.run(helper)
    for by in (desk.somebody, helper, desk.product.principal(id="helper")):
        assert refused(desk.product, ApproveBatchJob(job_id, 2), by).code == "approval.own_request"
    desk.approve(job_id)


def test_an_agent_can_never_approve_reject_or_decide(desk: Desk, held: UUID) -> None:
    agents = (
        desk.agent,
        desk.product.principal(id="bot", source="mcp"),
        desk.product.principal(id="bot", agent=True),
        desk.product.principal(id="bot", source="cli", agent=True),
    )
    for agent in agents:
        count, token = desk.token(agent)
        for command in (ApproveBatchJob(held, count, token), RejectBatchJob(held, "no")):
            assert refused(desk.product, command, agent).code == "approval.not_for_agents"
    assert desk.status(held) == "held"


@pytest.mark.parametrize("scope", ["batch:approve", "person:read"])
def test_approving_needs_both_scopes(desk: Desk, held: UUID, scope: str) -> None:
    lacking = desk.product.principal(id="another", without=[scope])
    refusal = refused(desk.product, ApproveBatchJob(held, 2), lacking)
    assert (refusal.code, refusal.details) == ("scope.missing", {"missing": [scope]})
    decide = DecideStep(held, "ask", "approved")
    assert refused(desk.product, decide, lacking).code == "scope.missing"


def test_rejecting_needs_the_scope_to_approve(desk: Desk, held: UUID) -> None:
    lacking = desk.product.principal(id="another", without=["batch:approve"])
    assert refused(desk.product, RejectBatchJob(held, "no"), lacking).code == "scope.missing"


def test_a_job_of_another_project_is_not_there(desk: Desk, held: UUID) -> None:
    scopes = desk.another.scopes
    foreign = type(desk.another)(project_id=desk.product.other_project(), id="x", scopes=scopes, source="api")
    for command in (ApproveBatchJob(held, 2), RejectBatchJob(held, "no"), DecideStep(held, "ask", "approved")):
        assert refused(desk.product, command, foreign).code == "batch_job.not_found"


def test_an_approval_is_for_the_people_who_were_asked_for(desk: Desk, held: UUID) -> None:
    for change, count in ((desk.swap, 2), (desk.widen, 4)):
        change()
        for given in (ApproveBatchJob(held, count), ApproveBatchJob(held, *desk.token(desk.another))):
            refusal = refused(desk.product, given, desk.another)
            assert (refusal.code, refusal.details["same_people"]) == ("audience.drift", False)
    assert desk.status(held) == "held"


def test_an_occurrence_whose_audience_has_moved_is_approved_with_a_token_and_never_with_the_number(
    desk: Desk,
) -> None:
    (job_id,) = desk.fire(desk.attach())
    desk.swap()
    refusal = refused(desk.product, ApproveBatchJob(job_id, 2), desk.another)
    assert (refusal.code, refusal.details["same_people"]) == ("audience.drift", False)
    desk.approve(job_id)
    desk.enrol(job_id)
    assert desk.enrolled(job_id) == [desk.people[1], desk.people[2]]


def test_a_change_between_the_approval_and_enrolment_reaches_nobody(desk: Desk, held: UUID) -> None:
    desk.approve(held)
    desk.swap()
    desk.enrol(held)
    assert (desk.status(held), desk.enrolled(held)) == ("failed", [])
    assert desk.product.job(held)["reason"].startswith("audience.drift")


def test_a_workflow_that_was_changed_meanwhile_needs_a_new_request(desk: Desk, held: UUID) -> None:
    desk.rewrite(steps=renamed_step("Other"))
    assert refused(desk.product, ApproveBatchJob(held, *desk.token(desk.another)), desk.another).code == (
        "workflow.stale"
    )


@pytest.mark.parametrize("stop", [DisableWorkflow, ArchiveWorkflow])
def test_a_workflow_that_was_stopped_meanwhile_lets_nobody_approve(desk: Desk, held: UUID, stop: type) -> None:
    desk.product.ask(stop(desk.workflow_id))
    assert refused(desk.product, ApproveBatchJob(held, 2), desk.another).code == "workflow.not_active"


def test_a_workflow_that_was_stopped_and_started_unchanged_can_be_approved(desk: Desk, held: UUID) -> None:
    desk.product.ask(DisableWorkflow(desk.workflow_id))
    desk.product.ask(EnableWorkflow(desk.workflow_id))
    assert desk.approve(held)["status"] == "queued"


def test_approving_twice_is_once(desk: Desk, held: UUID) -> None:
    count, token = desk.token(desk.another)
    command = ApproveBatchJob(held, count, token, "fine")
    first = desk.product.ask(command, desk.another)
    again = desk.product.ask(command, desk.another)
    assert first == again
    desk.enrol(held)
    # Also when it is under way, also by a third person, and with nothing new recorded.
    position = desk.product.log_position()
    assert desk.product.ask(ApproveBatchJob(held, 77), desk.product.principal(id="third"))["status"] == "running"
    assert desk.product.log_position() == position


def test_nobody_approves_over_their_own_limit(desk: Desk, held: UUID) -> None:
    narrow = desk.product.principal(id="another", limits=(Limits(max_audience=1),))
    assert refused(desk.product, ApproveBatchJob(held, 2), narrow).code == "audience.over_limit"


def test_a_rejected_job_never_runs(desk: Desk, held: UUID) -> None:
    answer = desk.product.ask(RejectBatchJob(held, "too many"), desk.another)
    assert answer["status"] == "rejected"
    assert desk.product.job(held)["reason"].endswith("too many")
    position = desk.product.log_position()
    assert desk.product.ask(RejectBatchJob(held, "again"), desk.another)["status"] == "rejected"
    assert desk.product.log_position() == position
    for command in (ApproveBatchJob(held, 2), ResumeBatchJob(held)):
        assert refused(desk.product, command, desk.another).code == "batch_job.ended"
    desk.enrol(held)
    assert (desk.status(held), desk.enrolled(held)) == ("rejected", [])


def test_who_asked_for_it_may_withdraw_it(desk: Desk) -> None:
    first, second = desk.run(), desk.run()
    assert desk.product.ask(RejectBatchJob(first, "never mind"), desk.somebody)["status"] == "rejected"
    assert desk.product.ask(CancelBatchJob(second, "never mind"), desk.somebody)["status"] == "cancelled"


def test_a_rejection_says_why(desk: Desk, held: UUID) -> None:
    for reason in ("", "   ", "x" * 1001, "a\0b"):
        refusal = refused(desk.product, RejectBatchJob(held, reason), desk.another)
        assert (refusal.code, refusal.problems[0].pointer) == ("request.invalid", "/reason")


def test_only_a_held_job_is_rejected(desk: Desk, held: UUID) -> None:
    desk.approve(held)
    assert refused(desk.product, RejectBatchJob(held, "no"), desk.another).code == "batch_job.illegal_move"


def test_nobody_in_time_is_a_rejection(desk: Desk, held: UUID, workshop: Workshop) -> None:
    desk.product.clock.advance(hours=HOURS, seconds=-30)
    workshop.scheduler.fire()
    assert desk.status(held) == "held"
    desk.product.clock.advance(seconds=31)
    assert (workshop.scheduler.fire().failed, desk.status(held)) == (0, "rejected")
    assert desk.product.job(held)["reason"].startswith("approval.expired")
    assert refused(desk.product, ApproveBatchJob(held, 2), desk.another).code == "batch_job.ended"
    assert workshop.scheduler.fire().processed == 0


def test_an_approved_job_does_not_expire(desk: Desk, held: UUID, workshop: Workshop) -> None:
    desk.approve(held)
    desk.product.clock.advance(hours=2 * HOURS)
    assert workshop.scheduler.fire().processed == 0
    assert workshop.advance(held)["status"] == "completed"


def test_the_same_call_again_shows_a_held_job_as_it_is(desk: Desk) -> None:
    command = RunBatch(desk.workflow_id, *desk.token())
    first = desk.product.ask(command, desk.somebody)
    assert desk.product.ask(command, desk.somebody) == first
    desk.approve(UUID(first["batch_job_id"]))
    assert desk.product.ask(command, desk.somebody)["status"] == "queued"


def at_once(product: Product, commands: Sequence[Any]) -> list[str]:
    """What each of several people is told who ask in the same instant: `ok`, or the code of the refusal."""
    together = Barrier(len(commands))

    def ask(number: int) -> str:
        principal = product.principal(id=f"decider {number}")
        together.wait()
        try:
            product.system.bus.dispatch(commands[number], product.system.meta(principal, via="test"))
        except DomainError as refusal:
            return refusal.code
        return "ok"

    with ThreadPoolExecutor(len(commands)) as threads:
        return list(threads.map(ask, range(len(commands))))


def decisions(product: Product, job_id: UUID) -> list[str]:
    """The topics of what was decided about a job."""
    rows = product.execute(
        "SELECT topic FROM log WHERE originator_id = :id AND topic ~ '(approved|rejected|decided)'", id=job_id
    )
    return [row[0] for row in rows]


def test_of_those_who_approve_and_reject_at_once_one_decides(desk: Desk, held: UUID) -> None:
    approve, reject = ApproveBatchJob(held, 2), RejectBatchJob(held, "no")
    told = at_once(desk.product, [approve, reject] * 4)
    (topic,) = decisions(desk.product, held)
    desk.product.catch_up()
    approved = topic == "batch_job.approved.v1"
    assert desk.status(held) == ("queued" if approved else "rejected")
    # Whoever wanted the same is told that it is so, anybody else that it is not.
    assert set(told[int(approved) :: 2]) <= {
        "batch_job.illegal_move",
        "batch_job.ended",
        "stream.conflict",
    }
    assert "ok" in told[int(not approved) :: 2]


def test_of_two_opposite_answers_to_a_step_at_once_one_counts(product: Product) -> None:
    ask = {"instructions": "Right?", "expires_after": {"days": 3}, "on_expiry": "rejected"}
    ends = [{"id": name, "name": name, "type": "exit", "config": {"reason": name}} for name in ("yes", "no")]
    steps = [{"id": "ask", "name": "Ask", "type": "approval", "config": ask}, *ends]
    branches = (("approved", "yes"), ("rejected", "no"))
    edges = [{"from": "ask", "to": end, "branch": branch} for branch, end in branches]
    desk = Desk(product, steps=steps, edges=edges)
    job = desk.run()
    desk.approve(job)
    desk.enrol(job)
    told = at_once(product, [DecideStep(job, "ask", branch) for branch, _ in branches] * 4)
    assert decisions(product, job) == ["batch_job.approved.v1", "batch_job.step_decided.v1"]
    assert set(told) == {"ok", "step.decided"} or set(told) == {"ok", "step.decided", "stream.conflict"}
    assert len(set(told[::2]) & {"ok"}) + len(set(told[1::2]) & {"ok"}) == 1

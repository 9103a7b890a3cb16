"""Retrying the failed runs of a job: exactly those people, once, and never around the acknowledgement."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from aggregates.policy import Limits
from commands.approval import ApproveBatchJob, RejectBatchJob
from commands.batch_job import RunBatch
from commands.retry import RetryFailed, SizeFailed
from commands.workflow import DisableWorkflow
from tests.commands.conftest import Desk, refused, renamed_step
from tests.support.product import Product
from tests.workers.conftest import Workshop


@pytest.fixture
def desk(product: Product) -> Desk:
    return Desk(product, people=12)


@pytest.fixture
def failed(desk: Desk, workshop: Workshop) -> UUID:
    """A job that has ended, in which the runs of the first three people failed."""
    job_id = desk.run()
    workshop.advance(job_id)
    desk.product.execute(
        "UPDATE runs SET status = 'failed', reason = 'http.500' WHERE job_id = :id AND person_id = ANY(:ids)",
        id=job_id,
        ids=desk.pro[:3],
    )
    return job_id


def sized(desk: Desk, job_id: UUID, by: Any = None) -> tuple[int, str]:
    sizing = desk.product.ask(SizeFailed(job_id), by or desk.somebody)
    return sizing["affected"], sizing["confirm_token"]


def retried(desk: Desk, command: RetryFailed, by: Any = None) -> UUID:
    return UUID(desk.product.ask(command, by or desk.somebody)["batch_job_id"])


def test_a_retry_reaches_exactly_the_people_whose_runs_failed(desk: Desk, workshop: Workshop, failed: UUID) -> None:
    desk.widen()
    retry = retried(desk, RetryFailed(failed, *sized(desk, failed)))
    job = workshop.advance(retry)
    assert (job["status"], job["delivered"], job["retry_of"]) == ("completed", 3, failed)
    assert [run["person_id"] for run in desk.product.runs(retry)] == desk.pro[:3]
    # Not even the old job has changed.
    assert len(desk.product.runs(failed, status="failed")) == 3


def test_a_retry_runs_the_version_and_the_variables_of_the_old_job(desk: Desk, workshop: Workshop) -> None:
    count, token = desk.token(greeting="bye")
    old = UUID(
        desk.product.ask(RunBatch(desk.workflow_id, count, token, {"greeting": "bye"}), desk.somebody)["batch_job_id"]
    )
    workshop.advance(old)
    desk.product.execute("UPDATE runs SET status = 'failed'")
    job = workshop.advance(retried(desk, RetryFailed(old, count)))
    assert (job["workflow_version"], job["variables"]) == (desk.version, {"greeting": "bye"})


def test_whoever_left_since_is_counted_and_skipped(desk: Desk, workshop: Workshop, failed: UUID) -> None:
    desk.product.execute("UPDATE people SET opted_out_at = now() WHERE id = :id", id=desk.pro[0])
    desk.product.execute("DELETE FROM people WHERE id = :id", id=desk.pro[1])
    sizing = desk.product.ask(SizeFailed(failed), desk.somebody)
    assert sizing["affected"] == 3
    assert sizing["left"] == {"opted_out": 1, "suppressed": 0, "erased": 1, "address_changed": 0}
    retry = retried(desk, RetryFailed(failed, 3))
    job = workshop.advance(retry)
    assert (job["status"], job["delivered"], job["skipped"]) == ("completed", 1, 2)
    reasons = {run["person_id"]: run["reason"] for run in desk.product.runs(retry, status="skipped")}
    assert reasons == {desk.pro[0]: "opted_out", desk.pro[1]: "erased"}


@pytest.mark.parametrize("count", [0, 2, 4, 6])
def test_another_count_than_the_failed_runs_is_drift(desk: Desk, failed: UUID, count: int) -> None:
    refusal = refused(desk.product, RetryFailed(failed, count), desk.somebody)
    assert (refusal.code, refusal.details) == ("audience.drift", {"now": 3, "acknowledged": count})
    assert "3 runs failed" in refusal.message


def test_an_agent_needs_the_token_of_this_sizing_and_of_this_job(desk: Desk, workshop: Workshop, failed: UUID) -> None:
    assert refused(desk.product, RetryFailed(failed, 3), desk.agent).code == "confirm.missing"
    assert refused(desk.product, RetryFailed(failed, 3, "garbage"), desk.agent).code == "confirm.invalid"
    # A token of the workflow's audience, somebody else's token, and one of another job.
    other = desk.run()
    workshop.advance(other)
    desk.product.execute(
        "UPDATE runs SET status = 'failed' WHERE job_id = :id AND person_id = ANY(:ids)", id=other, ids=desk.pro[:3]
    )
    for token in (desk.token(desk.agent)[1], sized(desk, failed)[1], sized(desk, other, desk.agent)[1]):
        assert refused(desk.product, RetryFailed(failed, 3, token), desk.agent).code == "confirm.changed"
    retried(desk, RetryFailed(failed, *sized(desk, failed, desk.agent)), desk.agent)


def test_the_token_of_a_sizing_of_failed_runs_buys_no_batch(desk: Desk, failed: UUID) -> None:
    desk.product.execute("DELETE FROM people WHERE id <> ALL(:ids)", ids=desk.pro[:3])
    count, token = sized(desk, failed)
    assert refused(desk.product, RunBatch(desk.workflow_id, count, token), desk.somebody).code == "confirm.changed"


def test_a_token_expires_and_is_spent_once(desk: Desk, failed: UUID) -> None:
    token = sized(desk, failed)[1]
    desk.product.clock.advance(minutes=16)
    assert refused(desk.product, RetryFailed(failed, 3, token), desk.somebody).code == "confirm.expired"
    spent = desk.token()
    desk.product.ask(RunBatch(desk.workflow_id, *spent), desk.somebody)
    assert refused(desk.product, RetryFailed(failed, 3, spent[1]), desk.somebody).code == "confirm.used"


def test_asking_again_is_the_same_job_and_nobody_else_gets_another_one(desk: Desk, failed: UUID) -> None:
    command = RetryFailed(failed, *sized(desk, failed))
    retry = retried(desk, command)
    before = desk.product.log_position()
    assert retried(desk, command) == retried(desk, RetryFailed(failed, 3)) == retry
    assert desk.product.log_position() == before
    refusal = refused(desk.product, RetryFailed(failed, 3), desk.another)
    assert (refusal.code, refusal.details["batch_job_id"]) == ("batch_job.retried", str(retry))


def test_a_retry_that_was_turned_down_may_be_asked_for_again(desk: Desk, workshop: Workshop, failed: UUID) -> None:
    narrow = desk.product.principal(id="somebody", limits=(Limits(approval_over=2),))
    token = sized(desk, failed, narrow)[1]
    held = retried(desk, RetryFailed(failed, 3, token), narrow)
    assert desk.status(held) == "held"
    desk.product.ask(RejectBatchJob(held, "not today"), desk.another)
    assert refused(desk.product, RetryFailed(failed, 3, token), desk.somebody).code == "confirm.used"
    second = retried(desk, RetryFailed(failed, 3))
    assert second != held
    assert workshop.advance(second)["delivered"] == 3


def test_a_held_retry_is_approved_over_the_failed_people(desk: Desk, workshop: Workshop, failed: UUID) -> None:
    narrow = desk.product.principal(id="somebody", limits=(Limits(approval_over=2),))
    held = retried(desk, RetryFailed(failed, 3), narrow)
    assert refused(desk.product, ApproveBatchJob(held, 6), desk.another).code == "audience.drift"
    assert refused(desk.product, ApproveBatchJob(held, 3), desk.somebody).code == "approval.own_request"
    desk.product.ask(ApproveBatchJob(held, *sized(desk, failed, desk.another)), desk.another)
    job = workshop.advance(held)
    assert (job["status"], job["delivered"], job["approved_by"]) == ("completed", 3, "another")


def test_the_limit_of_the_policy_holds(desk: Desk, failed: UUID) -> None:
    narrow = desk.product.principal(id="somebody", limits=(Limits(max_audience=2),))
    assert refused(desk.product, RetryFailed(failed, 3), narrow).code == "audience.over_limit"


def test_nothing_failed_is_nobody_to_reach(desk: Desk, workshop: Workshop) -> None:
    job_id = desk.run()
    workshop.advance(job_id)
    assert refused(desk.product, RetryFailed(job_id, 0), desk.somebody).code == "audience.empty"


def test_what_is_not_over_has_no_failures_yet(desk: Desk) -> None:
    job_id = desk.run()
    for command in (SizeFailed(job_id), RetryFailed(job_id, 0)):
        assert refused(desk.product, command, desk.somebody).code == "batch_job.illegal_move"


def test_a_workflow_that_has_moved_on_is_not_run_again(desk: Desk, failed: UUID) -> None:
    token = sized(desk, failed)[1]
    desk.product.ask(DisableWorkflow(desk.workflow_id))
    assert refused(desk.product, RetryFailed(failed, 3, token), desk.somebody).code == "workflow.not_active"
    desk.rewrite(steps=renamed_step("Other"))
    assert refused(desk.product, RetryFailed(failed, 3, token), desk.somebody).code == "workflow.stale"


def test_a_job_of_another_project_is_unknown(desk: Desk, failed: UUID) -> None:
    stranger = desk.product.principal(project_id=desk.product.other_project())
    for command in (SizeFailed(failed), RetryFailed(failed, 3)):
        assert refused(desk.product, command, stranger).code == "batch_job.not_found"


@pytest.mark.parametrize(
    ("command", "scope"),
    [
        (SizeFailed, "person:read"),
        (SizeFailed, "run:read"),
        (RetryFailed, "workflow:run"),
        (RetryFailed, "person:read"),
    ],
)
def test_it_needs_its_scopes(desk: Desk, failed: UUID, command: Any, scope: str) -> None:
    asked = command(failed) if command is SizeFailed else command(failed, 3)
    assert refused(desk.product, asked, desk.product.principal(without=[scope])).code == "scope.missing"


def test_the_failed_runs_of_a_retry_can_be_retried(desk: Desk, workshop: Workshop, failed: UUID) -> None:
    first = retried(desk, RetryFailed(failed, 3))
    workshop.advance(first)
    desk.product.execute(
        "UPDATE runs SET status = 'failed' WHERE job_id = :id AND person_id = :who", id=first, who=desk.pro[1]
    )
    second = retried(desk, RetryFailed(first, 1))
    assert workshop.advance(second)["retry_of"] == first
    assert [run["person_id"] for run in desk.product.runs(second)] == [desk.pro[1]]


def test_people_who_are_other_than_acknowledged_at_enrolment_are_drift(desk: Desk, failed: UUID) -> None:
    """Nothing of the product changes who failed; the enroller compares all the same."""
    retry = retried(desk, RetryFailed(failed, 3))
    desk.product.execute("UPDATE runs SET status = 'failed' WHERE person_id = :id", id=desk.pro[5])
    desk.enrol(retry)
    assert (desk.status(retry), desk.enrolled(retry)) == ("failed", [])

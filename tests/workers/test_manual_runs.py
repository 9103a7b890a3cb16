"""Manual runs on their way, and runs that are cancelled one by one."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from aggregates.errors import DomainError
from commands.approval import DecideStep
from commands.batch_job import PauseBatchJob, ResumeBatchJob
from commands.runs import CancelRun, RunWorkflow
from commands.workflow import DisableWorkflow
from engine.demo.receivers import HttpReceiver
from tests.support.product import Product
from tests.support.walks import chain, standing, step
from tests.workers.conftest import Workshop
from workers.enrolment import enrol

MANUAL = {"type": "manual", "inputs": {"order": {"type": "string", "required": True}}}
VARIABLES = [{"key": "state", "type": "string", "default": "new"}]
NOTED = step("note", "capture", {"message": "{{ inputs.order }} is {{ variables.state }}"})
SET = step("set", "set_variables", {"variables": {"state": "seen {{ inputs.order }}"}})
WAIT = step("wait", "delay", {"duration": "PT1H"})


def begun(product: Product, *steps: Any) -> Any:
    workflow_id = product.workflow(trigger=MANUAL, variables=VARIABLES, **chain(*steps))
    return product.ask(RunWorkflow(workflow_id, {"order": "A-1"}))


def result(product: Product, run_id: str) -> Any:
    return product.system.reads.runs.result(product.principal(), run_id)


def test_a_run_ends_with_what_its_steps_gave_and_the_variables_that_it_set(
    workshop: Workshop, product: Product
) -> None:
    answer = begun(product, SET, NOTED)
    early = result(product, answer["run_id"])
    assert (early["finished"], early["output"]) == (False, None) and early["next"]
    job = workshop.advance(UUID(answer["batch_job_id"]))
    assert (job["status"], job["manual"], standing(product, job)) == ("completed", True, {"delivered": 1})
    late = result(product, answer["run_id"])
    assert (late["finished"], late["status"], late["next"]) == (True, "delivered", None)
    assert late["output"]["variables"] == {"state": "seen A-1"}
    assert late["output"]["steps"]["note"]["output"] == {"message": "A-1 is seen A-1"}


def test_a_list_of_runs_says_what_they_went_through_without_what_it_gave(workshop: Workshop, product: Product) -> None:
    answer = begun(product, SET, NOTED)
    job_id = workshop.advance(UUID(answer["batch_job_id"]))["id"]
    reads = product.system.reads.runs
    for page in (reads.list(product.principal()), reads.list(product.principal(), batch_job_id=job_id)):
        (listed,) = page.data
        assert [(note["step"], "output" in note) for note in listed["steps"]] == [("set", False), ("note", False)]
    assert reads.get(product.principal(), answer["run_id"])["steps"][1]["output"] == {"message": "A-1 is seen A-1"}


def test_the_trace_is_in_order_with_instants_and_is_read_in_pages(workshop: Workshop, product: Product) -> None:
    answer = begun(product, SET, NOTED, step("last", "capture", {"message": "bye"}))
    workshop.advance(UUID(answer["batch_job_id"]))
    trace = product.system.reads.runs.trace
    first = trace(product.principal(), answer["run_id"], limit=2)
    rest = trace(product.principal(), answer["run_id"], limit=2, after=first.next_cursor)
    assert [(note["number"], note["step"]) for note in [*first.data, *rest.data]] == [
        (1, "set"),
        (2, "note"),
        (3, "last"),
    ]
    assert rest.next_cursor is None and all(note["at"] for note in first.data)
    (captured,) = trace(product.principal(), answer["run_id"], step="last", outcome="captured").data
    assert captured["output"] == {"message": "bye"}
    assert trace(product.principal(), answer["run_id"], outcome="failed").data == []


def test_a_webhook_of_a_manual_run_is_sent_once_under_its_key(live: Product, receiver: HttpReceiver) -> None:
    workshop = Workshop(live)
    hook = step("hook", "webhook", {"url": f"{receiver.url}/ok", "body": {"order": "{{ inputs.order }}"}})
    answer = begun(live, hook, NOTED)
    job = workshop.advance(UUID(answer["batch_job_id"]))
    workshop.deliveries.close()
    assert job["status"] == "completed"
    (request,) = receiver.book.latest
    assert json.loads(request.body) == {"order": "A-1"}
    assert receiver.book.total == 1
    assert result(live, answer["run_id"])["output"]["steps"]["hook"]["outcome"] == "succeeded"


def test_a_waiting_manual_run_goes_on_when_its_time_has_come(workshop: Workshop, product: Product) -> None:
    answer = begun(product, WAIT, NOTED)
    job = workshop.advance(UUID(answer["batch_job_id"]))
    assert standing(product, job) == {"waiting": 1}
    product.clock.advance(hours=2)
    workshop.scheduler.wake()
    assert workshop.advance(UUID(answer["batch_job_id"]))["status"] == "completed"


def test_a_waiting_manual_run_is_cancelled_for_good(workshop: Workshop, product: Product) -> None:
    answer = begun(product, WAIT, NOTED)
    workshop.advance(UUID(answer["batch_job_id"]))
    told = product.ask(CancelRun(answer["run_id"], "changed my mind"))
    assert told["batch_job_status"] == "cancelling"
    job = workshop.advance(UUID(answer["batch_job_id"]))
    assert (job["status"], standing(product, job)) == ("cancelled", {"skipped": 1})
    assert result(product, answer["run_id"])["reason"] == "job_cancelled"


def test_a_finished_manual_run_cannot_be_cancelled(workshop: Workshop, product: Product) -> None:
    answer = begun(product, NOTED)
    workshop.advance(UUID(answer["batch_job_id"]))
    with pytest.raises(DomainError) as refusal:
        product.ask(CancelRun(answer["run_id"], "too late"))
    assert refusal.value.code == "run.ended"


def test_a_run_of_a_workflow_that_was_disabled_meanwhile_fails_and_says_why(
    workshop: Workshop, product: Product
) -> None:
    answer = begun(product, NOTED)
    product.ask(DisableWorkflow(UUID(answer["workflow_id"])))
    workshop.advance(UUID(answer["batch_job_id"]))
    came_to = result(product, answer["run_id"])
    assert came_to["status"] == "failed" and came_to["reason"].startswith("workflow.not_active")


def test_an_approval_in_a_manual_run_waits_for_a_human(workshop: Workshop, product: Product) -> None:
    ask = step("ask", "approval", {"instructions": "?", "expires_after": {"hours": 1}, "on_expiry": "rejected"})
    yes, no = step("yes", "capture", {"message": "yes"}), step("no", "exit", {"reason": "refused"})
    edges = [{"from": "ask", "to": "yes", "branch": "approved"}, {"from": "ask", "to": "no", "branch": "rejected"}]
    workflow_id = product.workflow(trigger=MANUAL, steps=[ask, yes, no], edges=edges)
    answer = product.ask(RunWorkflow(workflow_id, {"order": "A"}))
    job_id = UUID(answer["batch_job_id"])
    assert standing(product, workshop.advance(job_id)) == {"waiting": 1}
    product.ask(DecideStep(job_id, "ask", "approved"), product.principal(id="boss"))
    workshop.scheduler.wake()
    assert workshop.advance(job_id)["status"] == "completed"


# -- one of many


def parked(product: Product, workshop: Workshop, count: int = 3) -> tuple[UUID, list[int]]:
    """A batch whose people all wait."""
    ids = product.add_people(count)
    job_id = product.run(product.workflow(**chain(WAIT, step("note", "capture", {"message": "late"}))))
    workshop.advance(job_id)
    return job_id, ids


def test_one_waiting_person_is_skipped_at_once_and_the_others_go_on(workshop: Workshop, product: Product) -> None:
    job_id, ids = parked(product, workshop)
    told = product.ask(CancelRun(f"{job_id}.{ids[1]}", "asked for it"))
    assert told["status"] == "skipped"
    assert standing(product, workshop.advance(job_id)) == {"waiting": 2, "skipped": 1}
    before = product.log_position()
    assert product.ask(CancelRun(f"{job_id}.{ids[1]}", "again"))["status"] == "skipped"
    assert product.log_position() == before
    product.clock.advance(hours=2)
    workshop.scheduler.wake()
    job = workshop.advance(job_id)
    assert (job["status"], standing(product, job)) == ("completed", {"delivered": 2, "skipped": 1})
    (skipped,) = product.runs(job_id, status="skipped")
    assert (skipped["person_id"], skipped["reason"]) == (ids[1], "run_cancelled")


def test_the_last_waiting_person_that_is_cancelled_lets_the_job_end(workshop: Workshop, product: Product) -> None:
    job_id, ids = parked(product, workshop, count=1)
    product.ask(CancelRun(f"{job_id}.{ids[0]}", "asked for it"))
    job = workshop.advance(job_id)
    assert (job["status"], standing(product, job)) == ("completed", {"skipped": 1})


def test_a_person_whose_turn_has_not_come_is_skipped_when_it_does(workshop: Workshop, product: Product) -> None:
    ids = product.add_people(3)
    job_id = product.run(product.workflow())
    enrol(product.system, job_id)
    product.ask(PauseBatchJob(job_id, "a look"))
    assert product.ask(CancelRun(f"{job_id}.{ids[2]}", "asked for it"))["status"] == "pending"
    product.ask(ResumeBatchJob(job_id))
    assert standing(product, workshop.advance(job_id)) == {"delivered": 2, "skipped": 1}


def test_who_was_woken_but_not_walked_on_is_skipped_too(workshop: Workshop, product: Product) -> None:
    job_id, ids = parked(product, workshop)
    product.clock.advance(hours=2)
    workshop.scheduler.wake()
    assert product.ask(CancelRun(f"{job_id}.{ids[0]}", "asked for it"))["status"] == "in_progress"
    assert standing(product, workshop.advance(job_id)) == {"delivered": 2, "skipped": 1}


def test_who_has_an_outcome_cannot_be_cancelled(workshop: Workshop, product: Product) -> None:
    ids = product.add_people(2)
    job_id = product.run(product.workflow(**chain(step("note", "capture", {"message": "hi"}))))
    workshop.advance(job_id)
    with pytest.raises(DomainError) as refusal:
        product.ask(CancelRun(f"{job_id}.{ids[0]}", "too late"))
    assert refusal.value.code == "run.ended"


# -- lists over everything


def test_runs_are_listed_over_all_jobs_with_filters_and_a_cursor(workshop: Workshop, product: Product) -> None:
    product.add_people(3)
    batch = product.workflow()
    job_id = product.run(batch)
    workshop.advance(job_id)
    single = begun(product, NOTED)
    waiting = begun(product, WAIT)
    workshop.advance(UUID(waiting["batch_job_id"]))
    reads = product.system.reads.runs

    def ids(**filters: Any) -> list[str]:
        found, after = [], None
        while True:
            page = reads.list(product.principal(), limit=2, after=after, **filters)
            found += [row["run_id"] for row in page.data]
            after = page.next_cursor
            if after is None:
                return found

    of_batch = [row["run_id"] for row in product.runs(job_id)]
    assert ids() == [waiting["run_id"], single["run_id"], *of_batch]
    assert ids(workflow_id=batch) == of_batch == ids(batch_job_id=job_id)
    assert ids(status="waiting") == [waiting["run_id"]]
    assert ids(status="pending") == [single["run_id"]]
    assert ids(status="delivered") == of_batch
    person = product.runs(job_id)[1]["person_id"]
    assert ids(person_id=person) == [of_batch[1]]
    asked_at = product.job(job_id)["requested_at"]
    assert ids(until=asked_at) == [] and len(ids(since=asked_at)) == 5
    assert reads.list(product.principal(project_id=product.other_project())).data == []

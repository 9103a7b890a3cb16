"""The fan-out over a real database, one bell at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest

from commands.batch_job import CancelBatchJob, PauseBatchJob
from commands.people import CreateCohort
from commands.workflow import ArchiveWorkflow, DisableWorkflow
from projections.run_rows import audit
from tests.support.gates import Gate, beginning, somebody_waits
from tests.support.product import CAPTURE, Product, batch, person
from tests.workers.conftest import Workshop
from workers import waking, winding_up


def outcomes(job: dict[str, Any]) -> dict[str, int]:
    names = ("delivered", "skipped", "failed", "exited", "waiting", "in_progress", "pending")
    return {name: job[name] for name in names if job[name]}


def branching(**arms: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Steps and edges: pro people to `a`, the others to `b`."""
    condition = {"name": "pro", "filters": {"properties": [person("plan", "exact", "pro")]}}
    steps = [
        {"id": "choose", "name": "Choose", "type": "conditional_branch", "config": {"conditions": [condition]}},
        {**CAPTURE, "id": "a", "config": {"message": "Pro {{ person.properties.n }}"}},
        {"id": "b", "name": "Leave", "type": "exit", "config": {"reason": "not_pro"}},
    ]
    edges = [{"from": "choose", "to": "a", "branch": "pro"}, {"from": "choose", "to": "b", "branch": "else"}]
    return steps, edges


@pytest.mark.parametrize("count", [1, 24, 25, 26, 501, 1203])
def test_everybody_is_reached_exactly_once(product: Product, workshop: Workshop, count: int) -> None:
    ids = product.add_people(count)
    job_id = product.run(product.workflow())
    job = workshop.advance(job_id)
    assert (job["status"], outcomes(job)) == ("completed", {"delivered": count})
    runs = product.runs(job_id)
    assert [run["person_id"] for run in runs] == ids
    assert all(
        run["steps"] == [{"step": "note", "outcome": "captured", "output": {"message": "Hello"}}] for run in runs
    )
    assert audit(product.system.engine, job_id)["delivered"] == count


def test_bells_at_once_from_many_threads_reach_everybody_once(product: Product, workshop: Workshop) -> None:
    product.add_people(600)
    job_id = product.run(product.workflow())
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(workshop.fanout.advance, [str(job_id)] * 24))
    job = workshop.advance(job_id)
    assert (job["status"], outcomes(job)) == ("completed", {"delivered": 600})
    assert product.execute("SELECT count(*) FROM runs") == [(600,)]


def test_a_bell_for_an_ended_job_does_nothing(product: Product, workshop: Workshop) -> None:
    product.add_people(3)
    job_id = product.run(product.workflow())
    workshop.advance(job_id)
    position = product.log_position()
    workshop.advance(job_id)
    workshop.fanout.advance(str(UUID(int=5)))
    assert product.log_position() == position


def test_branches_split_people_as_the_audience_compiler_does(product: Product, workshop: Workshop) -> None:
    product.add_people(101)
    steps, edges = branching()
    job_id = product.run(product.workflow(steps=steps, edges=edges))
    job = workshop.advance(job_id)
    assert (job["status"], outcomes(job)) == ("completed", {"delivered": 51, "exited": 50})
    runs = product.runs(job_id)
    pro = [run for run in runs if run["status"] == "delivered"]
    assert pro[1]["steps"] == [
        {"step": "choose", "outcome": "branched", "port": "pro"},
        {"step": "a", "outcome": "captured", "output": {"message": "Pro 3"}},
    ]
    assert {run["reason"] for run in runs if run["status"] == "exited"} == {"not_pro"}


@pytest.mark.parametrize(("on_error", "status"), [("fail", "failed"), ("continue", "exited")])
def test_a_branch_that_can_no_longer_be_decided_fails_its_people_and_not_the_job(
    product: Product, workshop: Workshop, on_error: str, status: str
) -> None:
    product.add_people(4)
    cohort_id = product.ask(CreateCohort("pro", "dynamic", conditions=[person("plan", "exact", "pro")]))["cohort_id"]
    steps, edges = branching()
    member = {"type": "cohort", "key": "id", "operator": "in", "value": cohort_id}
    steps[0]["config"]["conditions"][0]["filters"]["properties"] = [member]
    steps[0]["on_error"] = on_error
    job_id = product.run(product.workflow(steps=steps, edges=edges))
    product.execute("UPDATE cohorts SET kind = 'behavioral'")
    job = workshop.advance(job_id)
    assert outcomes(job) == {status: 4}
    assert {run["steps"][0]["outcome"] for run in product.runs(job_id)} == {"failed"}


def test_whoever_opts_out_or_is_erased_after_enrolment_is_skipped_with_the_reason(
    product: Product, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = product.add_people(30)
    job_id = product.run(product.workflow())
    # Enrol, but process nothing yet.
    monkeypatch.setattr(workshop.fanout, "_drain", lambda *_: False)
    workshop.advance(job_id)
    product.execute("UPDATE people SET opted_out_at = now() WHERE id = :id", id=ids[3])
    product.execute("DELETE FROM people WHERE id = :id", id=ids[7])
    monkeypatch.undo()
    job = workshop.advance(job_id)
    assert outcomes(job) == {"delivered": 28, "skipped": 2}
    skipped = {run["person_id"]: run["reason"] for run in product.runs(job_id, status="skipped")}
    assert skipped == {ids[3]: "opted_out", ids[7]: "erased"}


@pytest.mark.parametrize("swap", [False, True])
def test_a_drift_between_request_and_enrolment_fails_the_job_before_anybody_is_reached(
    product: Product, workshop: Workshop, swap: bool
) -> None:
    ids = product.add_people(10)
    job_id = product.run(product.workflow(trigger=batch(person("plan", "exact", "pro"))))
    product.execute("""UPDATE people SET properties = '{"plan": "pro"}' WHERE id = :id""", id=ids[1])
    if swap:
        product.execute("""UPDATE people SET properties = '{"plan": "free"}' WHERE id = :id""", id=ids[0])
    job = workshop.advance(job_id)
    assert job["status"] == "failed"
    assert str(job["reason"]).startswith("audience.drift")
    assert product.execute("SELECT (SELECT count(*) FROM chunks), (SELECT count(*) FROM runs)") == [(0, 0)]


@pytest.mark.parametrize("stop", [DisableWorkflow, ArchiveWorkflow])
def test_a_workflow_that_is_no_longer_active_refuses_its_queued_jobs(
    product: Product, workshop: Workshop, stop: Any
) -> None:
    product.add_people(3)
    workflow_id = product.workflow()
    job_id = product.run(workflow_id)
    product.ask(stop(workflow_id))
    job = workshop.advance(job_id)
    assert job["status"] == "failed"
    assert str(job["reason"]).startswith("workflow.not_active")
    assert product.execute("SELECT count(*) FROM runs") == [(0,)]


def test_a_delay_parks_everybody_and_the_scheduler_wakes_them(product: Product, workshop: Workshop) -> None:
    product.add_people(60)
    steps = [
        CAPTURE,
        {"id": "wait", "name": "Wait", "type": "delay", "config": {"days": 1}},
        {**CAPTURE, "id": "again"},
    ]
    edges = [{"from": "note", "to": "wait"}, {"from": "wait", "to": "again"}]
    job_id = product.run(product.workflow(steps=steps, edges=edges))
    job = workshop.advance(job_id)
    assert (job["status"], outcomes(job)) == ("running", {"waiting": 60})
    assert workshop.scheduler.wake() == 0
    product.clock.advance(hours=25)
    assert workshop.scheduler.wake() == 1
    assert workshop.scheduler.wake() == 0
    job = workshop.advance(job_id)
    assert (job["status"], outcomes(job)) == ("completed", {"delivered": 60})
    steps_taken = [step["step"] for step in product.runs(job_id)[0]["steps"]]
    assert steps_taken == ["note", "wait", "again"]


def test_a_wait_at_the_end_delivers_when_it_is_over(product: Product, workshop: Workshop) -> None:
    product.add_people(2)
    steps = [{"id": "wait", "name": "Wait", "type": "delay", "config": {"duration": "PT1H"}}]
    job_id = product.run(product.workflow(steps=steps))
    workshop.advance(job_id)
    product.clock.advance(hours=2)
    workshop.scheduler.wake()
    assert workshop.advance(job_id)["status"] == "completed"


def test_cancelling_reaches_nobody_else_and_says_who_was_not_reached(
    product: Product, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.add_people(100)
    job_id = product.run(product.workflow())
    chunks_left = iter([True, True, False])
    real = workshop.fanout._next_chunk
    monkeypatch.setattr(workshop.fanout, "_next_chunk", lambda *a: next(chunks_left) and real(*a))
    workshop.advance(job_id)
    monkeypatch.undo()
    product.ask(CancelBatchJob(job_id, "wrong list"))
    job = workshop.advance(job_id)
    assert (job["status"], outcomes(job)) == ("cancelled", {"delivered": 50, "skipped": 50})
    assert {run["reason"] for run in product.runs(job_id, status="skipped")} == {"job_cancelled"}
    assert audit(product.system.engine, job_id)["skipped"] == 50
    assert product.execute("SELECT count(*) FROM runs") == [(50,)]


def test_cancelling_ends_the_waits_of_parked_people(product: Product, workshop: Workshop) -> None:
    product.add_people(10)
    steps = [{"id": "wait", "name": "Wait", "type": "delay", "config": {"duration": "P1D"}}]
    job_id = product.run(product.workflow(steps=steps))
    workshop.advance(job_id)
    product.ask(CancelBatchJob(job_id, "no more"))
    job = workshop.advance(job_id)
    assert (job["status"], outcomes(job)) == ("cancelled", {"skipped": 10})
    product.clock.advance(days=2)
    assert workshop.scheduler.wake() == 0


def test_a_cancel_that_comes_while_people_are_woken_counts_them_once(
    product: Product, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.add_people(10)
    steps = [{"id": "wait", "name": "Wait", "type": "delay", "config": {"duration": "P1D"}}]
    job_id = product.run(product.workflow(steps=steps))
    workshop.advance(job_id)
    product.clock.advance(days=2)
    gate = Gate()
    monkeypatch.setattr(waking, "wake", gate.stops(waking.wake))
    woken = gate.run(workshop.scheduler.wake)
    product.ask(CancelBatchJob(job_id, "no more"))
    with beginning(lambda: workshop.fanout.advance(str(job_id))) as cancelling:
        somebody_waits(product.system.engine)
        gate.open.set()
        assert woken.result() == 1
        cancelling.result()
    job = product.job(job_id)
    assert (job["status"], outcomes(job)) == ("cancelled", {"skipped": 10})
    assert audit(product.system.engine, job_id)["skipped"] == 10


def test_a_bell_for_a_job_that_is_wound_up_already_waits_for_nothing(product: Product, workshop: Workshop) -> None:
    product.add_people(10)
    steps = [{"id": "wait", "name": "Wait", "type": "delay", "config": {"duration": "P1D"}}]
    job_id = product.run(product.workflow(steps=steps))
    workshop.advance(job_id)
    product.ask(CancelBatchJob(job_id, "no more"))
    with product.system.engine.connect() as other, winding_up.alone(other, job_id) as mine:
        assert mine
        workshop.fanout.advance(str(job_id))
        assert product.job(job_id)["status"] == "cancelling"
    assert workshop.advance(job_id)["status"] == "cancelled"


def test_people_of_a_paused_job_who_are_due_keep_nobody_else_waiting(product: Product, workshop: Workshop) -> None:
    product.add_people(1)
    steps = [{"id": "wait", "name": "Wait", "type": "delay", "config": {"duration": "P1D"}}]
    paused, other = (product.run(product.workflow(steps=steps)) for _ in range(2))
    for job_id in (paused, other):
        workshop.advance(job_id)
    product.execute(
        "INSERT INTO runs (job_id, person_id, status, wake_at, steps, updated_at) "
        "SELECT :job, 1000 + n, 'waiting', now() - interval '1 day', '[]', now() FROM generate_series(1, :more) n",
        job=paused,
        more=waking.AT_ONCE,
    )
    product.ask(PauseBatchJob(paused, "wait"))
    product.clock.advance(days=2)
    assert workshop.scheduler.wake() == 1
    assert workshop.bells.rung[-1] == other


def test_a_job_that_failed_to_start_is_cancelled_at_once(product: Product, workshop: Workshop) -> None:
    product.add_people(3)
    job_id = product.run(product.workflow())
    answer = product.ask(CancelBatchJob(job_id, "typo"))
    assert answer["status"] == "cancelled"
    assert workshop.advance(job_id)["status"] == "cancelled"
    assert product.execute("SELECT count(*) FROM chunks") == [(0,)]


def test_the_sweep_rings_for_work_without_a_bell(product: Product, workshop: Workshop) -> None:
    product.add_people(3)
    job_id = product.run(product.workflow())
    assert workshop.scheduler.sweep() == 1
    assert workshop.bells.rung == [job_id]
    workshop.advance(job_id)
    assert workshop.scheduler.sweep() == 0


def test_progress_is_cumulative_and_balanced_in_every_event(product: Product, workshop: Workshop) -> None:
    product.add_people(200)
    job_id = product.run(product.workflow())
    real = workshop.fanout._next_chunk

    def slowly(*arguments: Any) -> bool:
        product.clock.advance(seconds=0.3)
        product.execute("UPDATE jobs_at_work SET progress_at = progress_at - interval '1 second'")
        return real(*arguments)

    workshop.fanout._next_chunk = slowly  # type: ignore[method-assign, assignment]
    workshop.advance(job_id)
    rows = product.execute(
        "SELECT convert_from(state, 'UTF8')::jsonb -> 'counts' FROM log "
        "WHERE topic = 'batch_job.progressed.v1' ORDER BY notification_id"
    )
    delivered = [counts["delivered"] for (counts,) in rows]
    assert delivered == sorted(set(delivered))
    assert delivered
    assert all(sum(counts.values()) == 200 for (counts,) in rows)

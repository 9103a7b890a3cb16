"""A workflow is stopped at the same instant as something else happens to its jobs: who comes second sees the other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest

from aggregates.batch_job.aggregate import BatchJob
from aggregates.errors import DomainError
from commands.batch_job import PauseBatchJob, ResumeBatchJob, RunBatch
from commands.workflow import ArchiveWorkflow, DisableWorkflow, EditWorkflow
from engine.store import Store
from tests.commands.conftest import FREE, Desk
from tests.support.product import Product
from tests.support.wait import until
from workers import enrolment

STOPS = (DisableWorkflow, ArchiveWorkflow)


class Gate:
    """Lets a thread stand at one place until the test lets it go on."""

    def __init__(self) -> None:
        self.reached, self.open = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.reached.set()
        assert self.open.wait(20)


def waits_for_a_lock(product: Product) -> bool:
    """Whether some transaction waits for another one."""
    return bool(product.execute("SELECT 1 FROM pg_locks WHERE NOT granted"))


@contextmanager
def held_before_saving(monkeypatch: pytest.MonkeyPatch, kind: str) -> Any:
    """The first save that is about a job (or only about a workflow) stands still just before it appends."""
    gate, save = Gate(), Store.save

    def slow(store: Store, *aggregates: Any) -> int:
        about = "job" if isinstance(aggregates[0], BatchJob) else "workflow"
        if about == kind and not gate.reached.is_set():
            gate()
        return save(store, *aggregates)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "save", slow)
        yield gate


def race(product: Product, gate: Gate, first: Callable[[], Any], second: Callable[[], Any]) -> list[Any]:
    """`first` up to the gate, then `second` until it waits for it (or is done), then both to their ends."""

    def told(ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except DomainError as refusal:
            return refusal.code

    with ThreadPoolExecutor(2) as pool:
        ahead = pool.submit(told, first)
        assert gate.reached.wait(20)
        behind = pool.submit(told, second)
        until(lambda: behind.done() or waits_for_a_lock(product))
        gate.open.set()
        return [ahead.result(20), behind.result(20)]


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("first", ["stop", "enrolment"])
def test_no_job_runs_on_a_workflow_that_was_stopped_while_it_was_enrolled(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, stop: Any, first: str
) -> None:
    job_id = desk.run()
    dispatch, meta = desk.product.system.bus.dispatch, desk.product.system.meta(desk.somebody, via="test")
    asks: dict[str, Callable[[], Any]] = {
        "stop": lambda: dispatch(stop(desk.workflow_id), meta).data["status"],
        "enrolment": lambda: enrolment.enrol(desk.product.system, job_id),
    }
    second = next(name for name in asks if name != first)
    with held_before_saving(monkeypatch, "job" if first == "enrolment" else "workflow") as gate:
        race(desk.product, gate, asks[first], asks[second])
    # Who came second saw the other: enrolled and then paused, or never enrolled.
    assert desk.status(job_id) == {"enrolment": "paused", "stop": "failed"}[first]
    assert desk.enrolled(job_id) == {"enrolment": desk.pro, "stop": []}[first]


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("first", ["stop", "resume"])
def test_no_job_is_resumed_on_a_workflow_that_is_being_stopped(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, stop: Any, first: str
) -> None:
    job_id = desk.run()
    desk.enrol(job_id)
    desk.product.ask(PauseBatchJob(job_id, "look first"))
    dispatch, meta = desk.product.system.bus.dispatch, desk.product.system.meta(desk.somebody, via="test")
    asks: dict[str, Callable[[], Any]] = {
        "stop": lambda: dispatch(stop(desk.workflow_id), meta).data["status"],
        "resume": lambda: dispatch(ResumeBatchJob(job_id), meta).data["status"],
    }
    second = next(name for name in asks if name != first)
    with held_before_saving(monkeypatch, "job" if first == "resume" else "workflow") as gate:
        answers = race(desk.product, gate, asks[first], asks[second])
    assert desk.status(job_id) == "paused"
    assert ("workflow.not_active" in answers) == (first == "stop")


def test_an_edit_and_an_archive_at_once_do_not_wait_in_a_ring(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for hour in range(3):
        desk.attach(starts_at=f"2026-01-01T{9 + hour:02}:00:00")
    desk.product.ask(DisableWorkflow(desk.workflow_id))
    dispatch, meta = desk.product.system.bus.dispatch, desk.product.system.meta(desk.somebody, via="test")
    with held_before_saving(monkeypatch, "workflow") as gate:
        answers = race(
            desk.product,
            gate,
            lambda: dispatch(EditWorkflow(desk.workflow_id, 1, trigger=FREE), meta).data["version"],
            lambda: dispatch(ArchiveWorkflow(desk.workflow_id), meta).data["status"],
        )
    assert answers == [2, "archived"]


def test_a_job_that_was_asked_for_while_the_workflow_was_stopped_reaches_nobody(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = RunBatch(desk.workflow_id, *desk.token())
    dispatch, meta = desk.product.system.bus.dispatch, desk.product.system.meta(desk.somebody, via="test")
    with held_before_saving(monkeypatch, "job") as gate:
        answers = race(
            desk.product,
            gate,
            lambda: dispatch(command, meta).id,
            lambda: dispatch(DisableWorkflow(desk.workflow_id), meta).data["status"],
        )
    job_id = UUID(answers[0])
    desk.product.catch_up()
    desk.enrol(job_id)
    assert (desk.status(job_id), desk.enrolled(job_id)) == ("failed", [])

"""One person for whom the engine itself fails ends as failed, with a reason; everybody else goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from psycopg import OperationalError
from starlette.responses import JSONResponse

from commands.batch_job import CancelBatchJob
from engine.demo.receivers import HttpReceiver
from projections.run_rows import audit
from tests.support.product import Product
from tests.support.walks import chain, step
from tests.workers.conftest import Workshop
from workers import splitting
from workers.world import DatabaseWorld

SAY = step("say", "capture", {"message": "Hello {{ person.properties.n }}"})
WAIT = step("wait", "delay", {"duration": "PT1H"})


class Poison:
    """People for whom whatever looks at them raises."""

    def __init__(self) -> None:
        self.ids: set[int] = set()
        self.error: Exception = ZeroDivisionError("poison")


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> Poison:
    found, look = Poison(), DatabaseWorld.people

    def people(world: DatabaseWorld, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
        if found.ids.intersection(ids):
            raise found.error
        return look(world, ids)

    monkeypatch.setattr(DatabaseWorld, "people", people)
    monkeypatch.setattr(splitting, "PAUSE_SECONDS", 0)
    return found


def ended(workshop: Workshop, job_id: UUID) -> dict[str, Any]:
    """The job when it needs nothing any more; its sweep rings for chunks that were set back."""
    for _ in range(12):
        job = workshop.advance(job_id)
        workshop.bells.rung.clear()
    return job


def reasons(product: Product, job_id: UUID) -> dict[int, tuple[str, str | None]]:
    return {run["person_id"]: (run["status"], run["reason"]) for run in product.runs(job_id)}


def test_the_person_is_found_and_everybody_else_is_delivered(
    product: Product, workshop: Workshop, poison: Poison
) -> None:
    ids = product.add_people(60)
    poison.ids = {ids[7], ids[40]}
    job_id = product.run(product.workflow(steps=[SAY]))
    job = ended(workshop, job_id)
    assert (job["status"], job["delivered"], job["failed"]) == ("completed_with_failures", 58, 2)
    expected = dict.fromkeys(ids, ("delivered", None)) | dict.fromkeys(poison.ids, ("failed", "run.crashed"))
    assert list(reasons(product, job_id).items()) == list(expected.items())
    counted = audit(product.system.engine, job_id)
    assert (counted["delivered"], counted["failed"]) == (58, 2)


def test_people_who_were_woken_are_split_alike(product: Product, workshop: Workshop, poison: Poison) -> None:
    ids = product.add_people(30)
    job_id = product.run(product.workflow(**chain(WAIT, SAY)))
    workshop.advance(job_id)
    poison.ids = {ids[11]}
    product.clock.advance(hours=1)
    workshop.scheduler.wake()
    job = ended(workshop, job_id)
    assert (job["status"], job["delivered"], job["failed"]) == ("completed_with_failures", 29, 1)
    assert reasons(product, job_id)[ids[11]] == ("failed", "run.crashed")


def test_a_failure_after_an_effect_counts_the_person_as_reached(
    live: Product, poison: Poison, receiver: HttpReceiver
) -> None:
    workshop = Workshop(live)
    ids = live.add_people(5)
    poison.ids = {ids[2]}
    hook = step("hook", "webhook", {"url": f"{receiver.url}/hook", "body": {"n": "{{ person.properties.n }}"}})
    job_id = live.run(live.workflow(**chain(hook, SAY)))
    job = ended(workshop, job_id)
    workshop.deliveries.close()
    assert (job["delivered"], job["failed"], job["reached"]) == (4, 1, 5)


def test_a_failing_chunk_keeps_no_other_from_its_turn(
    product: Product, workshop: Workshop, poison: Poison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splitting, "PAUSE_SECONDS", 60)
    ids = product.add_people(60)
    poison.ids = {ids[0]}
    job_id = product.run(product.workflow(steps=[SAY]))
    assert workshop.advance(job_id)["status"] == "running"
    first = product.execute("SELECT size FROM chunks WHERE number = 0")[0][0]
    assert audit(product.system.engine, job_id)["delivered"] == 60 - first > 0


def test_a_server_that_is_away_is_no_fault_of_a_chunk(product: Product, workshop: Workshop, poison: Poison) -> None:
    ids = product.add_people(3)
    poison.ids, poison.error = {ids[0]}, OperationalError("gone")
    job_id = product.run(product.workflow(steps=[SAY]))
    for _ in range(5):
        workshop.fanout.advance(str(job_id))
    assert product.execute("SELECT state, failures FROM chunks") == [("ready", 0)]
    poison.ids = set()
    assert workshop.advance(job_id)["delivered"] == 3


def test_a_job_in_pieces_is_cancelled_like_any_other(
    product: Product, workshop: Workshop, poison: Poison, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = product.add_people(20)
    poison.ids = set(ids)
    job_id = product.run(product.workflow(steps=[SAY]))
    cut, pieces = splitting._cut, []

    def cut_and_cancelled(*arguments: Any) -> None:
        cut(*arguments)
        pieces.append(arguments)
        product.ask(CancelBatchJob(job_id, "enough"))

    monkeypatch.setattr(splitting, "_cut", cut_and_cancelled)
    job = workshop.advance(job_id)
    assert len(pieces) == 1
    assert (job["status"], job["skipped"]) == ("cancelled", 20)
    assert audit(product.system.engine, job_id)["skipped"] == 20


def test_a_number_of_thousands_of_digits_that_is_stored_already_stops_nobody(
    product: Product, workshop: Workshop
) -> None:
    product.add_people(3)
    product.execute("UPDATE people SET properties = CAST(:found AS jsonb) WHERE distinct_id = 'p2'", found=DIGITS)
    job_id = product.run(product.workflow(steps=[SAY]))
    assert workshop.advance(job_id)["delivered"] == 3
    page = product.system.reads.people.list(product.principal())
    assert JSONResponse([person["properties"] for person in page.data]).body


DIGITS = f'{{"n": {"9" * 5_000}, "m": {"1" * 400}.5}}'

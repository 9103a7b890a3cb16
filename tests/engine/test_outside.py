"""Values that may be personal are kept outside the log, named there by a digest from which nothing can be guessed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from aggregates.errors import DomainError
from commands.batch_job import PauseBatchJob, RunBatch
from commands.due import FireSchedule
from commands.runs import RunWorkflow
from commands.schedule import AttachSchedule
from commands.workflow import CreateWorkflow, EditWorkflow, EnableWorkflow
from engine.bootstrap import system_principal
from engine.replay import check
from projections.batch_jobs import BatchJobsView
from projections.rebuilding import rebuild
from projections.schedules import SchedulesView
from projections.workflows import WorkflowsView
from tests.support.product import CAPTURE, EVERYONE, Json, Product, batch, person
from workers.enrolment import enrol

PLANTED = "ann.planted@example.com"
OFFER: Json = {"key": "offer", "type": "string", "default": PLANTED}


@pytest.fixture
def product(database_url: str, tmp_path: Path) -> Iterator[Product]:
    with closing(Product(database_url, tmp_path)) as product:
        yield product


def logged(product: Product) -> list[Json]:
    return [row[0] for row in product.execute("SELECT convert_from(state, 'UTF8')::json FROM log ORDER BY 1::text")]


def log_text(product: Product) -> str:
    rows = product.execute("SELECT convert_from(state, 'UTF8') || actor || source || topic FROM log")
    return "\n".join(row[0] for row in rows)


def erase(product: Product, what: str = "") -> int:
    """Take away what is kept outside; how much that was."""
    with product.system.engine.begin() as connection:
        statement = text("DELETE FROM outside WHERE position(:what IN CAST(value AS text)) > 0")
        return connection.execute(statement, {"what": what}).rowcount


def told(product: Product) -> list[Json]:
    return list(product.system.reads.log.read(product.principal(), limit=100).data)


def lived(product: Product) -> UUID:
    """A workflow, a schedule and a paused job that are full of the planted value."""
    product.add_people(2)
    step = {**CAPTURE, "config": {"message": f"Hello {PLANTED}"}}
    trigger = batch(person("email", "is_not", [PLANTED]))
    made = product.ask(CreateWorkflow(f"For {PLANTED}", PLANTED, trigger, [step], [], [OFFER]), idempotency_key=PLANTED)
    id = UUID(made["workflow_id"])
    product.ask(EnableWorkflow(id), reason=PLANTED)
    daily: Json = {"rrule": "FREQ=DAILY", "starts_at": "2026-01-01T09:00:00"}
    product.ask(AttachSchedule(id, acknowledged_affected_count=2, variables={"offer": PLANTED}, **daily))
    job = product.ask(RunBatch(id, 2, variables={"offer": PLANTED}))["batch_job_id"]
    product.ask(PauseBatchJob(UUID(job), PLANTED), reason=PLANTED)
    return id


def test_the_log_names_values_and_has_none_of_them(product: Product) -> None:
    lived(product)
    assert PLANTED not in log_text(product)
    assert json.dumps(told(product), default=str).count(PLANTED) >= 8


def test_the_digest_is_over_a_salt_and_the_canonical_text_that_is_kept(product: Product) -> None:
    lived(product)
    rows = product.execute("SELECT digest, salt, value::text FROM outside")
    assert rows
    for digest, salt, value in rows:
        assert len(salt) == 16
        assert hashlib.sha256(bytes(salt) + value.encode()).hexdigest() == digest
        assert value == json.dumps(json.loads(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert len({bytes(salt) for _, salt, _ in rows}) == len(rows)


def test_what_is_equal_has_another_digest_in_another_append(product: Product) -> None:
    for _ in range(2):
        product.ask(CreateWorkflow("Launch", "the same", EVERYONE, [CAPTURE]))
    first, second = [state["description"]["$outside"] for state in logged(product) if "content" in state]
    assert first != second


def test_a_state_of_the_past_and_a_check_have_the_values(product: Product) -> None:
    id = lived(product)
    state = product.system.replay.state_at(product.principal(), str(id))["state"]
    assert state["content"]["trigger"]["filters"]["properties"][0]["value"] == [PLANTED]
    assert [found for part in check(product.system.engine) for found in part.mismatches] == []


def test_what_was_erased_is_marked_and_nothing_breaks(product: Product) -> None:
    id = lived(product)
    product.catch_up()
    assert erase(product) > 5
    for view in (WorkflowsView(), SchedulesView(), BatchJobsView()):
        rebuild(product.system.engine, view)
    state = product.system.replay.state_at(product.principal(), str(id))["state"]
    condition = state["content"]["trigger"]["filters"]["properties"][0]
    assert set(condition["value"]) == {"$erased"}
    assert (state["description"], state["name"]) == ("[erased]", "[erased]")
    assert PLANTED not in json.dumps(told(product), default=str)
    assert {row["reason"] for row in told(product)} == {None, "[erased]"}
    shown = product.system.reads.workflows.get(product.principal(), id)
    assert shown["name"] == "[erased]"
    assert [found for part in check(product.system.engine) for found in part.mismatches] == []


def test_nobody_is_reached_by_a_workflow_whose_condition_was_erased(product: Product) -> None:
    product.add_people(2)
    id = product.workflow(trigger=batch(person("email", "is_not", PLANTED)))
    assert erase(product, PLANTED) == 1
    with pytest.raises(DomainError) as refused:
        product.run(id)
    assert refused.value.code == "workflow.invalid"


def test_what_another_project_keeps_is_as_unknown_as_what_was_erased(product: Product) -> None:
    id = lived(product)
    product.execute("UPDATE outside SET project_id = gen_random_uuid() RETURNING 1")
    state = product.system.replay.state_at(product.principal(), str(id))["state"]
    assert state["description"] == "[erased]"


LIKE_A_NAME: list[Any] = [
    {"$outside": "0" * 64},
    {"$erased": "0" * 64},
    {"_type_": "uuid_hex", "_data_": "0" * 32},
    {"deep": [{"$outside": "0" * 64, "more": 1}]},
]


@pytest.mark.parametrize("tricky", LIKE_A_NAME)
@pytest.mark.parametrize("place", ["trigger", "condition", "step", "config", "edge", "variable", "default"])
def test_what_only_looks_like_a_name_comes_back_unharmed(product: Product, place: str, tricky: Any) -> None:
    content: Json = {"trigger": EVERYONE, "steps": [CAPTURE], "edges": [], "variables": []}
    content |= {
        "trigger": {"trigger": tricky},
        "condition": {"trigger": batch(tricky, person("plan", "exact", tricky))},
        "step": {"steps": [tricky]},
        "config": {"steps": [{**CAPTURE, "config": {"payload": tricky}}, {**CAPTURE, "config": tricky}]},
        "edge": {"edges": [tricky]},
        "variable": {"variables": [tricky]},
        "default": {"variables": [{**OFFER, "default": tricky}]},
    }[place]
    made = product.ask(CreateWorkflow("Unfinished", "", **content), product.principal(source="web"))
    id = made["workflow_id"]
    state = product.system.replay.state_at(product.principal(), id)["state"]
    assert state["content"] == content
    data = product.system.reads.log.read(product.principal(), topic="workflow.created").data[0]["data"]
    assert data["content"] == content
    product.catch_up()
    edited = EditWorkflow(UUID(id), made["version"], name="Unfinished too")
    assert product.ask(edited, product.principal(source="web"))["version"] == made["version"]


def test_an_event_without_such_values_costs_no_row_and_is_stored_as_ever(product: Product) -> None:
    id = product.workflow(active=False)
    before = product.execute("SELECT count(*) FROM outside")
    already = logged(product)
    product.ask(EnableWorkflow(id))
    assert product.execute("SELECT count(*) FROM outside") == before
    added = [state for state in logged(product) if state not in already]
    assert added
    assert not any("$outside" in json.dumps(state) for state in added)


def test_a_job_whose_variables_were_erased_reaches_nobody(product: Product) -> None:
    lived(product)
    job = product.ask(RunBatch(product.workflow(variables=[OFFER]), 2, variables={"offer": "erased soon"}))
    assert erase(product, "erased soon") == 1
    enrol(product.system, UUID(job["batch_job_id"]))
    shown = product.job(UUID(job["batch_job_id"]))
    assert (shown["status"], shown["reason"]) == ("failed", "variables.invalid: Its variables were erased.")


def test_a_manual_run_of_content_that_was_erased_since_makes_no_effect(product: Product) -> None:
    step = {**CAPTURE, "config": {"message": "erased soon"}}
    manual = product.workflow(trigger={"type": "manual", "inputs": {}}, steps=[step])
    run = product.ask(RunWorkflow(manual))
    assert erase(product, "erased soon") == 1
    enrol(product.system, UUID(run["batch_job_id"]))
    assert product.job(UUID(run["batch_job_id"]))["status"] == "failed"


def test_an_occurrence_whose_variables_were_erased_is_skipped(product: Product) -> None:
    product.add_people(2)
    id = product.workflow(variables=[OFFER])
    daily: Json = {"rrule": "FREQ=HOURLY", "starts_at": "2026-01-01T09:00:00"}
    made = product.ask(AttachSchedule(id, acknowledged_affected_count=2, variables={"offer": "erased soon"}, **daily))
    assert erase(product, "erased soon") == 1
    product.clock.advance(hours=1)
    engine = system_principal(product.project_id, source="scheduler", name="scheduler")
    product.ask(FireSchedule(UUID(made["schedule_id"]), product.clock.now()), engine)
    skipped = product.system.reads.log.read(product.principal(), topic="schedule.occurrences_skipped").data
    assert [row["data"]["reason"] for row in skipped] == ["variables.invalid"]

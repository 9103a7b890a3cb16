"""`tidegate runs`, and manual workflows on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Tidegate
from tests.support.agents import Agent
from tests.support.product import Product
from tests.support.walks import chain, step
from workers.delivery import Deliveries
from workers.fanout import Fanout
from workers.sending import Sender
from workers.world import DatabaseWorld

pytestmark = pytest.mark.usefixtures("server")

MANUAL = {"type": "manual", "inputs": {"order": {"type": "string", "required": True}}}
INPUTS = json.dumps({"order": "A-1"})


@pytest.fixture
def worker(product: Product) -> Iterator[Fanout]:
    system = product.system
    deliveries = Deliveries.from_settings(system.settings, system.secrets)
    sender = Sender(system, deliveries, lambda connection, project: DatabaseWorld(connection, system, project))
    yield Fanout(system, sender, lambda _job, _times: None)
    deliveries.close()


@pytest.fixture
def workflow(product: Product) -> str:
    noted = step("note", "capture", {"message": "Order {{ inputs.order }}"})
    return str(product.workflow(trigger=MANUAL, **chain(noted)))


def test_a_run_is_started_found_followed_and_read(tidegate: Tidegate, workflow: str, worker: Fanout) -> None:
    said = tidegate("workflows", "run", workflow, "--inputs", INPUTS, "--json")
    assert said.code == 0
    run_id = said.json["run_id"]
    early = tidegate("runs", "result", run_id, "--json")
    assert (early.code, early.json["finished"]) == (8, False)
    worker.advance(said.json["batch_job_id"])
    late = tidegate("runs", "result", run_id, "--wait", "--json")
    assert (late.code, late.json["output"]["steps"]["note"]["output"]) == (0, {"message": "Order A-1"})
    assert [row[0] for row in tidegate("runs", "list", "--workflow", workflow).rows] == [run_id]
    assert tidegate("runs", "list", "--status", "failed").rows == []
    assert [row[:3] for row in tidegate("runs", "trace", run_id).rows] == [["1", "note", "captured"]]
    assert tidegate("runs", "show", run_id, "--json").json["status"] == "delivered"
    assert tidegate("runs", "cancel", run_id, "--reason", "late").code == 5


def test_a_repeated_start_with_its_key_is_the_same_run(tidegate: Tidegate, workflow: str) -> None:
    words = ("workflows", "run", workflow, "--inputs", INPUTS, "--idempotency-key", "once", "--json")
    assert tidegate(*words).json["run_id"] == tidegate(*words).json["run_id"]


def test_a_cancelled_run_says_so(tidegate: Tidegate, workflow: str) -> None:
    run_id = tidegate("workflows", "run", workflow, "--inputs", INPUTS, "--json").json["run_id"]
    assert tidegate("runs", "cancel", run_id, "--reason", "not needed").code == 0
    assert tidegate("runs", "result", run_id, "--wait").code == 1


def test_wrong_inputs_are_named(tidegate: Tidegate, workflow: str) -> None:
    said = tidegate("workflows", "run", workflow, "--inputs", '{"ordr": 1}')
    assert said.code == 2
    assert "/inputs/ordr" in said.err and "/inputs/order" in said.err


@pytest.mark.parametrize("people", [(), ("--person", "p1", "--person", "p2")])
def test_a_workflow_is_tried_out(tidegate: Tidegate, product: Product, people: tuple[str, ...]) -> None:
    product.add_people(2)
    workflow = str(product.workflow())
    said = tidegate("workflows", "simulate", workflow, *people)
    assert (said.code, said.rows) == (0, [["note", "capture", "2", "captured 2"]])
    assert "2 delivered. Nothing was sent." in said.err
    whole: Any = tidegate("workflows", "simulate", workflow, *people, "--json").json
    assert [run["distinct_id"] for run in whole["runs"]] == ["p1", "p2"]


def test_the_examples_of_the_help_exist(tidegate: Tidegate, tmp_path: Path) -> None:
    assert tidegate("runs", "--help").code == 0
    assert {"list", "show", "result", "trace", "cancel"} <= set(tidegate("runs", "--help").out.split())


def test_what_failed_is_the_same_at_every_door(
    tidegate: Tidegate, product: Product, worker: Fanout, server: str
) -> None:
    product.add_people(3, properties={"n": 1, "zero": 0})
    message = "{{ person.properties.n | divided_by: person.properties.zero }}"
    job = str(product.run(product.workflow(steps=[step("note", "capture", {"message": message})])))
    worker.advance(job)
    told = tidegate("batch", "failures", job, "--json").json
    meaning = "A template could not be rendered for this person."
    row = {"step_id": "note", "reason": "template.failed", "meaning": meaning, "failed": 3, "went_on": 0, "retried": 0}
    assert told == {
        "batch_job_id": job,
        "failed": 3,
        "unaccounted": 0,
        "failures": [row | {"host": None}],
        "left_out": 0,
    }
    assert tidegate("batch", "failures", job).rows == [["note", "template.failed", "", "3", "0", "0", meaning]]
    agent = Agent(f"{server}/mcp", str(product.owner_key))
    found = agent.call("batch-jobs-failures", batch_job_id=job)
    summary = "3 runs of this job failed; 0 attempts failed and are followed by another."
    assert found == {**told, "failures": [row], "summary": summary}

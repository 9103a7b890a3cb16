"""A key with every scope but person:read cannot tell apart two projects that differ in one person.

Generated from what the doors offer: every operation is asked in both projects, also with bodies that carry what would
tell; what it says has to be the same, once ids, times and positions are taken out.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert

from commands.grants import SCOPES
from commands.people import CreateCohort
from commands.workflow import CreateWorkflow, EnableWorkflow
from projections import tables
from tests.doors.doors import Doors, Key
from tests.doors.operations import Operation, operations
from tests.doors.stage import Stage
from tests.support.product import CAPTURE, Json, batch, person

OPERATIONS = operations()
WHO = "victim@example.com"
NAMED: Json = {"type": "person", "key": "email", "operator": "exact", "value": WHO}
TRIGGER = batch(person("email", "exact", [WHO]))

CARRYING: dict[str, tuple[Json, ...]] = {
    "CreateCohort": (
        {"name": "C", "kind": "static", "conditions": [NAMED]},
        {"name": "C", "kind": "static", "members": ["victim"]},
        {"name": "C", "kind": "dynamic", "conditions": [NAMED]},
    ),
    "CreateWorkflow": ({"name": "W", "trigger": TRIGGER, "steps": [CAPTURE], "edges": [], "variables": []},),
    "EditWorkflow": ({"version": 1, "trigger": TRIGGER},),
    **{
        command: ({"person_id": 1}, {"distinct_id": "victim"}, {"address": WHO}, {"address": WHO})
        for command in ("OptOut", "OptIn")
    },
    "Suppress": ({"address": WHO}, {"address": WHO}),
    "Unsuppress": ({"address": WHO}, {"address": WHO}),
}
"""Bodies whose answers would depend on the one person."""

FILE = f"distinct_id,email\nvictim,{WHO}\nother,other@example.com\n".encode()


@dataclass(frozen=True)
class World:
    project: UUID
    key: Key
    workflow: str
    cohorts: tuple[str, ...]


@pytest.fixture(scope="module")
def worlds(stage: Stage) -> tuple[World, World]:
    return _world(stage, victim=True), _world(stage, victim=False)


def _world(stage: Stage, *, victim: bool) -> World:
    project = stage.product.other_project()
    system = stage.product.system
    names = ["other", *(["victim"] if victim else [])]
    with system.engine.begin() as connection:
        rows = [{"project_id": project, "distinct_id": name, "email": f"{name}@example.com"} for name in names]
        connection.execute(insert(tables.people), rows)
        scopes = sorted(SCOPES - {"person:read"})
        id, plain = system.keyring.create(connection, project, name="blind", scopes=scopes, now=system.clock.now())
    whole: dict[str, Any] = {"project_id": project}
    made = stage.ask(CreateWorkflow("Launch", trigger=TRIGGER, steps=[CAPTURE]), **whole)
    stage.ask(EnableWorkflow(UUID(made["workflow_id"])), **whole)
    static = stage.ask(CreateCohort("By conditions", "static", conditions=[NAMED]), **whole)
    stage.settle()
    return World(project, Key(id, plain, frozenset(scopes), False), made["workflow_id"], (static["cohort_id"],))


def shape(told: Any, world: World) -> Any:
    """What was said, without what is another each time."""
    text = json.dumps([told.code, told.missing, told.status, told.whole], default=str, sort_keys=True)
    for number, known in enumerate((world.workflow, *world.cohorts, world.key.id, str(world.project))):
        text = text.replace(known, f"<{number}>")
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<id>", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[0-9:.+Z-]+", "<time>", text)
    text = re.sub(r'("(?:\w*position|from_position|cursor|next_cursor)": )("[^"]*"|[1-9]\d*)', r"\1<n>", text)
    return re.sub(r"tg_live_\w+", "<key>", re.sub(r'("(?:key_id|actor|nonce|digest)": )"[^"]*"', r"\1<id>", text))


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_two_projects_that_differ_in_one_person_are_answered_alike(
    operation: Operation, doors: Doors, worlds: tuple[World, World]
) -> None:
    assert _answers(operation, doors, worlds[0]) == _answers(operation, doors, worlds[1])


def _answers(operation: Operation, doors: Doors, world: World) -> list[str]:
    handles: dict[str, str] = {}
    if names := operation.needs & {"workflow_id", "workflowId"}:
        handles = dict.fromkeys(names, world.workflow)
    if "cohort_id" in operation.needs:
        handles = {"cohort_id": world.cohorts[0]}
    asked = [operation.ask(doors, world.key, **handles)]
    asked += [operation.ask(doors, world.key, body, **handles) for body in CARRYING.get(operation.grant, ())]
    return [shape(told, world) for told in asked]


@pytest.mark.parametrize("dry_run", ["true", "false"])
def test_an_import_tells_a_blind_key_its_rows_and_nothing_else(
    doors: Doors, worlds: tuple[World, World], dry_run: str
) -> None:
    said = []
    for world in worlds:
        path = f"/people:import?format=csv&dry_run={dry_run}"
        for _ in range(2):
            answer = doors.http.send(world.key, "POST", path, FILE).json()
            assert (answer["position"] > 0) == (dry_run == "false")
            said.append({**answer, "position": None})
        log = doors.http.send(world.key, "GET", "/log?topic=people.imported").json()["data"]
        said[-1] |= {
            "log": [{name: row["data"].get(name) for name in ("rows", "inserted", "unchanged")} for row in log]
        }
    assert said[0] == said[2] and said[1] == said[3]
    assert said[0]["rows"] == 2
    assert {said[0][name] for name in ("inserted", "updated", "unchanged", "addresses_changed")} == {None}

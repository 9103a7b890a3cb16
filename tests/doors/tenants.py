"""Two tenants with the same kinds of things: what one holds has to be nothing to the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import insert

from aggregates.policy import Limits
from commands.batch_job import RunBatch, SizeAudience
from commands.consent import Suppress
from commands.grants import SCOPES
from commands.people import CreateCohort
from commands.runs import RunWorkflow
from commands.schedule import AttachSchedule
from commands.workflow import CreateWorkflow, EnableWorkflow
from projections import tables
from tests.doors.asks import DAILY
from tests.doors.doors import Key
from tests.doors.stage import Stage
from tests.support.product import CAPTURE, EVERYONE, Json
from workers.enrolment import enrol

PEOPLE = 2

HANDLES: Mapping[str, str] = {
    "workflow_id": "workflow",
    "workflowId": "workflow",
    "schedule_id": "schedule",
    "batch_job_id": "batch_job",
    "confirmation_id": "confirmation",
    "run_id": "run",
    "runId": "run",
    "person_id": "person",
    "cohort_id": "cohort",
    "key_id": "key",
    "stream_id": "stream",
}
"""Arguments that name a thing of one project, and the kind of it."""

NO_HANDLES = frozenset({"id", "component_id", "componentId", "step_id", "distinct_id", "versionId"})
"""Arguments that end like one and name a step type, a step of something named already, or a number."""

NOWHERE: Mapping[str, tuple[str, ...]] = {
    "person": (str(2**50), "no-id"),
    "run": ("01a1fcaf-cbd8-7bca-ab46-4fd488ca31ee.1", "01a1fcaf-cbd8-7bca-ab46-4fd488ca31ee.0", "no-id"),
    "key": ("abcdefghijkl", "no-id"),
}
ANYWHERE = ("01a1fcaf-cbd8-7bca-ab46-4fd488ca31ee", "no-id")
"""An id that nothing has, and a text that is none."""


@dataclass(frozen=True)
class Tenant:
    """A project with one key for everything, and what it has: ids by kind."""

    project: UUID
    key: Key
    things: Mapping[str, tuple[str, ...]]

    @property
    def first(self) -> Mapping[str, str]:
        return {kind: ids[0] for kind, ids in self.things.items()}


def furnished(stage: Stage, project: UUID) -> Tenant:
    """A tenant with two of everything that can be listed; of workflows and runs one of each kind."""
    system = stage.product.system
    key = _key(stage, project)
    mine: dict[str, Any] = {"project_id": project, "id": key.id}
    rows = [{"project_id": project, "distinct_id": f"tenant{n}", "email": f"t{n}@example.com"} for n in range(PEOPLE)]
    with system.engine.begin() as connection:
        people = connection.execute(insert(tables.people).returning(tables.people.c.id), rows).scalars().all()
    workflow, manual = (
        UUID(stage.ask(CreateWorkflow("Launch", trigger=trigger, steps=[CAPTURE]), **mine)["workflow_id"])
        for trigger in (EVERYONE, {"type": "manual", "inputs": {}})
    )
    for id in (workflow, manual):
        stage.ask(EnableWorkflow(id), **mine)
    schedules = [
        stage.ask(AttachSchedule(workflow, acknowledged_affected_count=PEOPLE, **DAILY | at), **mine)
        for at in ({}, {"starts_at": "2026-01-01T15:00:00"})
    ]
    jobs = [stage.ask(RunBatch(workflow, PEOPLE), **mine)["batch_job_id"] for _ in range(2)]
    for job in jobs:
        enrol(system, UUID(job))
    waiting = [_held(stage, workflow, project) for _ in range(2)]
    run = stage.ask(RunWorkflow(manual), **mine)["run_id"]
    named: list[Json] = [stage.ask(CreateCohort(f"Cohort {n}", "static"), **mine) for n in range(2)]
    for n in range(2):
        stage.ask(Suppress(f"stopped{n}@example.com"), **mine)
    stage.settle()
    things: dict[str, tuple[str, ...]] = {
        "workflow": (str(workflow), str(manual)),
        "schedule": tuple(each["schedule_id"] for each in schedules),
        "batch_job": tuple(jobs),
        "confirmation": tuple(waiting),
        "run": (f"{jobs[0]}.{people[0]}", run),
        "person": tuple(map(str, people)),
        "cohort": tuple(each["cohort_id"] for each in named),
        "key": (_key(stage, project).id,),
    }
    streams = things["workflow"] + things["schedule"] + things["batch_job"]
    return Tenant(project, key, {**things, "stream": streams})


def _held(stage: Stage, workflow: UUID, project: UUID) -> str:
    """A job of an agent that waits for a human."""
    limits = (Limits(), Limits(confirmation="witnessed"))
    agent: dict[str, Any] = {"project_id": project, "id": "agent", "agent": True, "limits": limits}
    token = stage.ask(SizeAudience(workflow), **agent)["confirm_token"]
    return str(stage.ask(RunBatch(workflow, PEOPLE, token), **agent)["batch_job_id"])


def _key(stage: Stage, project: UUID) -> Key:
    system = stage.product.system
    with system.engine.begin() as connection:
        id, plain = system.keyring.create(
            connection, project, name="tenant", scopes=sorted(SCOPES), now=system.clock.now()
        )
    return Key(id, plain, SCOPES, False)

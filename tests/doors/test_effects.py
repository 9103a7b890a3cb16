"""What a tool says of itself is true: readers record nothing, and what may be repeated has no second effect.

Every tool of both addresses has to be in the table, with what it is called with. It is called twice: a tool that calls
itself repeatable changes nothing the second time, and answers the same or refuses as the table says; any other one does
it again. With one idempotency key every effect happens once, and its answer is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from commands.batch_job import PauseBatchJob
from commands.runs import RunWorkflow
from mcp_adapter.tool import Tool
from mcp_adapter.tools import TOOLS
from mcp_adapter.tools.studio import STUDIO
from tests.doors.asks import BECAUSE, CONTENT, DAILY, WEEKLY
from tests.doors.doors import Doors, Key, Mcp
from tests.doors.model import EVERY_SCOPE
from tests.doors.stage import Stage
from tests.support.product import CAPTURE, Json
from workers.enrolment import enrol

STUDIO_TOOLS = {tool.name: tool for tools in STUDIO.values() for tool in tools}

VOLATILE = {"summary", "expires_at", "confirm_token"}
"""What is another one every time, and decides nothing."""

MANUAL: Json = {"trigger": {"type": "manual", "inputs": {}}}


@dataclass(frozen=True)
class Case:
    """What a tool is called with, made anew for each time; and what the second call is refused with, if it is."""

    arguments: Callable[[Stage, Key], Json]
    again: str | None = None


def on(command: str, status: str, *, told: str | None = None, **more: Any) -> Callable[[Stage, Key], Json]:
    """Something in that status by its id; `told` is how its people are confirmed."""

    def arguments(stage: Stage, key: Key) -> Json:
        target = stage.target(command, status, key, fresh=True)
        name = {"workflow": "workflow_id", "schedule": "schedule_id", "batch_job": "batch_job_id"}[NOUN[command]]
        proof = stage.proof(command, target, told, key, fresh=True) if told else {}
        return {name: target.id, **proof, **more}

    return arguments


NOUN = {
    **dict.fromkeys(("EditWorkflow", "EnableWorkflow", "ArchiveWorkflow", "RunBatch", "AttachSchedule"), "workflow"),
    **dict.fromkeys(("ReviseSchedule", "PauseSchedule", "ResumeSchedule"), "schedule"),
    **dict.fromkeys(("PauseBatchJob", "ResumeBatchJob", "CancelBatchJob"), "batch_job"),
}


def paused_by_itself(stage: Stage, key: Key) -> Json:
    """A job that the caller has paused, so that it takes that back without a proof."""
    id = stage.target("PauseBatchJob", "queued", key, fresh=True).id
    stage.ask(PauseBatchJob(UUID(id), BECAUSE), key, agent=True)
    return {"batch_job_id": id}


def given(**arguments: Any) -> Callable[[Stage, Key], Json]:
    return lambda _stage, _key: arguments


def manual(stage: Stage, _key: Key) -> UUID:
    return stage.workflow(**MANUAL)


def run_of_nobody(stage: Stage, key: Key) -> str:
    return str(stage.ask(RunWorkflow(manual(stage, key)), key)["run_id"])


def run_of_somebody(stage: Stage, key: Key) -> str:
    job = stage.target("CancelBatchJob", "queued", key, fresh=True).id
    enrol(stage.product.system, UUID(job))
    people = stage.product.execute("SELECT person_ids[1] FROM chunks WHERE job_id = :job", job=UUID(job))
    return f"{job}.{people[0][0]}"


def of_run(name: str, run: Callable[[Stage, Key], str], **more: Any) -> Callable[[Stage, Key], Json]:
    return lambda stage, key: {name: run(stage, key), **more}


def of_workflow(name: str, **more: Any) -> Callable[[Stage, Key], Json]:
    return lambda stage, _key: {name: str(stage.of("few")), **more}


def begun(name: str, **more: Any) -> Callable[[Stage, Key], Json]:
    return lambda stage, key: {name: str(manual(stage, key)), **more}


def once(stage: Stage, key: Key) -> Json:
    """A key of its own, for a tool that asks for one."""
    workflow_id = str(manual(stage, key))
    return {"workflow_id": workflow_id, "idempotency_key": workflow_id}


OURS: Mapping[str, tuple[Case, ...]] = {
    "guide": (Case(given()),),
    "people-properties": (Case(given()),),
    "workflows-list": (Case(given()),),
    "workflows-get": (Case(of_workflow("workflow_id")),),
    "workflows-create": (Case(given(name="Made", **CONTENT)),),
    "workflows-update": (
        Case(on("EditWorkflow", "draft", version=1, name="Renamed")),
        # Its version is another one by then: what was not read is not overwritten.
        Case(on("EditWorkflow", "draft", version=1, steps=[{**CAPTURE, "name": "Other"}]), again="workflow.stale"),
    ),
    "workflows-enable": (Case(on("EnableWorkflow", "draft")),),
    "workflows-archive": (Case(on("ArchiveWorkflow", "active")),),
    "workflows-simulate": (Case(of_workflow("workflow_id")),),
    "workflows-blast-radius": (Case(of_workflow("workflow_id")), Case(of_workflow("workflow_id", freeze=True))),
    "workflows-run-batch": (
        Case(on("RunBatch", "active", told="right")),
        Case(on("RunBatch", "active", told="frozen")),
        Case(on("RunBatch", "many", told="right")),
    ),
    "workflows-list-batch-jobs": (Case(given()),),
    "batch-jobs-get": (Case(on("CancelBatchJob", "queued")),),
    "batch-jobs-failures": (Case(on("CancelBatchJob", "queued")),),
    "batch-jobs-pause": (Case(on("PauseBatchJob", "queued", reason=BECAUSE)),),
    "batch-jobs-resume": (Case(paused_by_itself),),
    "batch-jobs-cancel": (Case(on("CancelBatchJob", "queued", reason=BECAUSE)),),
    "workflows-schedule-create": (Case(on("AttachSchedule", "active", told="right", **DAILY)),),
    "workflows-update-schedule": (
        Case(on("ReviseSchedule", "paused", told="right", **WEEKLY), again="confirm.used"),
        # A token buys one change; the change that it has bought is made.
        Case(on("ReviseSchedule", "active", told="right", **WEEKLY), again="confirm.used"),
    ),
    "workflows-pause-schedule": (Case(on("PauseSchedule", "active", note=BECAUSE)),),
    "workflows-resume-schedule": (Case(on("ResumeSchedule", "paused", told="right")),),
    "schedules-preview": (Case(given(**DAILY)), Case(on("PauseSchedule", "active"))),
    "workflows-run": (Case(once),),
    "runs-list": (Case(given()),),
    "runs-get-status": (Case(of_run("run_id", run_of_nobody)), Case(of_run("run_id", run_of_somebody))),
    "runs-get-result": (Case(of_run("run_id", run_of_nobody)), Case(of_run("run_id", run_of_somebody))),
    "runs-cancel": (
        Case(of_run("run_id", run_of_nobody, reason=BECAUSE)),
        Case(of_run("run_id", run_of_somebody, reason=BECAUSE)),
    ),
    "cohorts-list": (Case(given()),),
    "components-list": (Case(given()),),
    "components-get": (Case(given(component_id="capture")),),
    "log-read": (Case(given()),),
    "state-at": (Case(lambda stage, _key: {"stream_id": str(stage.of("few"))}),),
}

THEIRS: Mapping[str, tuple[Case, ...]] = {
    "list_workflows": (Case(given()),),
    "get_workflow": (Case(of_workflow("workflowId")),),
    "run_workflow": (Case(begun("workflowId")),),
    "list_components": (Case(given()),),
    "get_component": (Case(given(componentId="capture")),),
    "list_runs": (Case(given()),),
    "get_run_status": (Case(of_run("runId", run_of_nobody)),),
    "get_run_result": (Case(of_run("runId", run_of_nobody)),),
    "cancel_run": (Case(of_run("runId", run_of_nobody)), Case(of_run("runId", run_of_somebody))),
}


@dataclass(frozen=True)
class Called:
    address: str
    tool: Tool[Any, Any]
    case: Case
    number: int

    def __str__(self) -> str:
        return f"{self.tool.name} {self.number}"

    def call(self, doors: Doors, key: Key, arguments: Json) -> tuple[Json, bool]:
        agents: Mcp = getattr(doors, self.address)
        data, is_error = agents.call(key, self.tool.name, arguments)
        return {name: value for name, value in data.items() if name not in VOLATILE}, is_error


def called() -> Iterator[Called]:
    for address, table, tools in (("mcp", OURS, TOOLS), ("studio", THEIRS, STUDIO_TOOLS)):
        for name in table.keys() & tools.keys():
            yield from (Called(address, tools[name], case, number) for number, case in enumerate(table[name], start=1))


CALLED = sorted(called(), key=str)
READERS = [each for each in CALLED if each.tool.effect.reads_only]
EFFECTFUL = [each for each in CALLED if not each.tool.effect.reads_only]


@pytest.fixture(scope="module")
def agent(stage: Stage) -> Key:
    return stage.key(EVERY_SCOPE, True)


def test_every_tool_is_in_the_table() -> None:
    assert set(OURS) == set(TOOLS)
    assert set(THEIRS) == set(STUDIO_TOOLS)


@pytest.mark.parametrize("each", READERS, ids=str)
def test_a_tool_that_says_that_it_only_reads_records_nothing(
    each: Called, doors: Doors, stage: Stage, agent: Key
) -> None:
    arguments = each.case.arguments(stage, agent)
    stage.settle()
    before = stage.traces()
    for _ in range(2):
        told, is_error = each.call(doors, agent, arguments)
        assert not is_error, told
    position, spent, chunks, runs = stage.traces()
    # The people of a frozen sizing are kept beside the log until its token expires.
    assert (position, spent, runs) == (before[0], before[1], before[3])
    assert (chunks > before[2]) == arguments.get("freeze", False)


@pytest.mark.parametrize("each", EFFECTFUL, ids=str)
def test_a_tool_that_says_that_it_may_be_repeated_has_no_second_effect(
    each: Called, doors: Doors, stage: Stage, agent: Key
) -> None:
    arguments = each.case.arguments(stage, agent)
    stage.settle()
    before = stage.traces()
    first, is_error = each.call(doors, agent, arguments)
    assert not is_error, first
    done = stage.traces()
    assert done > before
    again, is_error = each.call(doors, agent, arguments)
    if not each.tool.effect.repeatable:
        assert stage.traces() > done
        assert again != first
        return
    assert stage.traces() == done
    if each.case.again is None:
        # The same, but for whether this call has done it; with an idempotency key the same altogether.
        keyed = bool({"idempotency_key", "idempotencyKey"} & set(arguments))
        assert (again, is_error) == ({**first, "changed": keyed}, False)
        assert first["changed"] is True
    else:
        assert (again["code"], is_error) == (each.case.again, True)


KEYED = [each for each in EFFECTFUL if each.tool.name != "cancel_run"]


def test_every_effect_takes_an_idempotency_key_but_one_that_is_the_same_however_often_it_is_asked_for() -> None:
    keyed = {each.tool.name for each in EFFECTFUL if set(each.tool.arguments.model_fields) & {"idempotency_key"}}
    assert keyed == {each.tool.name for each in KEYED}
    assert STUDIO_TOOLS["cancel_run"].effect.repeatable


@pytest.mark.parametrize("each", KEYED, ids=str)
def test_with_one_idempotency_key_an_effect_happens_once_and_is_answered_alike(
    each: Called, doors: Doors, stage: Stage, agent: Key
) -> None:
    name = "idempotency_key" if each.address == "mcp" else "idempotencyKey"
    arguments = {**each.case.arguments(stage, agent), name: f"once {each}"}
    stage.settle()
    before = stage.traces()
    first, is_error = each.call(doors, agent, arguments)
    assert not is_error, first
    done = stage.traces()
    assert done > before
    assert each.call(doors, agent, arguments) == (first, False)
    assert stage.traces() == done

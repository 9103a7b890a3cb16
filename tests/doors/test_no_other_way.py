"""Nine commands lead to people. Nothing else does: no other command and no unlisted door."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from cyclopts import App

from aggregates.base import Source
from aggregates.errors import DomainError
from aggregates.key.events import stream_of
from commands.batch_job import RunBatch
from commands.bus import HANDLERS
from commands.due import ExpireApproval, FireSchedule
from commands.grants import COMMANDS, ENGINE, READS
from commands.schedule import AttachSchedule, PauseSchedule
from commands.workflow import ArchiveWorkflow, DisableWorkflow
from engine.cli.app import build
from engine.http.route import StrictRoute
from mcp_adapter.tools import TOOLS
from tests.doors.asks import BECAUSE, DAILY
from tests.doors.doors import NO_SUCH_TOOL, Doors, Key
from tests.doors.model import EVERY_SCOPE, NEEDS, STATUSES
from tests.doors.model import TOOLS as TOOLS_OF_THE_MODEL
from tests.doors.routes import ROUTES, STRICT, address, grants_of, verb
from tests.doors.stage import GROUPS, Stage
from tests.doors.ways import AT_THE_CONSOLE, ID, OF_THE_PRODUCT, WAYS

LEADS_TO_PEOPLE = {
    "RunBatch",
    "RetryFailed",
    "ApproveBatchJob",
    "AcceptConfirmation",
    "AttachSchedule",
    "ReviseSchedule",
    "ResumeSchedule",
    "ResumeBatchJob",
    "FireSchedule",
}
ENGINES = {"FireSchedule", "ExpireApproval", "ExpireConfirmation"}
OTHERS = sorted(handler.__name__ for handler in HANDLERS if handler.__name__ not in LEADS_TO_PEOPLE | ENGINES)


SUBJECTS = {"workflow_id", "schedule_id", "batch_job_id", "run_id", "stream_id", "confirmation_id"}
"""Parts of a path that name what a refused call was about."""


# -- no other command


@pytest.fixture(scope="module")
def scene(stage: Stage) -> Callable[[str], UUID]:
    """Makes workflows in each status with a schedule and jobs that stand still."""

    def make(status: str) -> UUID:
        workflow_id = stage.workflow("many")
        attached = stage.ask(AttachSchedule(workflow_id, acknowledged_affected_count=GROUPS["many"], **DAILY))
        stage.ask(PauseSchedule(UUID(attached["schedule_id"]), BECAUSE))
        stage.ask(RunBatch(workflow_id, GROUPS["many"]))
        paused = UUID(stage.ask(RunBatch(workflow_id, GROUPS["many"]))["batch_job_id"])
        stage.moved(paused, "approved")
        stage.moved(paused, "paused")
        if status == "draft":
            stage.ask(DisableWorkflow(workflow_id))
        if status == "archived":
            stage.ask(ArchiveWorkflow(workflow_id))
        return workflow_id

    return make


JOBS = tuple(dict.fromkeys(status for name in NEEDS if "BatchJob" in name for status in STATUSES[name]))
OF_A_JOB = {*(name for name in OTHERS if name.endswith("Job")), "DecideStep", "DecideUnknown", "SizeFailed"}
OF_A_JOB |= {"SizeOpen", "ShowConfirmation", "RejectConfirmation"}
SCHEDULES = ("active", "paused", "completed", "detached", "paused_off")


def cases() -> Iterator[tuple[str, str]]:
    for command in OTHERS:
        if command in OF_A_JOB:
            yield from product([command], JOBS)
        elif command.endswith("Schedule"):
            yield from product([command], SCHEDULES)
        else:
            yield from product([command], ("draft", "active", "archived"))


def id_for(command: str, status: str, stage: Stage, scene: Callable[[str], UUID], key: Key) -> str:
    """Something new in this status."""
    if command in {"ChangeKey", "RevokeKey"}:
        return stage.new_key(EVERY_SCOPE, agent=False).id
    if command in OF_A_JOB:
        return stage.target("PauseBatchJob", status, key, fresh=True).id
    if command.endswith("Schedule"):
        return stage.target("PauseSchedule", status, key, fresh=True).id
    return str(scene(status))


def alive(stage: Stage) -> tuple[set[tuple[str, str]], list[Any]]:
    """Jobs and schedules from which people may be contacted by themselves; and who is enrolled."""
    at_work = stage.product.execute(
        "SELECT id::text, status FROM stream_heads WHERE kind = 'schedule' AND status = 'active' "
        "OR kind = 'batch_job' AND status IN ('queued', 'enrolling', 'running')"
    )
    enrolled = stage.product.execute(
        "SELECT (SELECT count(*) FROM chunks JOIN stream_heads ON id = chunks.job_id), (SELECT count(*) FROM runs), "
        "(SELECT count(*) FROM stream_heads WHERE kind IN ('batch_job', 'schedule'))"
    )
    return {tuple(row) for row in at_work}, list(enrolled)


def test_every_other_command_is_asked_for() -> None:
    assert set(OTHERS) == set(WAYS)
    assert {handler.__name__ for handler in HANDLERS} == set(COMMANDS)


@pytest.mark.parametrize(("command", "status"), list(cases()))
def test_no_other_command_leads_to_people(
    command: str, status: str, doors: Doors, stage: Stage, scene: Callable[[str], UUID], everybody: Key
) -> None:
    listed: dict[str, set[Any]] = {
        "http": {grants_of(route) for route in STRICT},
        "mcp": {tool.grant for tool in TOOLS.values()},
        "cli": {grant for grant, _ in OF_THE_PRODUCT.values()} | set(AT_THE_CONSOLE.values()),
    }
    for door in doors:
        id = id_for(command, status, stage, scene, everybody)
        stage.settle()
        living, enrolled = alive(stage)
        verdict = door.ask(WAYS[command](id), everybody)
        assert (verdict.code in {NO_SUCH_TOOL, "usage"}) == (command not in listed[door.name]), verdict
        assert verdict.code != "request.invalid"
        after, enrolled_after = alive(stage)
        assert after <= living, door.name
        assert enrolled_after == enrolled, door.name


# -- no other door


def walk(app: App, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name in app:
        if not name.startswith("-"):
            if app[name].default_command:
                yield (*path, name)
            yield from walk(app[name], (*path, name))


def test_every_route_tool_and_command_line_stands_for_a_command_or_a_read_of_the_one_table() -> None:
    table = {**COMMANDS, **READS}
    assert {grants_of(route) for route in STRICT} <= set(table)
    # Supervisors need no key; the numbers of the whole installation have a token that is no key of anybody.
    assert {route.path for route in ROUTES if route not in STRICT} == {"/health/live", "/health/ready", "/metrics"}
    assert {tool.grant for tool in TOOLS.values()} <= set(table)
    assert {name: frozenset(tool.scopes) for name, tool in TOOLS.items()} == TOOLS_OF_THE_MODEL
    assert set(walk(build())) == {*OF_THE_PRODUCT, *AT_THE_CONSOLE}
    assert {*(grant for grant, _ in OF_THE_PRODUCT.values()), *filter(None, AT_THE_CONSOLE.values())} <= set(table)


@pytest.mark.parametrize("path", OF_THE_PRODUCT, ids=" ".join)
def test_a_command_line_asks_for_what_it_stands_for_and_nothing_before(
    path: tuple[str, ...], doors: Doors, stage: Stage
) -> None:
    grant, given = OF_THE_PRODUCT[path]
    position = stage.product.log_position()
    code, told = doors.cli.call(stage.key(frozenset(), False), *path, *given)
    assert (code, told["code"], told["details"]["missing"]) == (4, "scope.missing", list({**COMMANDS, **READS}[grant]))
    assert [(name, code) for name, code, _ in stage.refusals(position)] == [(grant, "scope.missing")]


@pytest.mark.parametrize("route", STRICT, ids=lambda route: route.name)
def test_a_route_asks_for_what_it_stands_for_before_anything_else(
    route: StrictRoute, doors: Doors, stage: Stage
) -> None:
    nobody = stage.key(frozenset(), False)
    position = stage.product.log_position()
    answer = doors.http.send(nobody, verb(route), f"{address(route)}?unknown=1", {"unknown": 1})
    assert (answer.status_code, answer.json()["code"]) == (403, "scope.missing")
    assert answer.json()["details"]["missing"] == list({**COMMANDS, **READS}[grants_of(route)])
    about = UUID(ID) if set(route.param_convertors) & SUBJECTS else None
    if "key_id" in route.param_convertors:
        about = stream_of(ID)
    assert stage.refusals(position) == [(grants_of(route), "scope.missing", about)]


# -- nobody but the engine


def test_what_only_the_engine_does_has_no_door() -> None:
    assert {name for name, scopes in COMMANDS.items() if ENGINE in scopes} == ENGINES
    asked = {grants_of(route) for route in STRICT} | {tool.grant for tool in TOOLS.values()}
    asked |= {grant for grant, _ in OF_THE_PRODUCT.values()} | set(filter(None, AT_THE_CONSOLE.values()))
    assert asked & ENGINES == set()


@pytest.mark.parametrize("source", ["web", "api", "mcp", "cli", "scheduler", "system"])
@pytest.mark.parametrize("agent", [False, True])
def test_a_key_with_every_scope_is_not_the_engine(source: Source, agent: bool, stage: Stage) -> None:
    key = stage.key(EVERY_SCOPE, agent)
    system = stage.product.system
    before = stage.traces()
    for command in (
        FireSchedule(UUID(stage.target("PauseSchedule", "active", key, fresh=False).id), system.clock.now()),
        ExpireApproval(UUID(stage.target("RejectBatchJob", "held", key, fresh=False).id)),
    ):
        settled, position = stage.traces(), stage.product.log_position()
        with pytest.raises(DomainError) as refusal:
            system.bus.dispatch(command, system.meta(system.principal_of(key.plain, source), via="test"))
        assert (refusal.value.code, refusal.value.details["missing"]) == ("scope.missing", [ENGINE])
        assert stage.traces() == settled
        assert [(name, code) for name, code, _ in stage.refusals(position)] == [
            (type(command).__name__, "scope.missing")
        ]
    assert before <= stage.traces()


def test_no_key_can_be_given_what_is_the_engines(doors: Doors, stage: Stage, everybody: Key) -> None:
    answer = doors.http.send(everybody, "POST", "/keys", {"name": "engine", "scopes": [ENGINE]})
    assert (answer.status_code, answer.json()["code"]) == (422, "key.invalid")
    code, told = doors.cli.call(everybody, "keys", "create", "engine", "--scope", ENGINE)
    assert (code, told["code"]) == (2, "key.invalid")

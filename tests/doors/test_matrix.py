"""Who lacks a scope that an operation needs is refused, naming it; a scope that it does not need makes no difference.

Generated from the one table of grants and from what the doors offer: every operation is asked with every scope but one,
with exactly those that it needs, with each one alone and with none. The command line goes the way of HTTP, so that each
of its commands is asked with exactly what it needs, without each of that, and with nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from io import BytesIO
from typing import Any, get_origin, get_type_hints
from uuid import UUID

import pytest

from aggregates.base import Principal
from aggregates.errors import DomainError
from aggregates.policy import Limits
from commands.bus import HANDLERS
from commands.grants import CARRIES, COMMANDS, ENGINE, READS, SCOPES, authorize
from commands.policy import SetPolicy
from mcp_adapter.tools import TOOLS
from mcp_adapter.tools.studio import STUDIO
from projections.page import Reader
from tests.doors.doors import Doors, Key
from tests.doors.model import EVERY_SCOPE
from tests.doors.operations import Operation, Told, command_lines, operations, state
from tests.doors.stage import Stage
from tests.doors.ways import ID

GRANTS = {**COMMANDS, **READS}

ALONE = [frozenset({scope}) for scope in sorted(SCOPES)]
ALL_BUT_ONE = [SCOPES - alone for alone in ALONE]
EXACT = sorted({frozenset(needed) & SCOPES for needed in GRANTS.values()}, key=sorted)
SETS = list(dict.fromkeys([SCOPES, frozenset[str](), *ALONE, *ALL_BUT_ONE, *EXACT]))

OPERATIONS = operations()
LINES = list(command_lines())


@pytest.fixture(scope="module")
def keys(stage: Stage) -> dict[frozenset[str], Key]:
    """One key for each set of scopes. The project narrows nothing, as the emptiest change of its policy says."""
    stage.product.ask(SetPolicy(Limits()))
    return {scopes: stage.key(scopes, False) for scopes in SETS}


def judged(operation: Operation, scopes: frozenset[str], told: Told) -> str | None:
    """What is wrong with an answer to somebody with these scopes."""
    missing = tuple(scope for scope in GRANTS[operation.grant] if scope not in scopes)
    if missing:
        right = (told.code, told.missing) == ("scope.missing", missing)
    else:
        # It got past the grant: done, not found, or not what the handler takes.
        right = told.code == "ok" or told.code.endswith((".not_found", ".invalid", ".rejected", ".not_for_agents"))
    return None if right else f"{'+'.join(sorted(scopes)) or 'nothing'}: {told}"


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_an_operation_needs_the_scopes_of_its_grant_and_no_other(
    operation: Operation, doors: Doors, stage: Stage, keys: dict[frozenset[str], Key]
) -> None:
    before = state(stage)
    wrong = [judged(operation, scopes, operation.ask(doors, key)) for scopes, key in keys.items()]
    assert [found for found in wrong if found] == []
    assert state(stage) == before


@pytest.mark.parametrize("line", LINES, ids=str)
def test_a_command_line_needs_the_scopes_of_its_grant_and_no_other(
    line: Operation, doors: Doors, stage: Stage, keys: dict[frozenset[str], Key]
) -> None:
    needed = frozenset(GRANTS[line.grant])
    before = state(stage)
    asked = [frozenset[str](), *(SCOPES - {scope} for scope in sorted(needed))]
    asked += [needed] if line.grant not in MAKING else []
    wrong = [judged(line, scopes, line.ask(doors, keys[scopes])) for scopes in asked]
    assert [found for found in wrong if found] == []
    assert state(stage) == before


MAKING = {"CreateWorkflow", "CreateCohort", "ImportPeople", "SetPolicy"}
"""What would be done on a command line, which names nothing there that could be unknown."""


# -- nothing without a grant


def test_the_scopes_are_those_of_the_specification() -> None:
    assert SCOPES == EVERY_SCOPE
    assert all(needed and set(needed) <= SCOPES | {ENGINE} for needed in GRANTS.values())
    assert set(COMMANDS) & set(READS) == set()


def test_every_operation_has_a_grant_and_every_grant_an_operation(doors: Doors, stage: Stage) -> None:
    document = doors.http.client.get("/../../openapi.json").json()
    described = {
        operation["operationId"]: operation["security"]
        for methods in document["paths"].values()
        for operation in methods.values()
        if operation["security"]
    }
    assert described == {
        operation.name: [{"key": list(GRANTS[operation.grant])}] for operation in OPERATIONS if operation.door == "http"
    }
    for operation in (*OPERATIONS, *LINES):
        assert operation.grant in GRANTS, operation
    reached = {operation.grant for operation in OPERATIONS if operation.door == "http"}
    assert reached == {grant for grant, needed in GRANTS.items() if ENGINE not in needed}


def test_what_has_no_grant_is_refused_to_everybody() -> None:
    with pytest.raises(DomainError) as refusal:
        authorize(Principal(UUID(ID), "all", SCOPES | {ENGINE}, "system"), "NoSuchCommand")
    assert refusal.value.code == "grant.undeclared"


# -- behind the doors


@pytest.mark.parametrize("command", HANDLERS, ids=lambda command: command.__name__)
def test_the_bus_asks_for_the_scopes_itself(command: type, stage: Stage) -> None:
    needed = COMMANDS[command.__name__]
    if command.__name__ in CARRIES and CARRIES[command.__name__](filled(command)):
        needed = (*needed, "person:read")
    system = stage.product.system
    before = state(stage)
    for scopes in SETS:
        missing = [scope for scope in needed if scope not in scopes]
        if missing:
            principal = Principal(stage.product.project_id, "somebody", scopes, "api")
            with pytest.raises(DomainError) as refusal:
                system.bus.dispatch(filled(command), system.meta(principal, via="test"))
            assert (refusal.value.code, refusal.value.details["missing"]) == ("scope.missing", missing)
    assert state(stage) == before


def filled(command: type) -> Any:
    """A command about nothing that there is."""
    assert is_dataclass(command)
    hints = get_type_hints(command)
    given = [item for item in fields(command) if item.default is MISSING and item.default_factory is MISSING]
    return command(**{item.name: _something(hints[item.name]) for item in given})


def _something(hint: Any) -> Any:
    kinds = {UUID: UUID(ID), str: ID, int: 1, datetime: datetime.fromisoformat("2030-01-01T00:00:00+00:00")}
    if hint in kinds:
        return kinds[hint]
    if get_origin(hint) in (tuple, list, dict):
        return get_origin(hint)()
    return hint() if inspect.isclass(hint) and is_dataclass(hint) else BytesIO()


def reading(stage: Stage) -> Iterator[tuple[str, Any]]:
    """Every public method of every group of reads, under the name that its grant has to have."""
    reads, replay = stage.product.system.reads, stage.product.system.replay
    yield from (("policy.get", reads.policy), ("views.list", reads.views), ("guide.get", reads.guide))
    yield from (("state.at", replay.state_at), ("state.diff", replay.diff))
    for group, reader in vars(reads).items():
        if isinstance(reader, Reader):
            for name in vars(type(reader)):
                if not name.startswith("_"):
                    yield f"{group}.{name}", getattr(reader, name)


def test_the_reads_ask_for_the_scopes_themselves(stage: Stage) -> None:
    asked = set()
    for name, read in reading(stage):
        asked.add(name)
        signature = inspect.signature(read).parameters.values()
        needs = [each.name for each in signature if each.default is each.empty and each.kind is not each.VAR_KEYWORD][
            1:
        ]
        for scopes in SETS:
            principal = Principal(stage.product.project_id, "somebody", scopes, "api")
            missing = [scope for scope in READS[name] if scope not in scopes]
            refused: list[str] = []
            try:
                read(principal, **{need: 1 if need.endswith("position") else ID for need in needs})
            except DomainError as error:
                refused = error.details["missing"] if error.code == "scope.missing" else []
            assert refused == missing, (name, scopes)
    # Step types and operators are no state: what is shown of them are tables, and the doors ask for the grant.
    assert set(READS) - asked == {"components.list", "components.get", "operators.list"}


# -- tools


@pytest.mark.parametrize("scopes", SETS, ids=lambda scopes: "+".join(sorted(scopes)) or "none")
@pytest.mark.parametrize("address", ["mcp", "studio"])
def test_a_tool_is_listed_if_and_only_if_the_key_has_its_scopes(
    address: str, scopes: frozenset[str], doors: Doors, keys: dict[frozenset[str], Key]
) -> None:
    table = list(TOOLS.values()) if address == "mcp" else [tool for tools in STUDIO.values() for tool in tools]
    open_to = {tool.name for tool in table if scopes.issuperset(GRANTS[tool.grant])}
    assert getattr(doors, address).listed(keys[scopes]) == open_to

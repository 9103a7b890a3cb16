"""The doors agree: who may do what, in which state, with which confirmation, is the same over HTTP, MCP and CLI.

Every case is asked at each door. Verdicts are compared with a model that was written from the specification; what is
refused leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from uuid import UUID

import pytest

from mcp_adapter.tools import TOOLS as TABLE
from tests.doors.asks import ASKS
from tests.doors.doors import NO_SUCH_TOOL, Cli, Door, Doors, Key, Mcp, Verdict
from tests.doors.model import (
    ALREADY,
    EVERY_SCOPE,
    EXIT,
    HELD_EXIT,
    HTTP_DONE,
    HTTP_STATUS,
    NEEDS,
    NO_TOOL,
    NOWHERE,
    OK,
    STATUSES,
    TOOLS,
    confirmations,
    expected,
    kind_of,
)
from tests.doors.stage import Stage, Target
from tests.support.refusals import Refused

CALLERS = ("person", "agent")
AGENTS_TELL = ("right", "count", "drift_alone", "nothing")

MANY = 100
STRIDE = 23
"""Of many alike every so many is asked: it divides no number of statuses or confirmations, so each of them is met."""


@dataclass(frozen=True)
class Case:
    """Who asks for what, where, and what they say of the people."""

    command: str
    scopes: frozenset[str]
    caller: str
    status: str
    confirmation: str

    def __str__(self) -> str:
        lacking = "+".join(sorted(EVERY_SCOPE - self.scopes)) if self.scopes else "everything"
        told = (self.command, self.caller, f"lacks {lacking}" if lacking else "", self.status, self.confirmation)
        return " ".join(filter(None, told))

    def code(self, door: Door) -> str:
        """What the model says about asking at a door."""
        guarded = self.caller == "agent" or isinstance(door, Mcp)
        return expected(self.command, self.scopes, guarded, self.status, self.confirmation)


def cases() -> Iterator[Case]:
    for command, needed in NEEDS.items():
        every, statuses = confirmations(command), STATUSES[command]
        for caller, status in product(CALLERS, statuses):
            yield from (Case(command, EVERY_SCOPE, caller, status, told) for told in telling(command, caller, status))
        yield from (Case(command, EVERY_SCOPE, "person", *rest) for rest in product(NOWHERE, every[:1]))
        # Whoever lacks a scope meets that first, whatever else is wrong.
        lacking = [EVERY_SCOPE - {scope} for scope in sorted(needed)] + [frozenset()]
        asked = list(product(lacking, CALLERS, (*statuses, "unknown"), every))
        yield from (Case(command, *rest) for rest in (asked[::STRIDE] if len(asked) > MANY else asked))


def telling(command: str, caller: str, status: str) -> tuple[str, ...]:
    """The confirmations that make a difference; some of all where only what is no confirmation at all does."""
    every = confirmations(command)
    verdicts = {expected(command, EVERY_SCOPE, caller == "agent", status, told) for told in every}
    if len(verdicts - {"request.invalid"}) == 1:
        return (every[0], *every[3::4]) if len(every) > 2 else every
    return every if caller == "person" else tuple(told for told in every if told in AGENTS_TELL) or every


def said(case: Case, door: Door) -> Verdict:
    """The verdict of the model as a door words it."""
    code = case.code(door)
    done = code in {OK, ALREADY}
    if isinstance(door, Mcp):
        return Verdict(NO_SUCH_TOOL, 1) if case.command in NO_TOOL else Verdict("ok" if done else code, int(not done))
    if isinstance(door, Cli):
        if case.confirmation == "nothing" and case.command != "ReviseSchedule":
            return _unsaid(case)
        held = (case.command, case.status) == ("RunBatch", "many")
        return Verdict("ok", HELD_EXIT if held else 0) if done else Verdict(code, EXIT[kind_of(code)])
    return Verdict("ok", HTTP_DONE.get(case.command, 200)) if done else Verdict(code, HTTP_STATUS[kind_of(code)])


def _unsaid(case: Case) -> Verdict:
    """The command line sends nothing without a count: it says how it is used, once it has read what it would show."""
    looks_first = {"ResumeSchedule": "workflow:read", "ApproveBatchJob": "run:read"}
    if case.command in looks_first:
        if looks_first[case.command] not in case.scopes:
            return Verdict("scope.missing", EXIT["denied"])
        if case.status in NOWHERE:
            return Verdict(expected(case.command, EVERY_SCOPE, False, case.status, "right"), EXIT["not_found"])
    return Verdict("usage", EXIT["invalid"])


def recorded(case: Case, door: Door, target: Target) -> list[Refused]:
    """What the model says is recorded of a call: it was refused for a scope, or it became a command and was refused.

    What is no command at all, for a field that is missing or that cannot be, is told and not recorded.
    """
    code = case.code(door)
    about = None if case.status == "malformed" else UUID(target.id)
    if code in {OK, ALREADY, "request.invalid"}:
        return []
    if isinstance(door, Mcp) and (case.command in NO_TOOL or (about is None and code != "scope.missing")):
        return []
    if isinstance(door, Cli) and case.confirmation == "nothing" and case.command != "ReviseSchedule":
        looked_at = {"ResumeSchedule": "schedules.get", "ApproveBatchJob": "batch_jobs.get"}.get(case.command)
        return [(looked_at, code, about)] if looked_at and _unsaid(case).code == "scope.missing" else []
    return [(case.command, code, about)]


def ask(case: Case, door: Door, stage: Stage, key: Key) -> Verdict:
    """The verdict of a door, after seeing that only what was done left a trace, and a refusal its record."""
    changes = said(case, door).code == "ok" and case.code(door) == OK
    target = stage.target(case.command, case.status, key, fresh=changes)
    proof = stage.proof(case.command, target, case.confirmation, key, fresh=changes)
    if case.confirmation == "nothing":
        stage.settle()
    before, position = stage.traces(), stage.product.log_position()
    verdict = door.ask(ASKS[case.command](target.id, proof), key)
    after = stage.traces()
    if (after != before) != changes:
        stage.forget()
        pytest.fail(f"{door.name}: {before} -> {after}, {verdict}")
    assert stage.refusals(position) == recorded(case, door, target), door.name
    return verdict


@pytest.mark.parametrize("case", list(cases()), ids=str)
def test_every_door_gives_the_verdict_of_the_specification(case: Case, doors: Doors, stage: Stage) -> None:
    key = stage.key(case.scopes, case.caller == "agent")
    wanted = {door.name: said(case, door) for door in doors}
    assert {door.name: ask(case, door, stage, key) for door in doors} == wanted


ONE = [frozenset({scope}) for scope in sorted(EVERY_SCOPE)]
SETS = [EVERY_SCOPE, frozenset[str](), *ONE, *(EVERY_SCOPE - one for one in ONE)]


@pytest.mark.parametrize("scopes", SETS, ids=lambda scopes: "+".join(sorted(scopes)) or "none")
def test_a_tool_whose_scopes_a_key_lacks_is_not_listed_and_not_callable(
    scopes: frozenset[str], doors: Doors, stage: Stage
) -> None:
    key = stage.key(scopes, True)
    open_tools = {tool for tool, needed in TOOLS.items() if needed <= scopes}
    assert doors.mcp.listed(key) == open_tools
    before, position = stage.traces(), stage.product.log_position()
    for tool in TOOLS:
        told, is_error = doors.mcp.call(key, tool, {"no": "argument"})
        assert (told["code"], is_error) == ("request.invalid" if tool in open_tools else "scope.missing", True), tool
    assert stage.traces() == before
    closed = [TABLE[tool].grant for tool in TOOLS if tool not in open_tools]
    assert stage.refusals(position) == [(grant, "scope.missing", None) for grant in closed]

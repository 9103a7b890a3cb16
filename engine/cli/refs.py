"""How a command line names a thing: by its id, by a beginning of it that no other has, by its name, or as `last`.

Only here: HTTP and MCP take whole ids. What is looked at are the lists that the key may read, the newest 10,000.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from cyclopts import Parameter, Token

from aggregates.errors import DomainError
from engine.cli.client import Api, connect
from engine.cli.exits import Exit, Refusal

LAST = "last"
MOST = 10_000
"""How many of a list are looked through."""
SHORTEST = 4
"""Fewer characters are a slip, not the beginning of an id."""
TOLD = 5
"""Candidates that a refusal names."""

_BEGINNING = re.compile(r"[0-9a-f-]+")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
"""What is one part of an address and nothing else."""


@dataclass(frozen=True)
class Kind:
    """Where things of a kind are listed, the newest first, and the code for one that is not there."""

    path: str
    missing: str


WORKFLOW = Kind("/workflows", "workflow.not_found")
SCHEDULE = Kind("/schedules", "schedule.not_found")
JOB = Kind("/batch-jobs", "batch_job.not_found")
CONFIRMATION = Kind("/confirmations", "confirmation.not_found")


def found(api: Api, kind: Kind, text: str) -> str:
    """The whole id of what a text names; a Refusal when it names more than one.

    What nothing is called here is handed on if it could be an id: the server says that there is none, and records it.
    """
    if _is_id(text):
        return text
    if text == LAST:
        rows = _newest(api, kind.path)
        return str(rows[0]["id"]) if rows else _refuse(kind)
    named = [row for row in _rows(api, kind) if row.get("name") == text or _begins(str(row["id"]), text)]
    if len(named) > 1:
        told = ", ".join(str(row["id"]) for row in named[:TOLD]) + (", …" if len(named) > TOLD else "")
        raise Refusal.of(
            "id.ambiguous", f"{text!r} names {len(named)}: {told}.", then="Give more of the id.", ends=Exit.USAGE
        )
    if named:
        return str(named[0]["id"])
    return text if _PLAIN.fullmatch(text) else _refuse(kind)


def found_run(api: Api, text: str) -> str:
    """The same for a run, whose id is that of its job and a number."""
    if text == LAST:
        rows = _newest(api, "/runs")
        if not rows:
            raise Refusal.from_domain(DomainError("run.not_found"))
        return str(rows[0]["run_id"])
    job, dot, number = text.rpartition(".")
    return f"{found(api, JOB, job)}.{number}" if dot and job else text


def with_names(api: Api, pages: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Pages of what belongs to workflows, each row with the name of its own, as far as the key may read them."""
    names: dict[str, str] = {}
    for page in pages:
        for id in {row["workflow_id"] for row in page["data"]} - names.keys():
            try:
                names[id] = api.get(f"/workflows/{id}")["name"]
            except Refusal:
                names[id] = id
        yield {**page, "data": [{**row, "workflow_name": names[row["workflow_id"]]} for row in page["data"]]}


def _newest(api: Api, path: str) -> list[dict[str, Any]]:
    """The first row of a list, or none."""
    return [row for page in api.pages(path, limit=1) for row in page["data"]][:1]


def _rows(api: Api, kind: Kind) -> Iterator[dict[str, Any]]:
    for page in api.pages(kind.path, limit=MOST):
        yield from page["data"]


def _begins(id: str, text: str) -> bool:
    start = text.lower()
    return len(start) >= SHORTEST and bool(_BEGINNING.fullmatch(start)) and id.startswith(start)


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _refuse(kind: Kind) -> str:
    raise Refusal.from_domain(DomainError(kind.missing))


def _workflow(_type: Any, tokens: Sequence[Token]) -> str:
    return _of(WORKFLOW, tokens)


def _schedule(_type: Any, tokens: Sequence[Token]) -> str:
    return _of(SCHEDULE, tokens)


def _job(_type: Any, tokens: Sequence[Token]) -> str:
    return _of(JOB, tokens)


def _confirmation(_type: Any, tokens: Sequence[Token]) -> str:
    # The address that an agent handed on ends in the id.
    text = tokens[0].value.rstrip("/").rpartition("/")[2]
    return text if _is_id(text) else found(connect(), CONFIRMATION, text)


def _run(_type: Any, tokens: Sequence[Token]) -> str:
    text = tokens[0].value
    return text if _is_id(text.rpartition(".")[0]) else found_run(connect(), text)


def _of(kind: Kind, tokens: Sequence[Token]) -> str:
    text = tokens[0].value
    return text if _is_id(text) else found(connect(), kind, text)


WorkflowRef = Annotated[str, Parameter(converter=_workflow, help="Its id, a beginning of it, its name, or last.")]
ScheduleRef = Annotated[str, Parameter(converter=_schedule, help="Its id, a beginning of it, or last.")]
JobRef = Annotated[str, Parameter(converter=_job, help="Its id, a beginning of it, or last.")]
ConfirmationRef = Annotated[
    str,
    Parameter(
        converter=_confirmation, help="The id, a beginning of it, last, or the address that the agent handed on."
    ),
]
RunRef = Annotated[str, Parameter(converter=_run, help="Its id, one with a beginning of its job's, or last.")]

# The library of commands does not look for these below a union, so what may be left out has names of its own.
AnyWorkflow = Annotated[str | None, Parameter(converter=_workflow, help="Of this one: its id or name, or last.")]
AnySchedule = Annotated[str | None, Parameter(converter=_schedule, help="Of this one: its id, or last.")]
AnyJob = Annotated[str | None, Parameter(converter=_job, help="Of this one: its id, or last.")]

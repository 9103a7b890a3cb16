"""The workflow's guards."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from aggregates.errors import DomainError
from aggregates.workflow.aggregate import Workflow
from aggregates.workflow.definition import Definition
from tests.support.aggregates import given, meta, topics

CONTENT: dict[str, Any] = {
    "trigger": {"type": "batch", "filters": {"properties": []}},
    "steps": [{"id": "note", "name": "Note", "type": "capture", "config": {"message": "Hello"}}],
    "edges": [],
    "variables": [],
}
OTHER = {**CONTENT, "variables": [{"key": "greeting", "type": "string", "default": "hello"}]}


def draft() -> Workflow:
    return given(Workflow.create(UUID(int=2), name="Launch", description="", content=CONTENT, meta=meta()))


def proof() -> Definition:
    definition, problems = Definition.parse(CONTENT)
    assert definition is not None, problems
    return definition


def active() -> Workflow:
    return given(draft(), lambda workflow: workflow.enable(proof(), meta=meta()))


def edit(workflow: Workflow, **changes: Any) -> None:
    now = {"name": workflow.name, "description": "", "content": workflow.content, "made_against": None, **changes}
    workflow.edit(**now, meta=meta())


def test_content_moves_the_version_and_a_name_does_not() -> None:
    workflow = draft()
    edit(workflow, name="Renamed")
    assert workflow.content_version == 1
    edit(workflow, content=OTHER)
    assert (workflow.content_version, workflow.content) == (2, OTHER)


def test_an_edit_that_changes_nothing_records_nothing() -> None:
    workflow = draft()
    edit(workflow)
    assert topics(workflow) == []


def test_an_edit_of_an_old_version_is_stale() -> None:
    workflow = given(draft(), lambda w: edit(w, content=OTHER))
    with pytest.raises(DomainError) as refusal:
        edit(workflow, content=CONTENT, made_against=1)
    assert refusal.value.code == "workflow.stale"
    assert refusal.value.details == {"made_against": 1, "version": 2}


def test_an_active_workflow_is_not_edited() -> None:
    with pytest.raises(DomainError) as refusal:
        edit(active(), content=OTHER)
    assert refusal.value.code == "workflow.not_draft"


def test_going_active_needs_the_proof_that_the_content_is_valid() -> None:
    with pytest.raises(DomainError) as refusal:
        draft().enable(None, meta=meta())
    assert refusal.value.code == "workflow.invalid"


@pytest.mark.parametrize(
    ("start", "moves", "status"),
    [
        (draft, ["enable"], "active"),
        (draft, ["enable", "enable"], "active"),
        (active, ["disable"], "draft"),
        (active, ["archive"], "archived"),
        (draft, ["archive", "archive"], "archived"),
        (draft, ["archive", "restore"], "draft"),
        (draft, ["disable", "restore"], "draft"),
    ],
)
def test_legal_moves(start: Any, moves: list[str], status: str) -> None:
    workflow = start()
    for move in moves:
        run(workflow, move)
    assert workflow.status == status


@pytest.mark.parametrize(("before", "move"), [("archive", "enable"), ("archive", "disable")])
def test_illegal_moves_are_refused(before: str, move: str) -> None:
    workflow = given(draft(), lambda w: run(w, before))
    with pytest.raises(DomainError) as refusal:
        run(workflow, move)
    assert refusal.value.code == "workflow.archived"
    assert topics(workflow) == []


def test_restoring_an_active_workflow_is_refused() -> None:
    with pytest.raises(DomainError) as refusal:
        active().restore(meta=meta())
    assert refusal.value.code == "workflow.illegal_move"


def run(workflow: Workflow, move: str) -> None:
    if move == "enable":
        workflow.enable(proof(), meta=meta())
    else:
        getattr(workflow, move)(meta=meta())

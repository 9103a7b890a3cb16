"""What is live, or was: an agent stops it, and a person ends it, brings it back or makes it say yes by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from aggregates.base import Principal
from commands.schedule import DetachSchedule, PauseSchedule, ResumeSchedule, ReviseSchedule
from commands.terms import NEVER
from commands.workflow import (
    ArchiveWorkflow,
    CreateWorkflow,
    DisableWorkflow,
    EditWorkflow,
    EnableWorkflow,
    RestoreWorkflow,
)
from tests.commands.conftest import Desk, refused
from tests.support.product import EVERYONE, Json, Product


def agents(product: Product) -> list[Principal]:
    """An agent at every door, by what it came through and by its mark."""
    marked = [product.principal(id="bot", source=source, agent=True) for source in ("api", "web", "cli", "mcp")]
    return [product.principal(id="bot", source="mcp"), *marked]


# -- chain 20


def test_an_agent_does_not_restore_what_was_ever_active(desk: Desk) -> None:
    desk.product.ask(ArchiveWorkflow(desk.workflow_id), desk.agent)
    for agent in agents(desk.product):
        refusal = refused(desk.product, RestoreWorkflow(desk.workflow_id), agent)
        assert refusal.code == "workflow.not_for_agents"
        refused(desk.product, EditWorkflow(desk.workflow_id, desk.version, name="Other"), agent)
        refused(desk.product, EnableWorkflow(desk.workflow_id), agent)
    assert desk.workflow()["status"] == "archived"
    assert desk.product.ask(RestoreWorkflow(desk.workflow_id))["status"] == "draft"


def test_what_was_active_long_ago_is_the_same(desk: Desk) -> None:
    desk.rewrite(name="Other")
    desk.product.ask(DisableWorkflow(desk.workflow_id))
    desk.edit(steps=[{"id": "other", "name": "Other", "type": "capture", "config": {"message": "Hi"}}])
    desk.product.ask(ArchiveWorkflow(desk.workflow_id))
    refusal = refused(desk.product, RestoreWorkflow(desk.workflow_id), desk.agent)
    assert refusal.code == "workflow.not_for_agents"


def test_an_agent_restores_a_draft_that_nobody_was_ever_in(product: Product) -> None:
    draft = product.workflow(active=False)
    agent = product.principal(id="bot", agent=True)
    product.ask(ArchiveWorkflow(draft), agent)
    assert product.ask(RestoreWorkflow(draft), agent)["status"] == "draft"


def test_an_agent_edits_nothing_in_place_that_is_live(desk: Desk) -> None:
    for agent in agents(desk.product):
        command = EditWorkflow(desk.workflow_id, desk.version, name="Other")
        assert refused(desk.product, command, agent).code == "workflow.not_draft"
        assert refused(desk.product, DisableWorkflow(desk.workflow_id), agent).code == "workflow.not_for_agents"


# -- chain 21


def test_an_agent_does_not_detach_a_schedule_whatever_it_stands_at(desk: Desk) -> None:
    schedule_id = desk.attach()
    for agent in agents(desk.product):
        assert refused(desk.product, DetachSchedule(schedule_id), agent).code == "schedule.not_for_agents"
    desk.product.ask(PauseSchedule(schedule_id, "look first"), desk.agent)
    assert refused(desk.product, DetachSchedule(schedule_id), desk.agent).code == "schedule.not_for_agents"
    assert desk.product.ask(DetachSchedule(schedule_id))["status"] == "detached"


def ending(desk: Desk, **days: float) -> str:
    return (desk.product.clock.now() + timedelta(**days)).isoformat()


@pytest.mark.parametrize("later", [NEVER, "later"])
def test_an_agent_moves_no_end_of_an_approval_to_later(desk: Desk, later: str) -> None:
    schedule_id = desk.attach(approval_expires_at=ending(desk, days=9))
    ends = NEVER if later == NEVER else ending(desk, days=10)
    agent = desk.agent
    revise = ReviseSchedule(schedule_id, None, None, None, None, approval_expires_at=ends)
    for command in (revise, acknowledged(desk, revise, agent)):
        assert refused(desk.product, command, agent).code == "schedule.not_for_agents"
    desk.product.ask(PauseSchedule(schedule_id, "look first"))
    sized = {"schedule_id": schedule_id}
    resume = ResumeSchedule(schedule_id, *desk.token(agent, schedule=sized), approval_expires_at=ends)
    assert refused(desk.product, resume, agent).code == "schedule.not_for_agents"
    by_a_human = ResumeSchedule(schedule_id, *desk.token(schedule=sized), approval_expires_at=ends)
    assert desk.product.ask(by_a_human, desk.somebody)


def test_an_agent_brings_an_end_nearer_with_a_fresh_acknowledgement(desk: Desk) -> None:
    schedule_id = desk.attach(approval_expires_at=ending(desk, days=9))
    sooner = ReviseSchedule(schedule_id, approval_expires_at=ending(desk, days=1))
    assert refused(desk.product, sooner, desk.agent).code == "acknowledgement.missing"
    answer = desk.product.ask(acknowledged(desk, sooner, desk.agent), desk.agent)
    assert answer["approval_expires_at"] == sooner.approval_expires_at
    over = ReviseSchedule(schedule_id, rrule="FREQ=DAILY;UNTIL=20200101T000000")
    assert refused(desk.product, acknowledged(desk, over, desk.agent), desk.agent).code == "schedule.invalid"


def acknowledged(desk: Desk, command: ReviseSchedule, by: Principal) -> ReviseSchedule:
    count, token = desk.token(by, schedule={"schedule_id": command.schedule_id})
    return ReviseSchedule(**{**vars(command), "acknowledged_affected_count": count, "confirm_token": token})


# -- chain 29


def silent(*, on_expiry: str = "approved") -> dict[str, Any]:
    """Content whose approval step says yes by itself after a second."""
    ask: Json = {"instructions": "Right?", "expires_after": {"seconds": 1}, "on_expiry": on_expiry}
    end: Json = {"id": "end", "name": "End", "type": "exit", "config": {"reason": "done"}}
    steps = [{"id": "ask", "name": "Ask", "type": "approval", "config": ask}, end]
    edges = [{"from": "ask", "to": "end", "branch": way} for way in ("approved", "rejected")]
    return {"trigger": EVERYONE, "steps": steps, "edges": edges}


POINTER = "/steps/0/config/on_expiry"


def test_an_agent_saves_no_step_that_says_yes_by_itself(product: Product) -> None:
    draft = product.workflow(active=False)
    for agent in agents(product):
        for command in (CreateWorkflow("Launch", **silent()), EditWorkflow(draft, 1, **silent())):
            refusal = refused(product, command, agent)
            assert refusal.code == "workflow.invalid"
            assert (POINTER, "approval.expires_to_approved") in {(p.pointer, p.code) for p in refusal.problems}
    assert product.ask(CreateWorkflow("Launch", **silent(on_expiry="rejected")), agents(product)[0])["findings"] == []


def test_nor_one_that_sends_something_when_nobody_answers(product: Product) -> None:
    content = silent(on_expiry="rejected")
    mail = {"subject": "Anyway", "text": "Hello"}
    content["steps"].append({"id": "mail", "name": "Mail", "type": "email", "config": mail})
    wait = {"id": "wait", "name": "Wait", "type": "delay", "config": {"duration": "PT1H"}}
    content["steps"].append(wait)
    content["edges"] = [
        {"from": "ask", "to": "end", "branch": "approved"},
        {"from": "ask", "to": "wait", "branch": "rejected"},
        {"from": "wait", "to": "mail"},
    ]
    for agent in agents(product):
        refusal = refused(product, CreateWorkflow("Launch", **content), agent)
        assert (POINTER, "approval.expires_to_approved") in {(p.pointer, p.code) for p in refusal.problems}
    (finding,) = product.ask(CreateWorkflow("Launch", **content))["findings"]
    assert finding["severity"] == "warning"


def test_nor_does_it_hide_one_in_a_draft_that_is_not_finished(product: Product) -> None:
    unfinished = {"steps": silent()["steps"][:1]}
    refusal = refused(product, CreateWorkflow("Launch", **unfinished), product.principal(source="web", agent=True))
    assert [(p.pointer, p.code) for p in refusal.problems] == [(POINTER, "approval.expires_to_approved")]


def test_a_person_is_warned_of_it_and_an_agent_does_not_enable_it(product: Product) -> None:
    answer = product.ask(CreateWorkflow("Launch", **silent()))
    (finding,) = answer["findings"]
    assert (finding["pointer"], finding["code"], finding["severity"]) == (
        POINTER,
        "approval.expires_to_approved",
        "warning",
    )
    command = EnableWorkflow(UUID(answer["workflow_id"]))
    for agent in agents(product):
        assert refused(product, command, agent).code == "workflow.invalid"
    assert product.ask(command)["status"] == "active"

"""Chains 16, 17, 20, 21 and 29: who may allow it, and what an agent may not touch."""

from __future__ import annotations

import pytest

from tests.doors.doors import Key
from tests.reach.conftest import Open
from tests.reach.field import EMAIL, Field
from tests.support.product import Json

ASKS_ONLY: Json = {"instructions": "Is it right?", "expires_after": "PT1S", "on_expiry": "approved"}


def minted(field: Field, maker: Key, name: str, **fields: Json) -> Key:
    """A key that another one made over HTTP."""
    scopes = sorted(maker.scopes)
    made = field.post(maker, "/keys", {"name": name, "scopes": scopes, **fields}).ok
    return Key(made["key_id"], made["key"], maker.scopes, agent=False)


@pytest.mark.parametrize("how", ["minted", "minted twice", "same owner", "maker revoked"])
def test_16_nobody_approves_with_another_key_of_their_own(field_with: Open, how: str) -> None:
    field = field_with(approval_over=0)
    field.crowd(2)
    asker = field.key("asker", owner="ann")
    id = field.workflow(asker)
    held = field.run(asker, id).ok
    assert held["status"] == "held"
    other = field.key("other", owner="ann") if how == "same owner" else minted(field, asker, "second")
    if how == "minted twice":
        other = minted(field, other, "third")
    if how == "maker revoked":
        field.http(field.human, "DELETE", f"/keys/{asker.id}").done()
    sizing = field.size(other, id).ok
    proof = {"acknowledged_affected_count": 2, "confirm_token": sizing["confirm_token"]}
    assert field.post(other, f"/batch-jobs/{held['batch_job_id']}/approve", proof).code == "approval.own_request"
    assert field.confirm(other, held["batch_job_id"], 2).code == "approval.own_request"
    field.work()
    assert not field.mailed


def test_16_an_agents_human_who_made_its_key_cannot_confirm_for_it(field: Field) -> None:
    field.crowd(2)
    scopes = sorted(field.agent().scopes)
    made = field.post(field.owner, "/keys", {"name": "mine", "scopes": scopes, "agent": True}).ok
    agent = Key(made["key_id"], made["key"], frozenset(scopes), agent=True)
    held = field.run(agent, field.workflow()).ok
    assert field.confirm(field.owner, held["batch_job_id"], 2).code == "approval.own_request"
    assert field.confirm(field.human, held["batch_job_id"], 2).ok


def test_17_lifting_a_limit_needs_all_scopes_of_the_key(field: Field) -> None:
    agent = field.agent(limits={"max_audience": 1})
    weak = field.key("weak", scopes=frozenset({"key:admin", "workflow:read"}))
    for change in ({"max_audience": 100}, {"max_audience": None}, {"reach_per_day": 100}):
        assert field.http(weak, "PATCH", f"/keys/{agent.id}", change).code in {"scope.missing", "key.invalid"}
    assert field.http(field.owner, "PATCH", f"/keys/{agent.id}", {"agent": False}).code == "key.invalid"
    before = field.position
    assert field.http(field.owner, "PATCH", f"/keys/{agent.id}", {"max_audience": 100}).ok["position"] > before


def test_17_a_chain_lifts_nothing_of_its_own(field: Field) -> None:
    key = field.key("self", limits={"max_audience": 1})
    assert field.http(key, "PATCH", f"/keys/{key.id}", {"max_audience": 100}).code != "ok"
    child = minted(field, field.owner, "child", max_audience=1)  # type: ignore[arg-type]
    assert field.http(field.owner, "PATCH", f"/keys/{child.id}", {"max_audience": 100}).code == "key.own_chain"


@pytest.mark.parametrize("door", ["http", "mcp", "mixed"])
def test_20_an_agent_does_not_edit_what_is_live_by_way_of_the_archive(field: Field, door: str) -> None:
    agent, id = field.agent(), field.workflow()
    if door == "http":
        field.post(agent, f"/workflows/{id}/archive").done()
    else:
        field.tool(agent, "workflows-archive", workflow_id=id).done()
    assert field.post(agent, f"/workflows/{id}/restore").code == "workflow.not_for_agents"
    steps = [{**EMAIL, "config": {**EMAIL["config"], "subject": "Pay now"}}]
    change: Json = {"version": 1, "steps": steps}
    assert field.http(agent, "PATCH", f"/workflows/{id}", change).code != "ok"
    assert field.tool(agent, "workflows-update", workflow_id=id, **change).code != "ok"


def test_21_an_agent_does_not_end_what_is_live(relayed: Field) -> None:
    relayed.crowd(2)
    agent, id = relayed.agent(), relayed.workflow()
    terms = {"rrule": "FREQ=DAILY", "starts_at": "2026-01-01T09:00:00"}
    attached = relayed.post(relayed.owner, f"/workflows/{id}/schedules", {**terms, "acknowledged_affected_count": 2}).ok
    schedule = attached["schedule_id"]
    assert relayed.post(agent, f"/schedules/{schedule}/detach").code == "schedule.not_for_agents"
    assert relayed.post(agent, f"/workflows/{id}/disable").code == "workflow.not_for_agents"
    never = {"rrule": "FREQ=DAILY;UNTIL=20200101T000000", "acknowledged_affected_count": 2}
    assert relayed.http(agent, "PATCH", f"/schedules/{schedule}", never).code != "ok"
    assert relayed.http(relayed.owner, "GET", f"/schedules/{schedule}").ok["status"] == "active"


def test_29_an_agent_saves_no_approval_that_gives_itself(field: Field) -> None:
    ask = {"id": "ask", "name": "Ask", "type": "approval", "config": ASKS_ONLY}
    edges = [{"from": "ask", "to": "mail", "branch": way} for way in ("approved", "rejected")]
    content = {"name": "L", "trigger": {"type": "batch", "filters": {"properties": []}}, "steps": [ask, EMAIL]}
    said = field.post(field.agent(), "/workflows", {**content, "edges": edges})
    assert "approval.expires_to_approved" in {error["code"] for error in said.data["errors"]}
    findings = field.post(field.owner, "/workflows", {**content, "edges": edges}).ok["findings"]
    assert "approval.expires_to_approved" in {finding["code"] for finding in findings}

"""Chains 22, 23, 34 and 35: what repeats is confirmed for what it repeats."""

from __future__ import annotations

from tests.doors.doors import Key
from tests.reach.conftest import Open
from tests.reach.field import Field
from tests.support.product import Json

DAILY: Json = {"rrule": "FREQ=DAILY", "starts_at": "2026-01-01T09:00:00"}


def attach(field: Field, key: Key, id: str, **terms: Json) -> str:
    """A daily schedule of an agent's, with the token of a sizing for it."""
    asked = {**DAILY, **terms}
    recurrence = {name: asked[name] for name in ("rrule", "starts_at")}
    sizing = field.size(key, id, schedule=recurrence).ok
    proof = {"acknowledged_affected_count": sizing["affected"], "confirm_token": sizing["confirm_token"]}
    return str(field.post(key, f"/workflows/{id}/schedules", {**asked, **proof}).ok["schedule_id"])


def states(field: Field, schedule: str) -> list[str]:
    path = f"/schedules/{schedule}/occurrences?min_position={field.position}"
    return [row["state"] for row in field.http(field.owner, "GET", path).ok["data"] if row["state"] != "planned"]


def test_22_an_audience_re_tagged_under_the_ceiling_is_held(relayed: Field) -> None:
    relayed.crowd(4)
    relayed.crowd(4, plan="free", first=4)
    agent, id = relayed.agent(), relayed.workflow()
    schedule = attach(relayed, agent, id)
    relayed.crowd(4, plan="free")
    relayed.crowd(4, first=4)
    relayed.at_next(schedule)
    assert states(relayed, schedule) == ["held"]
    assert not relayed.mailed


def test_23_a_cap_split_over_workflows_is_one_budget(field_with: Open) -> None:
    field = field_with(confirmation="relayed", max_audience=5)
    field.crowd(4)
    agent = field.agent(limits={"max_audience": 5})
    ids = [field.workflow() for _ in range(3)]
    assert [field.run(agent, id).code for id in ids] == ["ok", "audience.over_budget", "audience.over_budget"]
    field.work()
    assert sum(field.mailed.values()) == 4


def test_23_halves_of_what_needs_approval_are_held_by_their_sum(field_with: Open) -> None:
    field = field_with(confirmation="relayed", approval_over=5)
    field.crowd(4)
    agent, id = field.agent(), field.workflow()
    assert [field.run(agent, id).ok["status"] for _ in range(2)] == ["queued", "held"]


def test_23_many_schedules_on_one_workflow_are_refused(relayed: Field) -> None:
    relayed.crowd(1)
    agent, id = relayed.agent(), relayed.workflow()
    attach(relayed, agent, id, rrule="FREQ=HOURLY")  # type: ignore[arg-type]
    asked = {**DAILY, "rrule": "FREQ=HOURLY", "starts_at": "2026-01-01T09:02:00"}
    sizing = relayed.size(agent, id, schedule=asked)
    if sizing.code == "ok":
        proof = {
            "acknowledged_affected_count": sizing.data["affected"],
            "confirm_token": sizing.data["confirm_token"],
        }
        sizing = relayed.post(agent, f"/workflows/{id}/schedules", {**asked, **proof})
    assert sizing.code in {"schedule.too_many", "schedule.invalid", "schedule.too_frequent"}


def test_34_a_schedule_revised_while_it_is_paused_needs_a_proof_of_the_new_terms(relayed: Field) -> None:
    relayed.crowd(2)
    agent, id = relayed.agent(), relayed.workflow()
    schedule = attach(relayed, agent, id)
    relayed.post(agent, f"/schedules/{schedule}/pause", {"note": "wait"}).done()
    old = relayed.size(agent, id, schedule={"schedule_id": schedule}).ok
    relayed.http(agent, "PATCH", f"/schedules/{schedule}", {"rrule": "FREQ=HOURLY"}).done()
    proof = {"acknowledged_affected_count": old["affected"], "confirm_token": old["confirm_token"]}
    assert relayed.post(agent, f"/schedules/{schedule}/resume", proof).code == "confirm.changed"
    relayed.later(days=2)
    assert not relayed.mailed


def test_34_an_edit_and_back_again_leaves_the_schedule_paused(relayed: Field) -> None:
    relayed.crowd(2)
    agent, id = relayed.agent(), relayed.workflow()
    schedule = attach(relayed, agent, id)
    whole = relayed.http(relayed.owner, "GET", f"/workflows/{id}").ok
    for trigger in ({"type": "batch", "filters": {"properties": []}}, whole["trigger"]):
        relayed.post(relayed.owner, f"/workflows/{id}/disable").done()
        version = relayed.http(relayed.owner, "GET", f"/workflows/{id}?min_position={relayed.position}").ok["version"]
        relayed.http(relayed.owner, "PATCH", f"/workflows/{id}", {"version": version, "trigger": trigger}).done()
        relayed.post(relayed.owner, f"/workflows/{id}/activate").done()
    relayed.later(days=2)
    assert not relayed.mailed
    status = relayed.http(relayed.owner, "GET", f"/schedules/{schedule}?min_position={relayed.position}").ok["status"]
    assert status == "paused"


def test_35_nothing_is_made_up_that_nobody_confirmed(relayed: Field) -> None:
    relayed.crowd(2)
    agent, id = relayed.agent(), relayed.workflow()
    schedule = attach(relayed, agent, id, catch_up="all", catch_up_window_minutes=31 * 24 * 60)  # type: ignore[arg-type]
    relayed.work()
    assert not relayed.mailed
    relayed.post(agent, f"/schedules/{schedule}/pause", {"note": "wait"}).done()
    relayed.later(days=5)
    sizing = relayed.size(agent, id, schedule={"schedule_id": schedule}).ok
    proof = {"acknowledged_affected_count": sizing["affected"], "confirm_token": sizing["confirm_token"]}
    relayed.post(agent, f"/schedules/{schedule}/resume", proof).done()
    relayed.workshop.scheduler.fire()
    relayed.work()
    assert not relayed.mailed

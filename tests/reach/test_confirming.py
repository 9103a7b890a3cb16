"""Chains 19, 24 to 28, 30 to 33, 36 and 38: a confirmation is of one thing, and nothing else passes for it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from random import Random  # noqa: TID251  # the seed is the test's

import pytest

from tests.reach.conftest import Open
from tests.reach.field import EMAIL, Field
from tests.support.product import Json

DAILY: Json = {"rrule": "FREQ=DAILY", "starts_at": "2026-01-01T09:00:00"}


def proof(sizing: Json) -> Json:
    return {"acknowledged_affected_count": sizing["affected"], "confirm_token": sizing["confirm_token"]}


def test_19_people_swapped_while_a_job_is_held_are_drift(field: Field) -> None:
    field.crowd(4)
    field.people("p4,p4@example.com,free").done()
    agent, id = field.agent(), field.workflow()
    held = field.run(agent, id).ok["batch_job_id"]
    field.people("p0,p0@example.com,free", "p4,p4@example.com,pro").done()
    for said in (
        field.confirm(field.human, held, 4),
        field.post(field.human, f"/batch-jobs/{held}/approve", {"acknowledged_affected_count": 4}),
    ):
        assert said.code == "audience.drift" and said.data["details"]["same_people"] is False
    field.work()
    assert not field.mailed


def test_24_who_had_it_before_is_counted_and_capped_where_policy_says_so(field_with: Open) -> None:
    field = field_with(confirmation="relayed", per_person="1/7")
    field.crowd(3)
    agent, id = field.agent(), field.workflow()
    field.run(agent, id).done()
    field.work()
    field.crowd(1, first=3)
    sizing = field.size(agent, id).ok
    assert (sizing["affected"], sizing["excluded"]["capped"]) == (1, 3)
    assert sizing["reached_before"] == 0
    field.later(days=8)
    sizing = field.size(agent, id).ok
    assert (sizing["affected"], sizing["reached_before"]) == (4, 3)


@pytest.mark.parametrize("confirmation", ["relayed", "witnessed"])
def test_25_what_a_human_paused_an_agent_does_not_resume(field_with: Open, confirmation: str) -> None:
    field = field_with(confirmation=confirmation)
    field.crowd(2)
    agent, id = field.agent(), field.workflow()
    job = field.run(agent, id).ok["batch_job_id"]
    if confirmation == "witnessed":
        field.confirm(field.human, job, 2).done()
    field.post(agent, f"/batch-jobs/{job}/pause", {"reason": "mine"}).done()
    field.post(field.owner, f"/batch-jobs/{job}/pause", {"reason": "wait"}).done()
    for said in (
        field.post(agent, f"/batch-jobs/{job}/resume"),
        field.tool(agent, "batch-jobs-resume", batch_job_id=job),
    ):
        assert said.code != "ok", said.data
    field.work()
    assert not field.mailed
    field.post(field.human, f"/batch-jobs/{job}/resume").done()
    field.work()
    assert sum(field.mailed.values()) == 2


def test_26_sized_while_nothing_would_leave_and_run_live(relayed: Field) -> None:
    relayed.crowd(2)
    agent, id = relayed.agent(), relayed.workflow()
    relayed.http(relayed.owner, "PUT", "/policy", {"send_mode": "capture"}).done()
    sizing = relayed.size(agent, id).ok
    relayed.http(relayed.owner, "PUT", "/policy", {}).done()
    said = relayed.run(agent, id, sizing)
    assert said.code == "confirm.changed" and "send_mode" in said.data["details"]["changed"]


def test_27_renamed_or_at_another_pace(relayed: Field) -> None:
    relayed.crowd(2)
    agent, id = relayed.agent(), relayed.workflow(name="Harmless newsletter")
    sizing = relayed.size(agent, id).ok
    for changed in ({"rate": "9/second"}, {"breaker": {"min_attempts": 10, "max_failure_ratio": 0.9}}):
        said = relayed.run(agent, id, sizing, **changed)
        assert said.code == "confirm.changed" and said.data["details"]["changed"] == ["pace"]
    relayed.post(relayed.owner, f"/workflows/{id}/disable").done()
    relayed.http(relayed.owner, "PATCH", f"/workflows/{id}", {"version": 1, "name": "Payment demand"}).done()
    relayed.post(relayed.owner, f"/workflows/{id}/activate").done()
    said = relayed.run(agent, id, sizing)
    assert said.code == "confirm.changed" and said.data["details"]["changed"] == ["name"]


def test_28_a_token_for_a_batch_buys_no_schedule(relayed: Field) -> None:
    relayed.crowd(2)
    agent, id = relayed.agent(), relayed.workflow()
    said = relayed.post(agent, f"/workflows/{id}/schedules", {**DAILY, **proof(relayed.size(agent, id).ok)})
    assert said.code == "confirm.changed" and "purpose" in said.data["details"]["changed"]
    sized = relayed.size(agent, id, schedule={**DAILY, "max_growth": 0.0}).ok
    for other in ({"rrule": "FREQ=HOURLY"}, {"max_growth": 0.1}, {"starts_at": "2026-01-02T09:00:00"}):
        terms = {**DAILY, "max_growth": 0.0, **proof(sized), **other}
        assert relayed.post(agent, f"/workflows/{id}/schedules", terms).code == "confirm.changed"
    assert relayed.run(agent, id, sized).code == "confirm.changed"
    relayed.post(agent, f"/workflows/{id}/schedules", {**DAILY, "max_growth": 0.0, **proof(sized)}).done()


def test_30_widened_after_the_number_was_shown(relayed: Field) -> None:
    relayed.crowd(2)
    relayed.crowd(2, plan="free", first=2)
    agent = relayed.agent()
    id = relayed.workflow(agent, active=False)
    sizing = relayed.size(agent, id).ok
    everyone = {"type": "batch", "filters": {"properties": []}}
    relayed.http(agent, "PATCH", f"/workflows/{id}", {"version": 1, "trigger": everyone}).done()
    relayed.post(agent, f"/workflows/{id}/activate").done()
    for count in (sizing["affected"], 4):
        said = relayed.run(agent, id, {**sizing, "affected": count})
        assert said.code in {"confirm.changed", "audience.drift"}


def test_31_a_token_of_something_else(relayed: Field) -> None:
    relayed.crowd(2)
    variables = [{"key": "greeting", "type": "string", "default": "Hello"}]
    agent, other = relayed.agent(), relayed.agent("other")
    id, elsewhere = relayed.workflow(variables=variables), relayed.workflow(variables=variables)
    good = relayed.size(agent, id).ok
    token = good["confirm_token"]
    assert len(token) <= 40
    wrong = {
        "principal": relayed.size(other, id).ok["confirm_token"],
        "workflow": relayed.size(agent, elsewhere).ok["confirm_token"],
        "variables": relayed.size(agent, id, variables={"greeting": "Pay"}).ok["confirm_token"],
    }
    for difference, found in wrong.items():
        said = relayed.run(agent, id, {**good, "confirm_token": found})
        assert said.code == "confirm.changed" and difference in said.data["details"]["changed"]
    for forged in (token[:-1], token + "x", "tgc_" + "A" * 22, token.swapcase()):
        assert relayed.run(agent, id, {**good, "confirm_token": forged}).code == "confirm.invalid"
    relayed.product.clock.advance(minutes=16)
    assert relayed.run(agent, id, good).code == "confirm.expired"


def test_32_one_token_at_once_buys_one_thing(relayed: Field) -> None:
    relayed.crowd(2)
    agent, id = relayed.agent(), relayed.workflow()
    sizing = relayed.size(agent, id).ok
    asks = [
        lambda: relayed.run(agent, id, sizing),
        lambda: relayed.run(agent, id, sizing, rate="9/second"),
        lambda: relayed.post(agent, f"/workflows/{id}/schedules", {**DAILY, **proof(sizing)}),
    ]
    with ThreadPoolExecutor(4) as threads:
        said = list(threads.map(lambda n: asks[n % 3](), range(21)))
    bought = {one.data.get("batch_job_id") or one.data.get("schedule_id") for one in said if one.code == "ok"}
    assert len(bought) == 1
    relayed.work()
    assert sum(relayed.mailed.values()) <= 2


def test_33_membership_that_flips_reaches_exactly_who_was_sized_or_nobody(relayed: Field) -> None:
    relayed.crowd(4)
    agent, id, chance = relayed.agent(), relayed.workflow(), Random(33)
    for _ in range(30):
        before = relayed.mailed
        sizing = relayed.size(agent, id).ok
        now = {f"p{n}@example.com" for n in range(4) if relayed_plan(relayed, n) == "pro"}
        flipped = [n for n in range(4) if chance.random() < 0.25]
        if flipped:
            rows = [f"p{n},p{n}@example.com,{'free' if relayed_plan(relayed, n) == 'pro' else 'pro'}" for n in flipped]
            relayed.people(*rows).done()
        said = relayed.run(agent, id, sizing)
        relayed.work()
        reached = set(relayed.mailed - before)
        assert reached == (now if said.code == "ok" else set()), said.data
        relayed.product.clock.advance(days=2)


def relayed_plan(field: Field, n: int) -> str:
    ((plan,),) = field.product.execute("SELECT properties ->> 'plan' FROM people WHERE distinct_id = :id", id=f"p{n}")
    return str(plan)


def test_36_a_draft_that_changed_while_the_job_was_held(field: Field) -> None:
    field.crowd(2)
    agent, id = field.agent(), field.workflow()
    held = field.run(agent, id).ok["batch_job_id"]
    field.post(field.owner, f"/workflows/{id}/archive").done()
    field.post(field.owner, f"/workflows/{id}/restore").done()
    steps = [{**EMAIL, "config": {**EMAIL["config"], "subject": "Pay now"}}]
    field.http(field.owner, "PATCH", f"/workflows/{id}", {"version": 1, "steps": steps}).done()
    field.post(field.owner, f"/workflows/{id}/activate").done()
    assert field.confirm(field.human, held, 2).code == "workflow.stale"
    field.work()
    assert not field.mailed


def test_38_a_confirm_url_allows_nothing_by_itself(field: Field) -> None:
    field.crowd(2)
    agent, id = field.agent(), field.workflow()
    held = field.run(agent, id).ok
    job, url = held["batch_job_id"], held["confirm_url"]
    assert url.endswith(f"/{job}")
    viewer = field.key("viewer", scopes=frozenset({"workflow:read", "run:read", "person:read"}))
    assert field.confirm(agent, job, 2).code in {"scope.missing", "approval.not_for_agents"}
    assert field.confirm(viewer, job, 2).code == "scope.missing"
    assert field.confirm(field.human, job, 3).code == "audience.drift"
    field.confirm(field.human, job, 2).done()
    again = field.confirm(field.human, job, 2)
    assert again.code != "ok" or again.data["status"] != "held"
    field.work()
    assert sum(field.mailed.values()) == 2
    field.product.clock.advance(hours=1)
    late = field.run(field.agent("late", limits={"reach_per_day": 100}), id).ok["batch_job_id"]
    field.later(hours=73)
    assert field.confirm(field.human, late, 2).code in {"batch_job.ended", "approval.expired"}
    field.work()
    assert sum(field.mailed.values()) == 2

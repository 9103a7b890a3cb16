"""Chains 6 to 12, 18 and 37: what was confirmed is people and their addresses."""

from __future__ import annotations

import pytest

from tests.reach.conftest import Open
from tests.reach.field import EMAIL, Field
from tests.support.product import Json, batch, person

ONE = batch(person("distinct_id", "exact", ["p0"]))
PAUSE: Json = {"id": "wait", "name": "Wait", "type": "delay", "config": {"duration": "P1D"}}
SWAPPED = ("p0,evil0@example.com,pro", "p1,evil1@example.com,pro")


def elsewhere(field: Field, to: str, **content: Json) -> str:
    """The code with which a letter to `to` is refused at its pointer."""
    steps = [{**EMAIL, "config": {**EMAIL["config"], "to": to}}]
    said = field.post(field.agent(), "/workflows", {"name": "Letter", "trigger": ONE, "steps": steps, **content})
    return next(str(error["code"]) for error in said.data["errors"] if error["pointer"] == "/steps/0/config/to")


def test_06_sixty_letters_to_literals_are_refused(field: Field) -> None:
    field.crowd(1)
    steps = [{**EMAIL, "id": f"m{n}", "config": {**EMAIL["config"], "to": f"x{n}@example.com"}} for n in range(60)]
    edges = [{"from": f"m{n}", "to": f"m{n + 1}", "branch": "next"} for n in range(59)]
    said = field.post(field.agent(), "/workflows", {"name": "L", "trigger": ONE, "steps": steps, "edges": edges})
    codes = [error["code"] for error in said.data["errors"]]
    assert codes.count("email.to_elsewhere") == 60


def test_07_another_property_is_refused(field: Field) -> None:
    assert elsewhere(field, "{{ person.properties.friend }}") == "email.to_elsewhere"


def test_08_a_variable_is_refused(field: Field) -> None:
    variables = [{"key": "to", "type": "string", "default": "x@example.com"}]
    assert elsewhere(field, "{{ variables.to }}", variables=variables) == "email.to_elsewhere"  # type: ignore[arg-type]


@pytest.mark.parametrize("confirmation", ["relayed", "witnessed"])
def test_09_an_address_swapped_after_the_sizing_is_drift(field_with: Open, confirmation: str) -> None:
    field = field_with(confirmation=confirmation)
    field.crowd(2)
    agent, id = field.agent(), field.workflow()
    sizing = field.size(agent, id).ok
    field.people(*SWAPPED).done()
    said = field.run(agent, id, sizing)
    assert said.code == "audience.drift" and said.data["details"]["same_people"] is False
    field.work()
    assert not field.mailed


def test_10_an_address_swapped_after_a_freeze_is_skipped(relayed: Field) -> None:
    relayed.crowd(2)
    agent, id = relayed.agent(), relayed.workflow()
    sizing = relayed.size(agent, id, freeze=True).ok
    relayed.people(SWAPPED[0]).done()
    job = relayed.run(agent, id, sizing).ok["batch_job_id"]
    relayed.work()
    assert relayed.mailed == {"p1@example.com": 1}
    assert relayed.reasons(job) == {"address_changed": 1, "delivered": 1}


def test_11_an_address_swapped_during_a_wait_is_skipped(relayed: Field) -> None:
    relayed.crowd(2)
    edges = [{"from": "wait", "to": "mail", "branch": "next"}]
    agent, id = relayed.agent(), relayed.workflow(steps=[PAUSE, EMAIL], edges=edges)
    job = relayed.run(agent, id).ok["batch_job_id"]
    relayed.work()
    relayed.people(*SWAPPED).done()
    relayed.later(days=2)
    assert not relayed.mailed and relayed.reasons(job) == {"address_changed": 2}


def test_11_an_address_swapped_while_a_job_is_held_is_drift(field: Field) -> None:
    field.crowd(2)
    agent, id = field.agent(), field.workflow()
    held = field.run(agent, id).ok
    assert held["status"] == "held"
    field.people(*SWAPPED).done()
    said = field.confirm(field.human, held["batch_job_id"], 2)
    assert said.code == "audience.drift" and said.data["details"]["same_people"] is False
    field.work()
    assert not field.mailed


def test_11_an_address_swapped_before_a_retry_is_skipped(relayed: Field) -> None:
    relayed.crowd(2)
    agent, id = relayed.agent(), relayed.workflow()
    relayed.mail.reply = "550 5.7.1 Not today"
    job = relayed.run(agent, id).ok["batch_job_id"]
    relayed.work()
    assert relayed.status(job) == "completed_with_failures"
    relayed.mail.reply = None
    relayed.people(SWAPPED[0]).done()
    sizing = relayed.post(agent, f"/batch-jobs/{job}/blast-radius").ok
    proof = {"acknowledged_affected_count": sizing["affected"], "confirm_token": sizing["confirm_token"]}
    again = relayed.post(agent, f"/batch-jobs/{job}/retry-failed", proof).ok["batch_job_id"]
    relayed.work()
    assert relayed.mailed == {"p1@example.com": 1}
    assert relayed.reasons(again)["address_changed"] == 1


def test_11_an_address_swapped_while_a_rate_makes_it_wait_is_skipped(relayed: Field) -> None:
    relayed.crowd(2)
    agent, id = relayed.agent(), relayed.workflow()
    sizing = relayed.size(agent, id, rate="1/hour").ok
    job = relayed.run(agent, id, sizing, rate="1/hour").ok["batch_job_id"]
    relayed.work()
    assert sum(relayed.mailed.values()) == 1
    relayed.people(*SWAPPED).done()
    relayed.product.execute("UPDATE sending_pace SET free_at = now() - interval '1 second'")
    relayed.product.execute("UPDATE chunks SET leased_until = now() - interval '1 second'")
    relayed.work()
    assert sum(relayed.mailed.values()) == 1 and relayed.reasons(job)["address_changed"] == 1


def test_12_an_address_swapped_and_swapped_back_is_the_confirmed_one(relayed: Field) -> None:
    relayed.crowd(2)
    agent, id = relayed.agent(), relayed.workflow()
    sizing = relayed.size(agent, id).ok
    relayed.people(*SWAPPED).done()
    relayed.crowd(2)
    relayed.run(agent, id, sizing).done()
    relayed.work()
    assert relayed.mailed == {"p0@example.com": 1, "p1@example.com": 1}


def test_18_an_opted_out_address_is_excluded_under_any_id(field: Field) -> None:
    field.people("gone,gone@exämple.com,free,true", header="distinct_id,email,plan,opted_out").done()
    field.people(
        "a,Gone@Exämple.com,pro",
        "b,gone@exa\u0308mple.com,pro",
        "c,gone@xn--exmple-cua.com,pro",
        "d,gone+x@exämple.com,pro",
    ).done()
    sizing = field.size(field.owner, field.workflow()).ok
    assert (sizing["affected"], sizing["excluded"]["opted_out"]) == (1, 3)


def test_37_a_webhook_and_a_step_of_another_package_count_as_sending(field: Field) -> None:
    field.crowd(1)
    step: Json = {
        "id": "call", "name": "Call", "type": "webhook",
        "config": {"url": f"{field.hook.url}/hook", "body": {"to": "{{ inputs.list }}"}},
    }  # fmt: skip
    agent = field.agent()
    id = field.workflow(agent, trigger={"type": "manual", "inputs": {"list": {"type": "string"}}}, steps=[step])
    said = field.post(agent, f"/workflows/{id}/run", {"inputs": {"list": "a@example.com,b@example.com"}})
    assert said.ok["batch_job_status"] == "held"
    field.work()
    assert field.hook.book.total == 0
    batched = field.workflow(steps=[{**step, "config": {"url": f"{field.hook.url}/hook"}}])
    told = field.tool(agent, "workflows-blast-radius", workflow_id=batched).ok
    assert "whoever the receiver tells" in str(told)

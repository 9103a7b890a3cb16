"""Consent and addresses in commands: who may say what, what the log keeps of it, and what a swapped address does."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest

from aggregates.errors import DomainError
from commands.batch_job import RunBatch
from commands.consent import OptIn, OptOut, Suppress, Unsuppress
from commands.people import CreateCohort, ImportPeople
from commands.workflow import CreateWorkflow, EditWorkflow
from tests.commands.conftest import Desk, refused
from tests.support.product import CAPTURE, EVERYONE, Product

MAIL = {"id": "mail", "name": "Mail", "type": "email", "config": {"subject": "Hello", "text": "Hi"}}


def blind(product: Product) -> Any:
    principal = product.principal(id="blind")
    return replace(principal, scopes=principal.scopes - {"person:read"})


def test_an_opt_out_holds_for_the_person_the_address_and_whoever_has_it(product: Product) -> None:
    ids = product.add_people(2)
    product.execute("UPDATE people SET email = 'P1@Example.com' WHERE id = :id", id=ids[1])
    answer = product.ask(OptOut(person_id=ids[0]))
    assert answer["position"] > 0
    again = product.ask(OptOut(distinct_id="p1"))
    assert again["position"] == 0
    workflow_id = product.workflow(steps=[MAIL])
    assert product.size(workflow_id)["excluded"]["opted_out"] == 2
    assert product.ask(OptIn(address="p1@EXAMPLE.com"))["position"] > 0
    assert product.size(workflow_id)["excluded"]["opted_out"] == 0


def test_the_log_keeps_no_address(product: Product) -> None:
    (id,) = product.add_people(1)
    for command in (OptOut(person_id=id, topic="news", reason="asked"), Suppress("p1@example.com", "complaint")):
        assert product.ask(command) is not None
    found = product.execute("SELECT state FROM log WHERE topic IN ('people.opted_out.v1', 'people.suppressed.v1')")
    states = [bytes(row[0]) for row in found]
    assert len(states) == 2
    assert not [state for state in states if b"p1" in state or b"example" in state]


@pytest.mark.parametrize("command", [OptIn(address="a@example.com"), Unsuppress("a@example.com")])
def test_an_agent_lets_nobody_be_written_to_again(product: Product, command: Any) -> None:
    agent = product.principal(id="agent", source="mcp")
    assert refused(product, command, agent).code == "consent.not_for_agents"


def test_a_person_named_by_id_needs_person_read_and_an_address_tells_nothing(product: Product) -> None:
    product.add_people(1)
    who = blind(product)
    for command in (OptOut(person_id=1), OptOut(distinct_id="p1"), OptOut(person_id=99), OptIn(distinct_id="x")):
        assert refused(product, command, who).details == {"missing": ["person:read"]}
    for _ in range(2):
        for address in ("p1@example.com", "stranger@example.com"):
            answer = product.ask(OptOut(address=address), who)
            assert answer.pop("position") > 0
            assert answer == {"topic": "", "reason": "", "source": ""}


def test_a_foreign_and_an_unknown_person_are_not_found_alike(product: Product) -> None:
    (foreign,) = product.add_people(1, product.other_project())
    for command in (OptOut(person_id=foreign), OptOut(person_id=2**50), OptOut(distinct_id="p1")):
        assert refused(product, command).code == "person.not_found"


@pytest.mark.parametrize(
    ("command", "pointer"),
    [
        (OptOut(), ""),
        (OptOut(person_id=1, address="a@example.com"), ""),
        (OptOut(address="a..b@example.com"), "/address"),
        (OptOut(address="a@example.com", topic="No Topic"), "/topic"),
        (OptOut(address="a@example.com", reason="Ann asked us to"), "/reason"),
        (Suppress("a@example.com", "because"), "/reason"),
    ],
)
def test_bad_input_names_its_field(product: Product, command: Any, pointer: str) -> None:
    refusal = refused(product, command)
    assert (refusal.code, [problem.pointer for problem in refusal.problems]) == ("request.invalid", [pointer])


@pytest.mark.parametrize("carried", [{"members": ["p1"]}, {"conditions": EVERYONE["filters"]["properties"] or [1]}])
def test_a_static_cohort_of_somebody_needs_person_read(product: Product, carried: Any) -> None:
    product.add_people(1)
    assert refused(product, CreateCohort("C", "static", **carried), blind(product)).code == "scope.missing"
    assert product.ask(CreateCohort("C", "static"), blind(product))["members"] == 0


def test_only_an_unguarded_principal_saves_what_is_transactional(product: Product) -> None:
    agent = product.principal(id="agent", source="mcp")
    content: Any = {"trigger": EVERYONE, "steps": [CAPTURE], "purpose": "transactional", "topic": "receipts"}
    assert refused(product, CreateWorkflow("W", **content), agent).code == "workflow.transactional_not_for_agents"
    made = UUID(product.ask(CreateWorkflow("W", **content))["workflow_id"])
    # Nor may it change the text of one that a human has made so.
    edit = EditWorkflow(made, version=1, steps=[{**CAPTURE, "name": "Other"}])
    assert refused(product, edit, agent).code == "workflow.transactional_not_for_agents"
    product.catch_up()
    row = product.system.reads.workflows.get(product.principal(), made)
    assert (row["purpose"], row["topic"]) == ("transactional", "receipts")


def test_a_swapped_address_is_drift_at_the_guard_and_at_enrolment(product: Product) -> None:
    desk = Desk(product, steps=[MAIL])
    count, token = desk.token()
    first, second = desk.pro
    job = desk.run()
    for person_id in (first, second):
        product.execute("UPDATE people SET email = 'x' || email WHERE id = :id", id=person_id)
    with pytest.raises(DomainError) as refusal:
        product.ask(RunBatch(desk.workflow_id, count, token), desk.somebody)
    assert (refusal.value.code, refusal.value.details["same_people"]) == ("audience.drift", False)
    desk.enrol(job)
    assert (product.job(job)["status"], desk.enrolled(job)) == ("failed", [])
    # Swapped back, the people and addresses are those that were confirmed.
    product.execute("UPDATE people SET email = substr(email, 2) WHERE email LIKE 'x%'")
    assert product.ask(RunBatch(desk.workflow_id, count, token), desk.somebody)["status"] == "queued"


def test_an_import_that_changed_something_is_in_the_log_with_its_counts(product: Product) -> None:
    file = b"distinct_id,email\nu1,u1@example.com\n"
    for moved in (True, False):
        answer = product.ask(ImportPeople(BytesIO(file), "csv"))
        assert (answer["position"] > 0) == moved
    (state,) = product.execute("SELECT state FROM log WHERE topic = 'people.imported.v1'")
    assert b'"inserted":1' in bytes(state[0]).replace(b" ", b"") and b"u1" not in bytes(state[0])

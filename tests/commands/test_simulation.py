"""Simulation: real people through the real graph, and nothing happens."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from commands.simulation import MOST_PEOPLE, SimulateWorkflow
from commands.workflow import CreateWorkflow
from tests.commands.conftest import PRO, refused
from tests.support.product import Product, batch, person
from tests.support.walks import chain, in_window, step

Json = dict[str, Any]

HOOK = step("hook", "webhook", {"url": "https://example.com/hook", "body": {"n": "{{ person.properties.n }}"}})
MAIL = step("mail", "email", {"subject": "For {{ person.properties.name }}", "text": "Hi"})
DELAY = step("delay", "delay", {"duration": "P30D"})
ASK = step("ask", "approval", {"instructions": "?", "expires_after": {"days": 3}, "on_expiry": "rejected"})
YES, NO = step("yes", "capture", {"message": "yes"}), step("no", "exit", {"reason": "no"})
ANSWERED = [{"from": "ask", "to": "yes", "branch": "approved"}, {"from": "ask", "to": "no", "branch": "rejected"}]


ANSWERS = {"approved": "delivered", "rejected": "exited", "expired": "exited"}


def everything(product: Product) -> dict[str, int]:
    """How many rows every table of the product has."""
    names = product.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    return {name: product.execute(f"SELECT count(*) FROM {name}")[0][0] for (name,) in names}


def simulated(product: Product, workflow_id: UUID, **asked: Any) -> Json:
    """A simulation, after a look whether it has left anything behind."""
    before = everything(product)
    answer = product.ask(SimulateWorkflow(workflow_id, **asked))
    assert everything(product) == before
    return answer


def test_people_walk_through_waits_and_effects_and_nothing_is_left_behind(product: Product) -> None:
    product.add_people(7)
    workflow_id = product.workflow(active=False, **chain(DELAY, HOOK, in_window(timezone="UTC"), MAIL))
    answer = simulated(product, workflow_id, sample=5)
    assert (answer["people"], answer["outcomes"]) == (5, {"delivered": 5})
    for run in answer["runs"]:
        assert [note["outcome"] for note in run["steps"] if note["step"] != "window"] == [
            "waited",
            "captured",
            "captured",
        ]
        (hook,) = (note for note in run["steps"] if note["step"] == "hook")
        n = product.execute("SELECT properties ->> 'n' FROM people WHERE id = :id", id=run["person_id"])[0][0]
        assert hook["output"]["body"] == {"n": int(n)}
    assert answer["missing_fields"] == {"n": 0, "name": 5}


def test_the_sample_is_of_the_audience_and_the_same_each_time(product: Product) -> None:
    product.add_people(20)
    workflow_id = product.workflow(trigger=PRO)
    first, second = simulated(product, workflow_id, sample=4), simulated(product, workflow_id, sample=4)
    assert [run["person_id"] for run in first["runs"]] == [run["person_id"] for run in second["runs"]]
    ids = [run["person_id"] for run in first["runs"]]
    plans = product.execute("SELECT DISTINCT properties ->> 'plan' FROM people WHERE id = ANY (:ids)", ids=ids)
    assert plans == [("pro",)]


def test_branches_are_counted(product: Product) -> None:
    product.add_people(10)
    branch = step("which", "conditional_branch", {"conditions": [{"name": "pro", "filters": PRO["filters"]}]})
    edges = [{"from": "which", "to": "yes", "branch": "pro"}, {"from": "which", "to": "no", "branch": "else"}]
    answer = simulated(product, product.workflow(steps=[branch, YES, NO], edges=edges))
    assert answer["outcomes"] == {"delivered": 5, "exited": 5}
    steps = {row["id"]: row for row in answer["steps"]}
    assert steps["which"]["ways"] == {"pro": 5, "else": 5}
    assert (steps["yes"]["passed"], steps["no"]["passed"]) == (5, 5)


@pytest.mark.parametrize(
    ("decisions", "outcome"),
    [
        ({}, "delivered"),
        ({"ask": "approved"}, "delivered"),
        ({"ask": "rejected"}, "exited"),
        ({"ask": "expired"}, "exited"),
    ],
)
def test_an_approval_is_answered_as_the_simulation_says(product: Product, decisions: Json, outcome: str) -> None:
    product.add_people(2)
    workflow_id = product.workflow(steps=[ASK, YES, NO], edges=ANSWERED)
    assert simulated(product, workflow_id, decisions=decisions)["outcomes"] == {outcome: 2}


def test_named_people_are_walked_and_it_is_said_who_would_not_be_reached(product: Product) -> None:
    product.add_people(4)
    product.execute("UPDATE people SET opted_out_at = now() WHERE distinct_id = 'p3'")
    answer = simulated(product, product.workflow(trigger=PRO), people=["p1", "p2", "p3"])
    because = {run["distinct_id"]: run["not_reached_because"] for run in answer["runs"]}
    assert because == {"p1": None, "p2": "not_matched", "p3": "opted_out"}
    assert answer["outcomes"] == {"delivered": 3}


def test_a_circle_with_a_wait_in_it_comes_to_an_end(product: Product) -> None:
    product.add_people(1)
    content = chain(step("note", "capture", {"message": "again"}), DELAY)
    edges = [*content["edges"], {"from": "delay", "to": "note"}]
    answer = simulated(product, product.workflow(steps=content["steps"], edges=edges))
    assert answer["outcomes"] == {"waiting": 1}


def test_a_manual_workflow_is_walked_once_with_its_inputs(product: Product) -> None:
    trigger = {"type": "manual", "inputs": {"order": {"type": "string", "required": True}}}
    workflow_id = product.workflow(trigger=trigger, steps=[step("note", "capture", {"message": "{{ inputs.order }}"})])
    answer = simulated(product, workflow_id, inputs={"order": "A-1"})
    (run,) = answer["runs"]
    assert (run["steps"][0]["output"], run["person_id"]) == ({"message": "A-1"}, None)
    assert refused(product, SimulateWorkflow(workflow_id)).code == "inputs.invalid"


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"sample": 0}, "/sample"),
        ({"sample": MOST_PEOPLE + 1}, "/sample"),
        ({"people": ["p1", "stranger"]}, "/people/1"),
        ({"people": ["p1"] * (MOST_PEOPLE + 1)}, "/people"),
        ({"decisions": {"note": "approved"}}, "/decisions/note"),
        ({"inputs": {"order": "A"}}, "/inputs"),
    ],
)
def test_what_cannot_be_simulated_is_named(product: Product, asked: Json, pointer: str) -> None:
    product.add_people(1)
    refusal = refused(product, SimulateWorkflow(product.workflow(), **asked))
    assert (refusal.code, [problem.pointer for problem in refusal.problems]) == ("request.invalid", [pointer])


def test_a_person_of_another_project_is_unknown(product: Product) -> None:
    product.add_people(1, product.other_project(), distinct_id="foreign")
    refusal = refused(product, SimulateWorkflow(product.workflow(), people=["foreign"]))
    assert [problem.code for problem in refusal.problems] == ["person.unknown"]


def test_an_unfinished_draft_cannot_be_simulated_and_every_problem_is_told(product: Product) -> None:
    web = product.principal(source="web")
    draft = product.ask(CreateWorkflow(name="Draft", trigger=batch(person("n", "gt", 1)), steps=[{"id": "x"}]), web)
    assert refused(product, SimulateWorkflow(UUID(draft["workflow_id"]))).code == "workflow.invalid"


def test_it_needs_to_see_people(product: Product) -> None:
    workflow_id = product.workflow()
    refusal = refused(product, SimulateWorkflow(workflow_id), product.principal(without=["person:read"]))
    assert refusal.code == "scope.missing"


def test_numbers_and_types_come_out_as_people_have_them(product: Product) -> None:
    numbers = '{"small": 0.00001, "long": 12345678901234567890.125, "n": 5, "f": 2.50, "l": [1, {"a": 1.5}]}'
    product.add_people(1)
    product.execute("UPDATE people SET properties = CAST(:numbers AS jsonb)", numbers=numbers)
    texts = {"text": "{{ person.properties.small }} {{ person.properties.long }} {{ person.properties.f }}"}
    typed = {name: f"{{{{ person.properties.{name} }}}}" for name in ("small", "n", "f", "l", "missing")}
    hook = step("hook", "webhook", {"url": "https://example.com/hook", "body": texts | typed})
    answer = simulated(product, product.workflow(active=False, **chain(hook)))
    assert answer["runs"][0]["steps"][0]["output"]["body"] == {
        "text": "0.00001 12345678901234567890.125 2.50",
        "small": 0.00001,
        "n": 5,
        "f": 2.5,
        "l": [1, {"a": 1.5}],
        "missing": None,
    }


def test_now_is_the_products_clock(product: Product) -> None:
    product.add_people(1)
    year = step("year", "capture", {"message": "{{ 'now' | date: '%Y-%m-%d' }}"})
    answer = simulated(product, product.workflow(active=False, **chain(year)))
    assert answer["runs"][0]["steps"][0]["output"]["message"] == f"{product.system.clock.now():%Y-%m-%d}"


def test_a_costly_template_fails_those_people_with_a_reason(product: Product) -> None:
    product.add_people(30)
    body = "{% for i in (1..900) %}{% assign b = 'a b c d e f g h i' | split: ' ' | uniq %}{% endfor %}"
    costly = step("costly", "capture", {"message": "{{ person.properties.n }}" + body})
    answer = simulated(product, product.workflow(active=False, **chain(costly)), sample=30)
    reasons = [run["reason"] for run in answer["runs"]]
    assert reasons == ["template.over_limit"] * 20 + ["template.together_over_limit"] * 10


def test_a_template_that_fails_for_everybody_is_not_saved(product: Product) -> None:
    hopeless = step("hopeless", "capture", {"message": "{{ person.properties.d | date: '%D' }}"})
    refusal = refused(product, CreateWorkflow(name="Hopeless", trigger=batch(), **chain(hopeless)))
    assert [(p.pointer, p.code) for p in refusal.problems] == [("/steps/0/config/message", "template.never_renders")]

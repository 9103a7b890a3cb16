"""An audience that names what no person has is saved with a warning, for those who may know what people are like."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from commands.workflow import CreateWorkflow, EditWorkflow, EnableWorkflow
from tests.support.product import CAPTURE, Json, Product, batch, person

PLACE = "/trigger/filters/properties/0"
BRANCH: Json = {
    "id": "which",
    "type": "conditional_branch",
    "config": {"conditions": [{"name": "gold", "filters": {"properties": [person("plna", "exact", "gold")]}}]},
}


@pytest.fixture(autouse=True)
def people(product: Product) -> None:
    product.add_people(12)


def told(answer: Json) -> list[tuple[str, str, Any]]:
    return [(each["pointer"], each["code"], each.get("example")) for each in answer["findings"]]


def test_saving_editing_enabling_and_sizing_name_the_nearest_key(product: Product) -> None:
    found = [(f"{PLACE}/key", "condition.key_unknown", "plan")]
    trigger = batch(person("plna", "exact", "pro"))
    made = product.ask(CreateWorkflow(name="Launch", trigger=trigger, steps=[CAPTURE]))
    assert told(made) == found
    assert made["findings"][0]["severity"] == "warning"
    id = UUID(made["workflow_id"])
    assert told(product.ask(EditWorkflow(id, version=1, name="Renamed"))) == found
    assert told(product.ask(EnableWorkflow(id))) == found
    assert told(product.size(id)) == found


def test_what_is_right_has_no_findings(product: Product) -> None:
    id = product.workflow(trigger=batch(person("plan", "exact", "pro"), person("n", "gt", 3)))
    assert product.size(id)["findings"] == []


def test_the_conditions_of_a_branch_are_looked_at_too(product: Product) -> None:
    steps = [BRANCH, {**CAPTURE, "id": "a"}, {**CAPTURE, "id": "b"}]
    edges = [{"from": "which", "to": "a", "branch": "gold"}, {"from": "which", "to": "b", "branch": "else"}]
    made = product.ask(CreateWorkflow(name="Launch", trigger=batch(), steps=steps, edges=edges))
    (found,) = told(made)
    assert found[0].startswith("/steps/0/config/conditions/0/")


def test_a_key_that_may_not_read_people_learns_nothing_of_them(product: Product) -> None:
    blind = product.principal(without=["person:read"])
    answers = []
    for condition in (person("plna", "exact", "pro"), person("plan", "exact", "pro"), person("plan", "gt", 1)):
        command = CreateWorkflow(name="Launch", trigger=batch(condition), steps=[CAPTURE])
        made = product.ask(command, blind)
        answers.append(made["findings"])
        answers.append(product.ask(EnableWorkflow(UUID(made["workflow_id"])), blind)["findings"])
    assert answers == [[]] * 6

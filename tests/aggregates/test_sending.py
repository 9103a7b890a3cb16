"""To whom emails go, and how many messages one person can get: decided from the content and the policy alone."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from aggregates.policy import Limits, Policy
from aggregates.workflow.definition import Definition
from aggregates.workflow.sending import sending_problems

POLICY = Policy(5000, None, 0.1, 60, "live", 15, 72, max_sends=5, notify_addresses=("ops@example.com",))
EVERYONE = {"type": "batch", "filters": {"properties": []}}
MANUAL = {"type": "manual", "inputs": {"to": {"type": "address"}, "text": {"type": "string"}}}
VARIABLES = [{"key": "to", "type": "string", "default": "x@example.com"}]


def mail(id: str = "mail", **config: Any) -> dict[str, Any]:
    return {"id": id, "type": "email", "config": {"subject": "Hello", "text": "Hi", **config}}


def hook(id: str) -> dict[str, Any]:
    return {"id": id, "type": "webhook", "config": {"url": "https://example.com"}}


def chain(*steps: dict[str, Any], trigger: Any = EVERYONE) -> dict[str, Any]:
    edges = [{"from": a["id"], "to": b["id"]} for a, b in pairwise(steps)]
    return {"trigger": trigger, "steps": list(steps), "edges": edges, "variables": VARIABLES}


def found(content: Any, policy: Policy = POLICY) -> list[tuple[str, str]]:
    return [(problem.code, problem.pointer) for problem in sending_problems(content, policy)]


@pytest.mark.parametrize("to", ["{{ person.email }}", "{{person.email}}", "{{   person.email\t}}", "ops@example.com"])
def test_a_batch_writes_to_the_person_or_to_a_listed_colleague(to: str) -> None:
    assert found(chain(mail(to=to))) == []


@pytest.mark.parametrize(
    "to",
    [
        "{{ person.properties.other }}",
        "{{ variables.to }}",
        "{{ person.email | downcase }}",
        "{{ person.email }}, x@example.com",
        "x{{ person.email }}",
        "{% if true %}x@example.com{% endif %}",
        "{{ 'x@example.com' }}",
        "{{- person.email -}}",
        " {{ person.email }}",
        "x@example.com",
        "OPS@example.org",
        "nobody",
    ],
)
def test_everything_else_in_a_batch_is_elsewhere(to: str) -> None:
    assert found(chain(mail(to=to))) == [("email.to_elsewhere", "/steps/0/config/to")]


def test_without_a_field_the_person_is_written_to() -> None:
    assert found(chain(mail())) == []


@pytest.mark.parametrize("to", ["{{ inputs.to }}", "{{inputs.to}}", "Ops@Example.com"])
def test_a_manual_run_writes_to_an_input_of_type_address(to: str) -> None:
    assert found(chain(mail(to=to), trigger=MANUAL)) == []


@pytest.mark.parametrize("to", ["{{ inputs.text }}", "{{ inputs.none }}", "{{ person.email }}", "{{ inputs.to }}x"])
def test_a_manual_run_writes_to_nothing_else(to: str) -> None:
    assert found(chain(mail(to=to), trigger=MANUAL)) == [("email.to_elsewhere", "/steps/0/config/to")]


def test_every_pointer_is_named_also_where_the_rest_cannot_be_read() -> None:
    content = chain(*(mail(f"m{n}", to=f"p{n}@example.com") for n in range(3)), {"id": "x", "type": "nothing"})
    assert [pointer for code, pointer in found(content) if code == "email.to_elsewhere"] == [
        f"/steps/{n}/config/to" for n in range(3)
    ]


def test_an_address_is_a_type_of_inputs_and_its_value_is_one_address() -> None:
    definition, problems = Definition.parse(chain(mail(to="{{ inputs.to }}"), trigger=MANUAL))
    assert definition is not None, problems
    assert definition.merge_inputs({"to": "ann@example.com"})[1] == []
    for value in ("ann", "a@example.com, b@example.com", "Ann <ann@example.com>", "", 5):
        _, problems = definition.merge_inputs({"to": value})
        assert [(problem.pointer, problem.code) for problem in problems] == [("/inputs/to", "variable.type_mismatch")]
    default = {"type": "manual", "inputs": {"to": {"type": "address", "default": "x@example.com"}}}
    codes = {(p.code, p.pointer) for p in Definition.parse(chain(mail(to="{{ inputs.to }}"), trigger=default))[1]}
    assert ("email.to_elsewhere", "/trigger/inputs/to/default") in codes
    variable = chain(hook("x")) | {"variables": [{"key": "to", "type": "address"}]}
    assert "variable.type_unknown" in {problem.code for problem in Definition.parse(variable)[1]}


def test_a_definition_says_which_addresses_it_names() -> None:
    definition, _ = Definition.parse(chain(mail("a", to="Ops@example.com"), mail("b", to="x@example.com"), mail("c")))
    assert definition is not None and definition.notifies == ("ops@example.com", "x@example.com")


def test_the_way_that_sends_most_counts() -> None:
    branches = [{"name": "a", "percentage": 50}, {"name": "b", "percentage": 50}]
    split = {"id": "split", "type": "random_split", "config": {"branches": branches}}
    content = {
        "trigger": EVERYONE,
        "steps": [mail("first"), split, hook("h1"), hook("h2"), mail("m1"), mail("last"), hook("unreachable")],
        "edges": [
            {"from": "first", "to": "split"},
            {"from": "split", "to": "h1", "branch": "a"},
            {"from": "h1", "to": "h2"},
            {"from": "h2", "to": "last"},
            {"from": "split", "to": "m1", "branch": "b"},
            {"from": "m1", "to": "last"},
        ],
    }
    definition, problems = Definition.parse(content)
    assert definition is not None, problems
    assert (definition.sends.by_type, definition.sends.per_person) == ({"email": 3, "webhook": 2}, 4)


def test_more_sends_than_policy_allows_are_refused() -> None:
    assert found(chain(*(hook(f"h{n}") for n in range(5)))) == []
    assert found(chain(*(hook(f"h{n}") for n in range(6)))) == [("workflow.too_many_sends", "/steps")]
    narrow = POLICY.narrowed([Limits(max_sends=1)])
    assert found(chain(hook("a"), mail("b")), narrow) == [("workflow.too_many_sends", "/steps")]


def test_a_circle_through_a_sending_step_is_too_many() -> None:
    wait = {"id": "wait", "type": "delay", "config": {"days": 1}}
    content = chain(hook("h"), wait)
    content["edges"].append({"from": "wait", "to": "h"})
    assert ("workflow.too_many_sends", "/steps") in found(content)


def test_two_lists_of_colleagues_leave_what_both_name() -> None:
    above = Policy(1, None, 0, 60, "live", 1, 1, notify_addresses=("a@example.com", "b@example.com"))
    assert above.narrowed([Limits()]).notify_addresses == above.notify_addresses
    limits = Limits.of({"notify_addresses": ["B@example.com", "c@example.com"]})
    assert above.narrowed([limits]).notify_addresses == ("b@example.com",)
    assert above.narrowed([limits, Limits(notify_addresses=())]).notify_addresses == ()
    assert Limits.of(limits.as_data()) == limits


def test_nobody_gives_addresses_or_sends_that_they_lack() -> None:
    mine = Limits(notify_addresses=("a@example.com",), max_sends=3)
    assert Limits(notify_addresses=("a@example.com",), max_sends=3).beyond(mine) == []
    assert Limits(notify_addresses=(), max_sends=0).beyond(mine) == []
    wider = Limits(notify_addresses=("a@example.com", "b@example.com"), max_sends=4)
    assert [problem.pointer for problem in wider.beyond(mine)] == ["/max_sends", "/notify_addresses"]
    assert [problem.pointer for problem in Limits().beyond(mine)] == ["/max_sends", "/notify_addresses"]
    assert [p.pointer for p in Limits(notify_addresses=("nobody",)).problems()] == ["/notify_addresses"]

"""A definition that exists is valid, and an invalid one is told everything at once."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregates.values import VARIABLES_LIMIT
from aggregates.workflow.definition import Definition

CONDITION = {"type": "person", "key": "plan", "operator": "exact", "value": "pro"}
BRANCH = {"conditions": [{"name": "pro", "filters": {"properties": [CONDITION]}}]}
EVERYONE: dict[str, Any] = {"type": "batch", "filters": {"properties": []}}


def content(**parts: Any) -> dict[str, Any]:
    """A valid workflow with the given parts replaced."""
    whole = {
        "trigger": {"type": "batch", "filters": {"properties": [CONDITION]}},
        "steps": [
            {"id": "greet", "type": "capture", "config": {"message": "Hi {{ person.properties.first_name }}"}},
            {"id": "split", "type": "conditional_branch", "config": BRANCH},
            {"id": "call", "type": "webhook", "config": {"url": "https://example.com/{{ variables.path }}"}},
            {"id": "wait", "type": "delay", "config": {"days": 1}, "on_error": "continue"},
            {"id": "mail", "type": "email", "config": {"subject": "Hello", "text": "{{ person.properties.city }}"}},
        ],
        "edges": [
            {"from": "greet", "to": "split"},
            {"from": "split", "to": "call", "branch": "pro"},
            {"from": "split", "to": "wait", "branch": "else"},
            {"from": "wait", "to": "mail"},
        ],
        "variables": [{"key": "path", "type": "string", "default": "x"}, {"key": "count", "type": "number"}],
    }
    return copy.deepcopy(whole | parts)


def one_step(type: str, config: Any, **more: Any) -> dict[str, Any]:
    return content(steps=[{"id": "only", "type": type, "config": config, **more}], edges=[])


def steps(*ids: str, type: str = "capture", edges: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return content(steps=[{"id": id, "type": type, "config": {}} for id in ids], edges=edges or [])


def found(raw: Any) -> list[tuple[str, str]]:
    return [(problem.code, problem.pointer) for problem in Definition.parse(raw)[1]]


def parsed(raw: Any) -> Definition:
    definition, problems = Definition.parse(raw)
    assert definition is not None, problems
    return definition


def filters(**parts: Any) -> dict[str, Any]:
    return content(trigger={"type": "batch", "filters": parts})


def branch(*names: str, **arm: Any) -> dict[str, Any]:
    arms = [{"name": name, "filters": {"properties": []}, **arm} for name in names]
    return one_step("conditional_branch", {"conditions": arms})


LONG = "x" * 300
REFUSED: list[tuple[str, str, Any]] = [
    # the content as a whole
    ("content.not_an_object", "", []),
    ("content.not_json", "/steps/0/config/message", one_step("capture", {"message": "a\0b"})),
    ("content.not_json", "/steps/0/config/message", one_step("capture", {"message": "\ud800"})),
    ("content.not_json", "/steps/0/config/timeout_seconds", one_step("webhook", {"timeout_seconds": float("nan")})),
    ("content.not_json", "/steps/0/config/days", one_step("delay", {"days": 2**60})),
    ("content.too_large", "", one_step("capture", {"message": "x" * 300_000})),
    ("field.unknown", "/stpes", content(stpes=[])),
    # the trigger
    ("trigger.missing", "/trigger", content(trigger=None)),
    ("trigger.invalid", "/trigger", content(trigger="batch")),
    ("trigger.type_unknown", "/trigger/type", content(trigger={})),
    ("trigger.type_unknown", "/trigger/type", content(trigger={"type": ["batch"]})),
    ("trigger.schedule_not_offered", "/trigger/type", content(trigger={"type": "schedule", "rrule": "FREQ=DAILY"})),
    ("field.unknown", "/trigger/inputs", content(trigger=EVERYONE | {"inputs": {}})),
    ("audience.filters_missing", "/trigger/filters", content(trigger={"type": "batch"})),
    ("audience.filters_missing", "/trigger/filters/properties", filters()),
    ("audience.filters_invalid", "/trigger/filters", content(trigger={"type": "batch", "filters": []})),
    ("audience.behavioral_filter", "/trigger/filters/events", filters(properties=[], events=[])),
    ("audience.behavioral_filter", "/trigger/filters/actions", filters(properties=[], actions=[{"id": 1}])),
    ("field.unknown", "/trigger/filters/property", filters(properties=[], property=[])),
    ("audience.not_a_list", "/trigger/filters/properties", filters(properties={})),
    (
        "condition.operator_unknown",
        "/trigger/filters/properties/0/operator",
        filters(properties=[{**CONDITION, "operator": "like"}]),
    ),
    ("input.invalid", "/trigger/inputs", content(trigger={"type": "manual", "inputs": []})),
    ("input.invalid", "/trigger/inputs/order", content(trigger={"type": "manual", "inputs": {"order": "string"}})),
    (
        "variable.type_unknown",
        "/trigger/inputs/order/type",
        content(trigger={"type": "manual", "inputs": {"order": {}}}),
    ),
    # steps
    ("steps.missing", "/steps", content(steps=[], edges=[])),
    ("steps.missing", "/steps", content(steps=None, edges=[])),
    ("steps.invalid", "/steps", content(steps={}, edges=[])),
    ("steps.too_many", "/steps", steps(*(f"s{n}" for n in range(201)))),
    ("step.invalid", "/steps/0", content(steps=["x"], edges=[])),
    ("step.id_invalid", "/steps/0/id", steps("a b")),
    ("step.id_invalid", "/steps/0/id", steps("x" * 101)),
    ("step.id_duplicate", "/steps/1/id", steps("a", "a")),
    ("step.name_invalid", "/steps/0/name", one_step("capture", {}, name=LONG)),
    ("step.name_invalid", "/steps/0/name", one_step("capture", {}, name="in\u202evoice")),
    ("step.on_error_invalid", "/steps/0/on_error", one_step("capture", {}, on_error="retry")),
    ("step.on_error_invalid", "/steps/0/on_error", one_step("capture", {}, on_error=[])),
    ("step.type_unknown", "/steps/0/type", one_step("sms", {})),
    ("step.type_unknown", "/steps/0/type", one_step({}, {})),  # type: ignore[arg-type]
    ("field.unknown", "/steps/0/next", one_step("capture", {}, next="b")),
    ("config.invalid", "/steps/0/config", one_step("capture", [])),
    ("field.unknown", "/steps/0/config/mesage", one_step("capture", {"mesage": "x"})),
    ("config.invalid", "/steps/0/config/message", one_step("capture", {"message": 5})),
    ("capture.two_contents", "/steps/0/config", one_step("capture", {"message": "x", "payload": {}})),
    ("delay.invalid", "/steps/0/config", one_step("delay", {})),
    ("delay.invalid", "/steps/0/config", one_step("delay", {"duration": "P1M"})),
    ("delay.invalid", "/steps/0/config", one_step("delay", {"duration": "PT"})),
    ("delay.invalid", "/steps/0/config", one_step("delay", {"duration": "P1D", "days": 1})),
    ("delay.out_of_range", "/steps/0/config", one_step("delay", {"days": 0})),
    ("delay.out_of_range", "/steps/0/config", one_step("delay", {"days": 366})),
    ("config.invalid", "/steps/0/config/days", one_step("delay", {"days": "1"})),
    ("webhook.url_invalid", "/steps/0/config/url", one_step("webhook", {"url": "https://{{ person.email }}/"})),
    ("webhook.url_invalid", "/steps/0/config/url", one_step("webhook", {"url": "https://a:b@example.com/"})),
    ("webhook.url_invalid", "/steps/0/config/url", one_step("webhook", {"url": "file:///etc/passwd"})),
    ("webhook.url_invalid", "/steps/0/config/url", one_step("webhook", {"url": "https://example.com:99999/"})),
    ("field.missing", "/steps/0/config/url", one_step("webhook", {})),
    (
        "webhook.header_invalid",
        "/steps/0/config/headers/a b",
        one_step("webhook", {"url": "https://a.b", "headers": {"a b": "x"}}),
    ),
    (
        "webhook.header_invalid",
        "/steps/0/config/headers/X-A",
        one_step("webhook", {"url": "https://a.b", "headers": {"x-a": "x", "X-A": "y"}}),
    ),
    (
        "webhook.header_reserved",
        "/steps/0/config/headers/Host",
        one_step("webhook", {"url": "https://a.b", "headers": {"Host": "x"}}),
    ),
    (
        "webhook.body_refused",
        "/steps/0/config/body",
        one_step("webhook", {"url": "https://a.b", "method": "GET", "body": {}}),
    ),
    (
        "config.invalid",
        "/steps/0/config/max_attempts",
        one_step("webhook", {"url": "https://a.b", "max_attempts": 101}),
    ),
    (
        "retry_for.out_of_range",
        "/steps/0/config/retry_for",
        one_step("webhook", {"url": "https://a.b", "retry_for": "P4D"}),
    ),
    (
        "delay.out_of_range",
        "/steps/0/config/retry_for",
        one_step("email", {"subject": "a", "text": "b", "retry_for": {"days": 0}}),
    ),
    (
        "config.invalid",
        "/steps/0/config/timeout_seconds",
        one_step("webhook", {"url": "https://a.b", "timeout_seconds": 31}),
    ),
    (
        "config.invalid",
        "/steps/0/config/on_unknown",
        one_step("email", {"subject": "a", "text": "b", "on_unknown": "x"}),
    ),
    (
        "email.sender_invalid",
        "/steps/0/config/from",
        one_step("email", {"subject": "a", "text": "b", "from": "a@b\r\nBcc: c@d"}),
    ),
    ("branch.name_taken", "/steps/0/config/conditions/0/name", branch("else")),
    ("branch.name_taken", "/steps/0/config/conditions/1/name", branch("a", "a")),
    ("audience.filters_missing", "/steps/0/config/conditions/0/filters", branch("a", filters=None)),
    (
        "audience.behavioral_filter",
        "/steps/0/config/conditions/0/filters/events",
        branch("a", filters={"properties": [], "events": []}),
    ),
    # templates
    ("template.syntax", "/steps/0/config/message", one_step("capture", {"message": "{{ person.email"})),
    ("template.syntax", "/steps/0/config/message", one_step("capture", {"message": "{% include 'x' %}"})),
    ("template.invalid", "/steps/0/config/message", one_step("capture", {"message": "x" * 70_000})),
    ("template.name_unknown", "/steps/0/config/payload/a/0", one_step("capture", {"payload": {"a": ["{{ now }}"]}})),
    (
        "template.name_unknown",
        "/steps/0/config/headers/X-A",
        one_step("webhook", {"url": "https://a.b", "headers": {"X-A": "{{ person.name }}"}}),
    ),
    ("template.name_undeclared", "/steps/0/config/message", one_step("capture", {"message": "{{ variables.nope }}"})),
    ("template.name_undeclared", "/steps/0/config/message", one_step("capture", {"message": "{{ inputs.nope }}"})),
    (
        "template.filter_unknown",
        "/steps/0/config/message",
        one_step("capture", {"message": "{{ person.email | shout }}"}),
    ),
    (
        "template.range",
        "/steps/0/config/message",
        one_step("capture", {"message": "{% for i in (1..99999) %}{% endfor %}"}),
    ),
    (
        "template.no_person",
        "/steps/0/config/message",
        one_step("capture", {"message": "{{ person.email }}"}) | {"trigger": {"type": "manual"}},
    ),
    ("step.needs_person", "/steps/0/type", branch("a") | {"trigger": {"type": "manual"}}),
    # edges and the graph
    ("edges.invalid", "/edges", content(edges={})),
    ("edges.too_many", "/edges", content(edges=[{"from": "greet", "to": "split"}] * 2001)),
    ("edge.invalid", "/edges/0", content(edges=["a"])),
    ("edge.invalid", "/edges/0/to", steps("a", edges=[{"from": "a"}])),
    ("edge.invalid", "/edges/0/branch", steps("a", "b", edges=[{"from": "a", "to": "b", "branch": 1}])),
    ("field.unknown", "/edges/0/port", steps("a", "b", edges=[{"from": "a", "to": "b", "port": "x"}])),
    ("edge.dangling", "/edges/0/to", steps("a", edges=[{"from": "a", "to": "b"}])),
    ("edge.dangling", "/edges/0/from", steps("a", edges=[{"from": "b", "to": "a"}])),
    ("edge.port_unknown", "/edges/0/branch", steps("a", "b", edges=[{"from": "a", "to": "b", "branch": "yes"}])),
    ("edge.port_unknown", "/edges/0/branch", steps("a", "b", type="exit", edges=[{"from": "a", "to": "b"}])),
    ("edge.duplicate", "/edges/1", steps("a", "b", edges=[{"from": "a", "to": "b"}, {"from": "a", "to": "a"}])),
    ("branch.missing", "/steps/0", branch("a")),
    ("graph.endless", "/steps/0", steps("a", edges=[{"from": "a", "to": "a"}])),
    ("graph.endless", "/steps/0", steps("a", "b", edges=[{"from": "a", "to": "b"}, {"from": "b", "to": "a"}])),
    # variables
    ("variable.invalid", "/variables", content(variables={})),
    ("variable.invalid", "/variables/0", content(variables=["path"])),
    ("variable.key_invalid", "/variables/0/key", content(variables=[{"key": "1x", "type": "string"}])),
    ("variable.type_unknown", "/variables/0/type", content(variables=[{"key": "path", "type": "date"}])),
    (
        "variable.default_invalid",
        "/variables/0/default",
        content(variables=[{"key": "path", "type": "number", "default": True}]),
    ),
    ("variable.duplicate", "/variables/1/key", content(variables=[{"key": "path", "type": "string"}] * 2)),
    (
        "field.unknown",
        "/variables/0/required",
        content(variables=[{"key": "path", "type": "string", "required": True}]),
    ),
    (
        "variables.too_large",
        "/variables",
        content(variables=[{"key": "path", "type": "string", "default": "x" * VARIABLES_LIMIT}]),
    ),
]


@pytest.mark.parametrize(
    ("code", "pointer", "raw"), REFUSED, ids=[f"{code}-{n}" for n, (code, _, _) in enumerate(REFUSED)]
)
def test_what_is_wrong_is_named_and_refused(code: str, pointer: str, raw: Any) -> None:
    definition, problems = Definition.parse(raw)
    assert definition is None
    assert (code, pointer) in [(p.code, p.pointer) for p in problems]
    json.dumps([p.as_data() for p in problems])


def test_content_that_is_nested_too_deeply_is_refused() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert [code for code, _ in found({"steps": deep})] == ["content.too_deep"]


def test_all_problems_come_in_one_answer() -> None:
    raw = content(trigger={"type": "schedule"}, variables=[{"key": "1", "type": "x"}], extra=1)
    raw["steps"][0]["type"] = "sms"
    raw["steps"][2]["config"] = {"url": "ftp://x", "metod": "POST"}
    raw["edges"].append({"from": "mail", "to": "nowhere"})
    assert {code for code, _ in found(raw)} == {
        "field.unknown",
        "trigger.schedule_not_offered",
        "variable.key_invalid",
        "variable.type_unknown",
        "step.type_unknown",
        "webhook.url_invalid",
        "edge.dangling",
    }


def test_a_problem_never_repeats_long_input() -> None:
    secret = "s3cret" * 200
    raw = content(trigger={"type": secret}, edges=[{"from": secret, "to": secret, secret: secret}])
    raw["steps"][0] |= {"id": secret, "type": secret, "name": secret, "on_error": secret, "config": {secret: secret}}
    raw["steps"][2]["config"] = {
        "url": secret,
        "method": secret,
        "headers": {secret: secret},
        "body": {secret: "{{ " + secret},
    }
    for problem in Definition.parse(raw)[1]:
        assert len(json.dumps(problem.as_data())) < 1_000
        assert secret[:60] not in json.dumps(problem.as_data())


def test_a_misspelled_field_is_answered_with_the_likely_one() -> None:
    problem = Definition.parse(one_step("capture", {"mesage": "x"}))[1][0]
    assert (problem.got, problem.example) == ("mesage", "message")


def test_an_unreachable_step_is_a_warning_and_leaves_a_definition() -> None:
    definition, problems = Definition.parse(steps("a", "b"))
    assert definition is not None
    assert [(p.code, p.pointer, p.severity) for p in problems] == [("step.unreachable", "/steps/1", "warning")]


def test_a_circle_with_a_waiting_step_is_allowed() -> None:
    raw = content(
        steps=[{"id": "a", "type": "capture"}, {"id": "b", "type": "delay", "config": {"hours": 1}}],
        edges=[{"from": "a", "to": "b"}, {"from": "b", "to": "a"}],
    )
    raw["steps"][0]["config"] = {}
    assert found(raw) == []


def test_one_broken_step_does_not_hide_or_invent_problems_elsewhere() -> None:
    raw = content()
    raw["steps"][1]["config"] = {"conditions": []}
    assert found(raw) == [("config.invalid", "/steps/1/config/conditions")]


def test_an_unfinished_draft_has_warnings_only_but_no_definition() -> None:
    definition, problems = Definition.parse({"steps": [{"id": "a"}]}, strict=False)
    assert definition is None
    assert problems and {p.severity for p in problems} == {"warning"}


def test_filters_of_what_people_did_are_a_warning_in_an_unfinished_draft() -> None:
    definition, problems = Definition.parse(filters(properties=[], events=[]), strict=False)
    assert definition is None
    assert [(p.code, p.severity) for p in problems] == [("audience.behavioral_filter", "warning")]


@pytest.mark.parametrize("raw", [one_step("capture", {"message": "\0"}), 5])
def test_a_draft_may_not_hold_what_is_never_allowed(raw: Any) -> None:
    definition, problems = Definition.parse(raw, strict=False)
    assert definition is None
    if raw != 5:
        assert "error" in {p.severity for p in problems}


def test_canonical_content_parses_to_the_same_content() -> None:
    definition = parsed(content())
    again = parsed(definition.as_data())
    assert again.as_data() == definition.as_data() == Definition.normalise(content())
    assert Definition.normalise({"broken": 1}) == {"broken": 1}
    assert json.loads(json.dumps(definition.as_data())) == definition.as_data()


def test_a_definition_answers_what_a_fan_out_asks() -> None:
    definition = parsed(content())
    assert definition.entry == "greet"
    assert definition.step("split").ports == ("pro", "else")
    assert definition.step("wait").on_error == "continue"
    assert definition.target("greet") == "split"
    assert definition.target("split", "else") == "wait"
    assert definition.target("mail") is None
    assert definition.external and definition.sends_email
    assert definition.needs == ("city", "first_name")
    assert definition.audience is not None and not definition.audience.everyone
    assert [pointer for pointer, _ in definition.audiences()] == [
        "/trigger/filters/properties",
        "/steps/1/config/conditions/0/filters/properties",
    ]


def test_everyone_is_meant_only_when_it_is_written_out() -> None:
    audience = parsed(content(trigger=EVERYONE)).audience
    assert audience is not None and audience.everyone


def test_layers_of_variables_lie_over_the_defaults_and_null_stays() -> None:
    definition = parsed(content())
    assert definition.merge_variables() == ({"path": "x", "count": None}, [])
    assert definition.merge_variables({"path": "y", "count": 1}, {"path": None}) == ({"path": None, "count": 1}, [])


@pytest.mark.parametrize(
    ("layer", "code"),
    [
        ({"nope": 1}, "variable.unknown"),
        ({"count": "1"}, "variable.type_mismatch"),
        ({"count": True}, "variable.type_mismatch"),
        ({"path": "x" * VARIABLES_LIMIT}, "variables.too_large"),
        ({"path": "\0"}, "content.not_json"),
        (["path"], "variable.invalid"),
    ],
)
def test_values_that_a_workflow_does_not_take_are_refused(layer: Any, code: str) -> None:
    assert [p.code for p in parsed(content()).merge_variables(layer)[1]] == [code]


def test_a_manual_run_takes_declared_inputs_only_and_all_required_ones() -> None:
    trigger = {
        "type": "manual",
        "inputs": {"order": {"type": "string", "required": True}, "n": {"type": "number", "default": 1}},
    }
    definition = parsed(one_step("capture", {"message": "{{ inputs.order }}"}) | {"trigger": trigger})
    assert definition.audience is None
    assert definition.merge_inputs({"order": "7"}) == ({"order": "7", "n": 1}, [])
    assert [(p.code, p.pointer) for p in definition.merge_inputs({"n": 2})[1]] == [("input.missing", "/inputs/order")]
    assert [p.code for p in definition.merge_inputs({"order": 7})[1]] == ["variable.type_mismatch"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KINDS = st.sampled_from(["capture", "webhook", "email", "delay", "conditional_branch", "exit", "batch", "manual"])
FIELDS = st.sampled_from(
    """id name type config on_error from to branch filters properties inputs conditions url headers body message
    payload subject text html key default days duration reason operator value""".split()
)
LIKELY = st.dictionaries(FIELDS, KINDS | JSON | st.dictionaries(FIELDS, KINDS | JSON, max_size=3), max_size=6)
CONTENT = st.fixed_dictionaries(
    {},
    optional={
        "trigger": LIKELY | JSON,
        "steps": st.lists(LIKELY | JSON, max_size=4) | JSON,
        "edges": st.lists(LIKELY | JSON, max_size=4) | JSON,
        "variables": st.lists(LIKELY | JSON, max_size=4) | JSON,
    },
)


@given(CONTENT | JSON)
@settings(max_examples=400, deadline=None)
def test_no_content_of_any_shape_raises(raw: Any) -> None:
    definition, problems = Definition.parse(raw)
    assert (definition is None) == any(p.severity == "error" for p in problems)
    json.dumps([p.as_data() for p in problems])


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_valid_content_with_any_part_replaced_never_raises(data: st.DataObject) -> None:
    raw: Any = content()
    place = raw
    while isinstance(place, (dict, list)) and place:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if data.draw(st.booleans()) or not isinstance(place[key], (dict, list)):
            place[key] = data.draw(JSON)
            break
        place = place[key]
    definition, problems = Definition.parse(raw)
    assert (definition is None) == any(p.severity == "error" for p in problems)


def test_a_circle_needs_a_step_at_which_everybody_waits() -> None:
    window = {"start": "09:00", "end": "17:00", "timezone": "UTC"}
    circle = [{"id": "a", "type": "wait_until_time_window", "config": window}, {"id": "b", "type": "capture"}]
    edges = [{"from": "a", "to": "b"}, {"from": "b", "to": "a"}]
    assert found(content(steps=circle, edges=edges)) == [("graph.endless", "/steps/0")]
    circle[1] = {"id": "b", "type": "delay", "config": {"days": 1}}
    assert found(content(steps=circle, edges=edges)) == []


def test_a_step_sets_declared_variables_to_values_of_their_type() -> None:
    config = {"variables": {"path": 1, "count": "{{ person.email }}", "nope": "x"}}
    assert found(one_step("set_variables", config)) == [
        ("variable.type_mismatch", "/steps/0/config/variables/path"),
        ("variable.unknown", "/steps/0/config/variables/nope"),
    ]

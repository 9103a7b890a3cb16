"""Bad bodies at every route that takes one: always a problem that names the field, and nothing is changed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from engine.ids import new_id
from tests.http.conftest import CONTENT, Door, bearer, pointers, problem

GOOD: dict[str, dict[str, Any]] = {
    "create_workflow": {"name": "Launch", **CONTENT},
    "edit_workflow": {"version": 1, "name": "Other"},
    "activate_workflow": {},
    "disable_workflow": {"reason": "why"},
    "archive_workflow": {"reason": "why"},
    "restore_workflow": {},
    "size_audience": {"variables": {}},
    "run_workflow": {"inputs": {}},
    "simulate_workflow": {"sample": 3},
    "cancel_run": {"reason": "why"},
    "run_batch": {"acknowledged_affected_count": 3, "variables": {}},
    "attach_schedule": {"rrule": "FREQ=DAILY", "starts_at": "2030-01-01T09:00:00", "acknowledged_affected_count": 3},
    "preview_recurrence": {"rrule": "FREQ=DAILY", "starts_at": "2030-01-01T09:00:00"},
    "revise_schedule": {"timezone": "Europe/Berlin"},
    "pause_schedule": {"note": "why"},
    "resume_schedule": {"acknowledged_affected_count": 3},
    "detach_schedule": {"note": "why"},
    "approve_batch_job": {"acknowledged_affected_count": 3, "note": "seen"},
    "reject_batch_job": {"reason": "why"},
    "decide_step": {"decision": "approved", "note": "seen"},
    "pause_batch_job": {"reason": "why"},
    "resume_batch_job": {},
    "size_unfinished": {},
    "set_agent_runs": {"agent_runs": "never"},
    "confirm": {"acknowledged_affected_count": 3, "note": "seen"},
    "reject": {"reason": "why"},
    "cancel_batch_job": {"reason": "why"},
    "size_failed": {},
    "retry_failed": {"acknowledged_affected_count": 3},
    "decide_unknown": {"decision": "failed", "note": "seen"},
    "set_policy": {"max_audience": 100},
    "create_cohort": {"name": "All", "kind": "dynamic", "conditions": []},
    "opt_out": {"distinct_id": "p1"},
    "opt_in": {"distinct_id": "p1"},
    "suppress": {"address": "ann@example.com"},
    "unsuppress": {"address": "ann@example.com"},
    "create_key": {"name": "ci", "scopes": ["workflow:read"]},
    "change_key": {"name": "ci", "max_audience": None},
}
"""A body for each route that no reader of bodies has anything against."""


def commands(door: Door) -> Iterator[tuple[str, str, str]]:
    """Each route that takes JSON: its name, method and address (of a workflow that nobody has)."""
    for path, methods in door.client.get("/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            if "application/json" in operation.get("requestBody", {}).get("content", {}):
                yield operation["operationId"], method.upper(), re.sub(r"{\w+}", str(new_id()), path)


def schema_of(door: Door, name: str) -> dict[str, Any]:
    """The documented schema of a route's body."""
    document = door.client.get("/openapi.json").json()
    operations = (operation for methods in document["paths"].values() for operation in methods.values())
    found = next(operation for operation in operations if operation["operationId"] == name)
    schema = found["requestBody"]["content"]["application/json"]["schema"]
    option = next(option for option in schema.get("anyOf", [schema]) if "$ref" in option)
    return dict(document["components"]["schemas"][option["$ref"].rpartition("/")[2]])


def test_every_route_that_takes_json_is_in_the_table(door: Door) -> None:
    assert {name for name, _, _ in commands(door)} == set(GOOD)


HOSTILE: list[tuple[bytes, str, str]] = [
    (b"{", "", "json.malformed"),
    (b'"\xff"', "", "json.not_utf8"),
    (b'{"x": NaN}', "/x", "json.not_finite"),
    (b'{"x": -Infinity}', "/x", "json.not_finite"),
    (b'{"x": 1e400}', "/x", "json.not_finite"),
    (b'{"x": 9007199254740993}', "/x", "json.integer_too_large"),
    (b'{"x": 1, "x": 2}', "/x", "json.duplicate_key"),
    (rb'{"x": "\u0000"}', "/x", "json.not_text"),
    (rb'{"x": "\ud800"}', "/x", "json.not_text"),
    (b'{"x":' * 40 + b"1" + b"}" * 40, "/x" * 32, "json.too_deep"),
    (b"[" * 100_000, "", "json.too_deep"),
    (json.dumps({str(n): 1 for n in range(50_000)}).encode(), "", "json.too_many_fields"),
]


@pytest.mark.parametrize(("raw", "pointer", "code"), HOSTILE, ids=[f"{code}{len(raw)}" for raw, _, code in HOSTILE])
def test_hostile_json_is_refused_at_every_route(door: Door, raw: bytes, pointer: str, code: str) -> None:
    before = door.traces()
    for name, method, path in commands(door):
        answer = door.client.request(method, path, content=raw, headers={"Content-Type": "application/json"})
        assert pointers(answer) == {pointer: code}, name
        assert len(answer.content) < 64 * 1024
    assert door.traces() == before


def test_unknown_fields_are_refused_at_every_route(door: Door) -> None:
    before = door.traces()
    for name, method, path in commands(door):
        answer = door.client.request(method, path, json={**GOOD[name], "dry_run": True, "a/b": 1})
        assert pointers(answer) == {"/dry_run": "field.unknown", "/a~1b": "field.unknown"}, name
    assert door.traces() == before


def test_a_body_that_is_no_object_is_refused_at_every_route(door: Door) -> None:
    for _, method, path in commands(door):
        for body in ("[]", '"x"', "5", "true"):
            answer = door.client.request(method, path, content=body, headers={"Content-Type": "application/json"})
            assert pointers(answer) == {"": "field.invalid"}


def test_a_wrong_type_in_any_field_is_refused_by_its_name(door: Door) -> None:
    """Each field of each body in turn gets values of other types; a text is never taken for a number."""
    before = door.traces()
    for name, method, path in commands(door):
        for field, schema in schema_of(door, name).get("properties", {}).items():
            allowed = {option.get("type") for option in schema.get("anyOf", [schema])}
            allowed |= {"integer"} if "number" in allowed else set()
            for kind, value in (
                ("integer", 5),
                ("string", "5"),
                ("boolean", True),
                ("array", [{}]),
                ("object", {"a": 1}),
            ):
                if kind in allowed:
                    continue
                answer = door.client.request(method, path, json={**GOOD[name], field: value})
                found = pointers(answer)
                assert [pointer for pointer in found if pointer.split("/")[1] == field], (name, field, value, found)
    assert door.traces() == before


def test_a_field_that_is_missing_is_named(door: Door) -> None:
    before = door.traces()
    for name, method, path in commands(door):
        required = schema_of(door, name).get("required", [])
        for field in required:
            body = {key: value for key, value in GOOD[name].items() if key != field}
            assert pointers(door.client.request(method, path, json=body)) == {f"/{field}": "field.missing"}, name
        if required:
            assert pointers(door.client.request(method, path)) == {"": "field.missing"}, name
    assert door.traces() == before


def test_a_megabyte_in_any_text_field_is_refused_and_not_echoed(door: Door) -> None:
    before = door.traces()
    for name, method, path in commands(door):
        for field, value in GOOD[name].items():
            if isinstance(value, str):
                answer = door.client.request(method, path, json={**GOOD[name], field: "x" * 1_000_000})
                assert problem(answer, 422), name
                assert "xxxxx" not in answer.text
    assert door.traces() == before


def test_a_body_above_one_mebibyte_is_refused_with_and_without_a_declared_length(door: Door) -> None:
    big = b'{"name": "' + b"x" * (1024 * 1024) + b'"}'
    pieces = (big[start : start + 65_536] for start in range(0, len(big), 65_536))
    for content in (big, pieces):
        answer = door.client.post("/api/v1/workflows", content=content, headers={"Content-Type": "application/json"})
        assert problem(answer, 413)["code"] == "request.too_large"


@pytest.mark.parametrize(
    ("headers", "pointer"),
    [
        ({"Content-Type": "text/plain"}, "/Content-Type"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "/Content-Type"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, "/Content-Type"),
        ({"Content-Type": "application/json; charset=utf-16"}, "/Content-Type"),
        ({"Content-Type": "nonsense"}, "/Content-Type"),
        ({}, "/Content-Type"),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, "/Content-Encoding"),
    ],
)
def test_only_plain_json_in_utf8_is_read(door: Door, headers: dict[str, str], pointer: str) -> None:
    for name, method, path in commands(door):
        answer = door.client.request(method, path, content=json.dumps(GOOD[name]) or "{}", headers=headers)
        assert pointers(answer) == {pointer: "header.invalid"}, name


def test_json_with_a_charset_is_json(door: Door) -> None:
    headers = {"Content-Type": 'Application/JSON; charset="UTF-8"'}
    body = json.dumps({"name": "Ünïcode ✓", **CONTENT}, ensure_ascii=False).encode()
    assert door.client.post("/api/v1/workflows", content=body, headers=headers).status_code == 201


def test_a_body_where_none_is_taken_is_refused(door: Door) -> None:
    answer = door.client.request("DELETE", "/api/v1/keys/x", json={"force": True})
    assert pointers(answer) == {"": "body.unexpected"}


HEADERS: list[dict[str, str]] = [{"Idempotency-Key": ""}, {"Idempotency-Key": "x" * 201}, {"Idempotency-Key": "a\tb"}]


@pytest.mark.parametrize("headers", HEADERS)
def test_a_bad_idempotency_key_is_refused_by_name(door: Door, headers: dict[str, str]) -> None:
    answer = door.client.post("/api/v1/workflows", json=GOOD["create_workflow"], headers=headers)
    assert list(pointers(answer)) == ["/idempotency-key"]


def conditions(*given: dict[str, Any]) -> dict[str, Any]:
    return {**GOOD["create_workflow"], "trigger": {"type": "batch", "filters": {"properties": list(given)}}}


CONDITIONS: list[tuple[dict[str, Any], str]] = [
    ({"type": "person", "key": "a", "operator": "like", "value": "x"}, "operator"),
    ({"type": "person", "key": "a", "operator": "exact; DROP TABLE people", "value": "x"}, "operator"),
    ({"type": "person", "key": "", "operator": "exact", "value": "x"}, "key"),
    ({"type": "person", "key": "k" * 201, "operator": "exact", "value": "x"}, "key"),
    ({"type": "person", "key": "a", "operator": "gt", "value": "5"}, "value"),
    ({"type": "person", "key": "a", "operator": "exact", "value": {"$ne": 1}}, "value"),
    ({"type": "person", "key": "a", "operator": "exact", "value": ["x"] * 1001}, "value"),
    ({"type": "person", "key": "a", "operator": "regex", "value": "(a)\\1"}, "value"),
    ({"type": "person", "key": "a", "operator": "regex", "value": "("}, "value"),
    ({"type": "person", "key": "a", "operator": "is_date_before", "value": "tomorrow"}, "value"),
    ({"type": "person", "key": "a", "operator": "exact", "value": "x", "negate": True}, "negate"),
    ({"type": "event", "key": "a", "operator": "exact", "value": "x"}, "type"),
    ({"type": "cohort", "key": "id", "operator": "in", "value": "x"}, "value"),
    ({"type": "cohort", "key": "id", "operator": "exact", "value": str(new_id())}, "operator"),
]


@pytest.mark.parametrize(("condition", "field"), CONDITIONS)
def test_a_bad_condition_is_refused_by_its_pointer(door: Door, condition: dict[str, Any], field: str) -> None:
    before = door.traces()
    found = pointers(door.client.post("/api/v1/workflows", json=conditions(condition)))
    assert f"/trigger/filters/properties/0/{field}" in found
    assert door.traces() == before


@pytest.mark.parametrize(
    "key", ["a'); DROP TABLE people; --", '"', "$.**", "%", "\\", "a->>'b'", "{x}", "💥", ":x", "%(x)s"]
)
def test_sql_in_the_name_of_a_property_is_a_name(door: Door, key: str) -> None:
    for operator, value in (("exact", "x"), ("icontains", "%"), ("regex", "^x"), ("gt", 1), ("is_set", None)):
        condition = {"type": "person", "key": key, "operator": operator}
        workflow_id = door.created(trigger=conditions({**condition, "value": value} if value else condition)["trigger"])
        assert door.sized(workflow_id)["affected"] == 0


def test_too_many_conditions_are_refused(door: Door) -> None:
    given = [{"type": "person", "key": "a", "operator": "is_set"}] * 101
    assert pointers(door.client.post("/api/v1/workflows", json=conditions(*given)))


def test_events_in_an_audience_are_refused(door: Door) -> None:
    body = {**GOOD["create_workflow"], "trigger": {"type": "batch", "filters": {"properties": [], "events": []}}}
    found = pointers(door.client.post("/api/v1/workflows", json=body))
    assert found == {"/trigger/filters/events": "audience.behavioral_filter"}


def test_the_ids_of_another_project_are_as_unknown_as_any(door: Door) -> None:
    theirs = bearer(door.key(project=door.other_project))
    workflow_id = door.enabled()
    door.catch_up()
    before = door.traces()
    unknown = str(new_id())
    for name, method, path in commands(door):
        if path.startswith("/api/v1/workflows/"):
            mine = "/".join([*path.split("/")[:4], workflow_id, *path.split("/")[5:]])
            none = "/".join([*path.split("/")[:4], unknown, *path.split("/")[5:]])
            answers = [
                problem(door.client.request(method, address, json=GOOD[name], headers=theirs), 404)
                for address in (mine, none)
            ]
            ids = [answer.pop("request_id") for answer in answers]
            assert answers[0] == answers[1], name
            assert ids[0] != ids[1]
    assert problem(door.client.get(f"/api/v1/workflows/{workflow_id}", headers=theirs), 404)
    assert door.client.get("/api/v1/workflows", headers=theirs).json()["data"] == []
    assert door.traces() == before

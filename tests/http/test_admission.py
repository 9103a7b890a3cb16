"""Who is let in, and what they may ask for: before a body is read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from commands.grants import SCOPES
from engine.ids import new_id
from tests.http.conftest import Door, bearer, pointers, problem


def operations(door: Door) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every documented operation behind a key, with an address."""
    for path, methods in door.client.get("/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            if operation.get("security") != []:
                yield method.upper(), re.sub(r"{\w+}", str(new_id()), path), operation


def test_no_route_answers_without_a_key(door: Door) -> None:
    for method, path, _ in operations(door):
        answer = door.client.request(method, path, headers={"Authorization": ""})
        assert problem(answer, 401)["code"] in {"auth.missing", "auth.invalid"}, path
        assert answer.headers["www-authenticate"].startswith('Bearer realm="tidegate"')


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", "Bearer tg_live_x_y", "Basic dXNlcjpwYXNz", "tg_live_x_y", f"Bearer {'x' * 5000}"],
)
def test_what_is_not_a_valid_bearer_key_is_refused(door: Door, header: str) -> None:
    assert (
        problem(door.client.get("/api/v1/workflows", headers={"Authorization": header}), 401)["code"] == "auth.invalid"
    )


def test_a_key_that_is_not_ascii_is_refused(door: Door) -> None:
    headers = {"Authorization": "Bearer tg_live_ü_ÿ".encode("latin-1")}
    assert problem(door.client.get("/api/v1/workflows", headers=headers), 401)["code"] == "auth.invalid"  # type: ignore[arg-type]


def test_two_keys_in_one_request_are_refused(door: Door) -> None:
    headers = [("Authorization", f"Bearer {door.key()}"), ("Authorization", f"Bearer {door.key()}")]
    client = door.client
    assert problem(client.get("/api/v1/workflows", headers=headers), 401)["code"] == "auth.invalid"


def test_a_key_in_the_address_is_not_looked_at(door: Door) -> None:
    answer = door.client.get("/api/v1/workflows", params={"api_key": door.key()}, headers={"Authorization": ""})
    assert problem(answer, 401)


def test_a_revoked_key_is_refused_on_its_next_request(door: Door) -> None:
    key = door.key(scopes=["workflow:read"])
    assert door.client.get("/api/v1/workflows", headers=bearer(key)).status_code == 200
    key_id = key.split("_")[2]
    assert door.client.delete(f"/api/v1/keys/{key_id}").json()["revoked"] is True
    assert problem(door.client.get("/api/v1/workflows", headers=bearer(key)), 401)["code"] == "auth.invalid"


def test_an_expired_key_is_refused(door: Door) -> None:
    key = door.key(expires_at=door.system.clock.now() - timedelta(seconds=1))
    assert problem(door.client.get("/api/v1/workflows", headers=bearer(key)), 401)["code"] == "auth.invalid"


def test_every_route_names_the_scopes_that_a_key_lacks(door: Door) -> None:
    key = door.key(scopes=[])
    before = door.traces()
    for method, path, operation in operations(door):
        needed = operation["security"][0]["key"]
        assert set(needed) <= SCOPES
        # An unknown thing, a broken body: neither is looked at before the scopes are.
        answer = door.client.request(method, path, headers=bearer(key), content=b"{")
        refusal = problem(answer, 403)
        assert (refusal["code"], refusal["details"]["missing"]) == ("scope.missing", needed), path
    assert door.traces() == before


def test_unknown_and_repeated_parameters_are_refused_by_name(door: Door) -> None:
    for method, path, _ in operations(door):
        if path.endswith(":import"):
            continue
        answer = door.client.request(method, path, params={"surprise": "1"})
        assert pointers(answer) == {"/surprise": "parameter.unknown"}, path
    answer = door.client.get("/api/v1/workflows?limit=1&limit=2")
    assert pointers(answer) == {"/limit": "parameter.repeated"}


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "/limit"),
        ("limit=201", "/limit"),
        ("limit=many", "/limit"),
        ("limit=", "/limit"),
        (f"limit={'9' * 5000}", "/limit"),
        ("status=nonsense", "/status"),
        ("status=%00", "/status"),
        ("status=%ff", "/status"),
        ("after=", "/after"),
        ("after=nonsense", "/after"),
        ("after=WzFlOTk5LCAxXQ", "/after"),
        ("after=W05hTiwgMV0", "/after"),
        (f"after={'W' * 900}", "/after"),
        ("min_position=-1", "/min_position"),
        ("min_position=1e3", "/min_position"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(door: Door, query: str, pointer: str) -> None:
    for path in ("/api/v1/workflows", "/api/v1/schedules", "/api/v1/batch-jobs"):
        assert list(pointers(door.client.get(f"{path}?{query}"))) == [pointer]


@pytest.mark.parametrize(
    "cursor", ["W10", "WzFd", "WzFlOTk5XQ", "WzFlMzBd", "Wzk5OTk5OTk5OTk5OTk5OTk5OTk5OV0", "Wy0xXQ", "bnVsbA"]
)
def test_a_cursor_that_is_not_ours_is_refused(door: Door, cursor: str) -> None:
    for path in ("/api/v1/workflows", "/api/v1/cohorts"):
        assert pointers(door.client.get(path, params={"after": cursor})) == {"/after": "cursor.invalid"}
    if cursor != "WzFd":
        assert pointers(door.client.get("/api/v1/people", params={"after": cursor})) == {"/after": "cursor.invalid"}


@pytest.mark.parametrize(
    "id", ["x", "%00", "%ff", "..%2f..", "' OR 1=1", "1", "9" * 400, "00000000-0000-0000-0000-00000000000g", "ü"]
)
def test_a_malformed_id_is_as_unknown_as_any_other(door: Door, id: str) -> None:
    for resource in ("workflows", "schedules", "batch-jobs", "runs", "people", "cohorts"):
        answer = door.client.get(f"/api/v1/{resource}/{id}")
        assert problem(answer, 404)
    for path in (f"workflows/{id}/activate", f"schedules/{id}/detach", f"batch-jobs/{id}/cancel"):
        assert problem(door.client.post(f"/api/v1/{path}"), 404)
    assert problem(door.client.delete(f"/api/v1/keys/{id}"), 404)


def test_a_request_id_that_is_sane_is_kept_and_any_other_replaced(door: Door) -> None:
    kept = door.client.get("/health/live", headers={"X-Request-Id": "abc-1.2_3"})
    assert kept.headers["x-request-id"] == "abc-1.2_3"
    for bad in ("a b", "x" * 101, "<script>"):
        assert door.client.get("/health/live", headers={"X-Request-Id": bad}).headers["x-request-id"] != bad


def test_an_unknown_address_is_a_problem(door: Door) -> None:
    for path in ("/nonsense", "/api/v1/nonsense", "/api/v1/workflows/", "/health/nonsense", "/docs/x", "/redoc"):
        assert problem(door.client.get(path), 404)["code"] == "request.unknown_route"


def test_a_method_that_an_address_lacks_is_answered_with_all_that_it_has(door: Door) -> None:
    answer = door.client.delete(f"/api/v1/workflows/{new_id()}")
    assert problem(answer, 405)["code"] == "request.method_not_allowed"
    assert answer.headers["allow"] == "GET, HEAD, PATCH"
    answer = door.client.put("/api/v1/workflows")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")


def test_head_is_get_without_the_body(door: Door) -> None:
    answer = door.client.head("/api/v1/policy")
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


def test_an_address_or_a_head_that_is_too_large_is_refused(door: Door) -> None:
    assert problem(door.client.get(f"/api/v1/workflows?after={'x' * 9000}"), 413)["code"] == "request.too_large"
    assert problem(door.client.get("/api/v1/workflows", headers={"X-Padding": "x" * 40_000}), 413)


def test_a_key_may_ask_as_often_as_its_rate_says(door: Door) -> None:
    headers = bearer(door.key(rate_per_minute=2))
    statuses = [door.client.get("/api/v1/policy", headers=headers).status_code for _ in range(2)]
    limited = door.client.get("/api/v1/policy", headers=headers)
    assert statuses == [200, 200]
    assert problem(limited, 429)["code"] == "rate.limited"
    assert 1 <= int(limited.headers["retry-after"]) <= 30

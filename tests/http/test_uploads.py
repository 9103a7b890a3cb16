"""Imports stream: any size, all rows or none."""

from __future__ import annotations

import itertools
import json
import tracemalloc

import anyio
import pytest
from starlette.types import Message

from tests.http.conftest import Door, bearer, pointers, problem

PATH = "/api/v1/people:import"
CSV = {"Content-Type": "text/csv"}
JSONL = {"Content-Type": "application/x-ndjson"}
BYTES = {"Content-Type": "application/octet-stream"}


def test_a_csv_file_is_imported_by_its_content_type(door: Door) -> None:
    content = b"distinct_id,email,plan\nu1,u1@example.com,pro\nu2,,free\n"
    answer = door.client.post(PATH, content=content, headers=CSV)
    assert (answer.status_code, answer.json()["inserted"]) == (200, 2)
    person = door.client.get("/api/v1/people", params={"distinct_id": "u1"}).json()["data"][0]
    assert (person["email"], person["properties"]) == ("u1@example.com", {"plan": "pro"})
    one = door.client.get(f"/api/v1/people/{person['id']}").json()
    assert one == {**person, "opt_outs": [], "suppressed": None}
    assert answer.json()["position"] > 0


def test_columns_can_be_renamed(door: Door) -> None:
    content = b"Customer,E-Mail\nm1,m1@example.com\n"
    params = {"format": "csv", "map": ["Customer=distinct_id", "E-Mail=email"]}
    assert door.client.post(PATH, params=params, content=content, headers=BYTES).json()["inserted"] == 1
    assert door.client.get("/api/v1/people", params={"email": "m1@example.com"}).json()["data"]


def test_a_dry_run_reports_and_writes_nothing(door: Door) -> None:
    before = door.traces()
    content = b'{"distinct_id": "d1"}\n{"distinct_id": ""}\n'
    report = door.client.post(PATH, params={"dry_run": "true"}, content=content, headers=JSONL).json()
    assert (report["rows"], report["total_rejected"], report["dry_run"]) == (1, 1, True)
    assert report["rejected"][0]["line"] == 2
    assert door.traces() == before


def test_one_bad_row_refuses_the_file_with_its_line(door: Door) -> None:
    before = door.traces()
    content = b'{"distinct_id": "d1"}\nnot json\n{"distinct_id": "d1", "email": "nope"}\n'
    refusal = problem(door.client.post(PATH, content=content, headers=JSONL), 422)
    assert refusal["code"] == "people.rejected"
    assert refusal["errors"]
    assert door.traces() == before


def test_a_file_far_above_the_limit_of_bodies_is_imported_without_being_held(door: Door) -> None:
    rows = 20_000
    padding = "x" * 500
    lines = (f'{{"distinct_id": "big{n}", "properties": {{"pad": "{padding}"}}}}\n'.encode() for n in range(rows))
    sent: list[Message] = []

    async def receive() -> Message:
        block = b"".join(itertools.islice(lines, 100))
        return {"type": "http.request", "body": block, "more_body": bool(block)}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = {**bearer(door.key()), **JSONL}
    scope = {
        "type": "http",
        "method": "POST",
        "path": PATH,
        "raw_path": PATH.encode(),
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    tracemalloc.start()
    anyio.run(door.client.app, scope, receive, send)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert json.loads(sent[1]["body"])["inserted"] == rows
    assert peak < 6 * 1024 * 1024 < rows * len(padding)


@pytest.mark.parametrize(
    ("params", "headers", "pointer"),
    [
        ({}, BYTES, "/format"),
        ({"format": "xml"}, BYTES, "/format"),
        ({"format": "jsonl"}, CSV, "/format"),
        ({"format": "csv", "dry_run": "perhaps"}, CSV, "/dry_run"),
        ({"map": "nonsense"}, CSV, "/map/0"),
        ({"map": "=email"}, CSV, "/map/0"),
        ({"surprise": "1"}, CSV, "/surprise"),
        ({}, {"Content-Type": "application/json"}, "/Content-Type"),
        ({}, {}, "/Content-Type"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(
    door: Door, params: dict[str, str], headers: dict[str, str], pointer: str
) -> None:
    before = door.traces()
    answer = door.client.post(PATH, params=params, content=b"distinct_id\nx1\n", headers=headers)
    assert list(pointers(answer)) == [pointer]
    assert door.traces() == before


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff\xfe", b"distinct_id\n\x00\n", b"email\nx\n", b"distinct_id,distinct_id\na,b\n"]
)
def test_what_is_no_file_of_people_is_refused(door: Door, content: bytes) -> None:
    before = door.traces()
    assert problem(door.client.post(PATH, content=content, headers=CSV), 422)
    assert door.traces() == before


def test_who_may_not_write_people_is_refused_before_the_file_is_read(door: Door) -> None:
    key = door.key(scopes=["person:read"])
    answer = door.client.post(PATH, content=b"not even a file", headers={**bearer(key), **CSV})
    assert problem(answer, 403)["details"]["missing"] == ["person:write"]

"""What is open to everybody: the reference and health. It tells nothing of any tenant."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from aggregates.errors import CODES, Kind
from aggregates.problem_codes import PROBLEM_CODES
from commands.grants import COMMANDS, ENGINE, READS
from engine.bootstrap import build
from engine.http.app import ROUTERS, create_app
from engine.http.problems import STATUS
from engine.http.route import GRANT, StrictRoute
from engine.settings import load_settings
from tests.http.conftest import Door, problem


def anonymous(door: Door) -> TestClient:
    return TestClient(create_app(door.system))


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        found = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return found.union(*map(references, node.values()))
    return set().union(*map(references, node)) if isinstance(node, list) else set()


def test_the_openapi_document_is_whole(door: Door) -> None:
    document = anonymous(door).get("/openapi.json").json()
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert references(document) <= known
    ids = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(ids) == len(set(ids))
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if path.startswith("/health"):
                assert operation["security"] == []
                continue
            assert {"401", "403", "422", "429", "500", "503"} <= set(operation["responses"])
            # What is named by an id is so in the path; a person, for the sake of their address, in the body.
            named = "{" in path or path.endswith(("/runs", "/people:opt-out", "/people:opt-in"))
            assert ("404" in operation["responses"]) == named
            for status, response in operation["responses"].items():
                expected = "application/json" if status.startswith("2") else "application/problem+json"
                assert list(response["content"]) == [expected]


def test_every_route_behind_a_key_names_a_grant() -> None:
    named = {
        route.openapi_extra[GRANT]
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, StrictRoute) and route.openapi_extra
    }
    assert named <= set(COMMANDS) | set(READS)
    assert {name for name, scopes in COMMANDS.items() if ENGINE not in scopes} <= named
    assert set(READS) <= named


def test_every_effect_can_be_asked_for_again_and_what_is_made_is_told_where(door: Door) -> None:
    paths = anonymous(door).get("/openapi.json").json()["paths"]
    operations = {op["operationId"]: (verb, op) for verbs in paths.values() for verb, op in verbs.items()}
    headers = {name: {p["name"].lower() for p in op.get("parameters", [])} for name, (_, op) in operations.items()}
    same_again = {
        "size_audience",
        "size_failed",
        "size_unfinished",
        "preview_recurrence",
        "import_people",
        "simulate_workflow",
    }
    effects = {name for name, (verb, _) in operations.items() if verb != "get"} - same_again
    assert {name for name, found in headers.items() if "idempotency-key" in found} == effects

    told = {
        name: {header for answer in op["responses"].values() for header in answer["headers"]}
        for name, (_, op) in operations.items()
        if op["security"]
    }
    made = {"create_workflow", "run_batch", "run_workflow", "attach_schedule", "create_cohort"}
    assert {name for name, found in told.items() if "Location" in found} == made
    recorded = effects | {"import_people"}
    assert {name for name, found in told.items() if "Tidegate-Position" in found} == recorded


def test_every_kind_of_refusal_has_a_status() -> None:
    assert set(STATUS) == set(Kind)


def test_the_reference_page_needs_nothing_from_elsewhere_and_names_every_route_and_code(door: Door) -> None:
    answer = anonymous(door).get("/docs")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    HTMLParser().feed(answer.text)
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", answer.text)
    for path in anonymous(door).get("/openapi.json").json()["paths"]:
        assert f"<code>{path}</code>" in answer.text
    for code in (*CODES, *PROBLEM_CODES):
        assert f'id="{code}"' in answer.text


def test_what_is_open_tells_nothing_of_any_tenant(door: Door) -> None:
    workflow_id = door.created(name="Secret plan")
    open_paths = ("/docs", "/openapi.json", "/health/live", "/health/ready", "/", "/api/v1", "/metrics")
    texts = [anonymous(door).get(path).text for path in open_paths]
    for secret in (workflow_id, "Secret plan", str(door.project)):
        assert not any(secret in text for text in texts)


def test_the_front_says_where_everything_is(door: Door) -> None:
    client = TestClient(create_app(door.system, mount=PlainTextResponse("agents")))
    found = client.get("/").json()
    for name in ("docs", "openapi", "health"):
        assert client.get(found[name]).status_code == 200
    assert found["name"] == "Tidegate"


def test_a_server_with_its_database_is_ready(door: Door) -> None:
    assert anonymous(door).get("/health/live").json() == {"status": "ok"}
    ready = anonymous(door).get("/health/ready")
    said = {"status": "ok", "database": "ok", "broker": "not configured", "fence": "down"}
    assert (ready.status_code, ready.json()) == (200, said)


def test_a_server_behind_the_fence_is_ready_and_says_so(fresh_door: Door) -> None:
    with fresh_door.system.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE installation SET location = 'elsewhere'")
    ready = anonymous(fresh_door).get("/health/ready")
    assert (ready.status_code, ready.json()["status"], ready.json()["fence"]) == (200, "ok", "up")


def test_without_the_database_requests_are_refused_for_now_and_the_server_is_not_ready(tmp_path: Any) -> None:
    url = f"postgresql+psycopg://nobody@/none?host={tmp_path}"
    settings = load_settings({}, directory=tmp_path, database_url=url, data_dir=tmp_path, redis_url="unix:///nowhere")
    system = build(settings)
    client = TestClient(create_app(system))
    assert client.get("/health/live").status_code == 200
    ready = client.get("/health/ready")
    assert (ready.status_code, ready.json()["database"], ready.json()["broker"]) == (503, "unreachable", "unreachable")
    answer = client.get("/api/v1/workflows", headers={"Authorization": "Bearer tg_live_a_b"})
    refusal = problem(answer, 503)
    assert (refusal["code"], answer.headers["retry-after"]) == ("service.unavailable", "1")
    assert str(tmp_path) not in answer.text
    system.close()


def test_a_failure_of_ours_is_answered_without_a_word_of_what_it_was(door: Door, caplog: Any) -> None:
    person = "ann"

    async def fail(*_: Any) -> None:
        raise RuntimeError(f"{person}@example.com")

    answer = TestClient(create_app(door.system, mount=fail)).get("/mcp")
    refusal = problem(answer, 500)
    assert refusal["code"] == "internal.error"
    assert "ann@example.com" not in answer.text + caplog.text
    assert refusal["request_id"] in caplog.text


def test_what_is_mounted_gets_every_path_that_is_not_ours(door: Door) -> None:
    client = TestClient(create_app(door.system, mount=PlainTextResponse("agents")))
    assert client.post("/mcp").text == "agents"
    assert client.get("/.well-known/x").text == "agents"
    assert client.post("/mcp").headers["x-request-id"]
    assert problem(client.get("/api/v1/nonsense"), 404)
    assert problem(client.delete("/health/live"), 405)

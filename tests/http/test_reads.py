"""Pages, cursors, positions, and that answers hold all that the reads give."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy import insert

from engine.http import answers, rows
from engine.ids import new_id
from projections import tables, waiting
from tests.http.conftest import CONTENT, Door, pointers, problem


def every_page(door: Door, path: str, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = None
    while True:
        page = door.client.get(path, params={**params, "limit": 2, **({"after": after} if after else {})}).json()
        assert set(page) == {"data", "next_cursor", "as_of_position"}
        assert 0 < len(page["data"]) <= 2
        found += page["data"]
        after = page["next_cursor"]
        if after is None:
            return found


def test_pages_give_every_row_once_in_a_stable_order(fresh_door: Door) -> None:
    made = [fresh_door.created() for _ in range(5)]
    fresh_door.people("a", "b", "c", "d", "e")
    fresh_door.catch_up()
    assert [row["id"] for row in every_page(fresh_door, "/api/v1/workflows")] == made[::-1]
    assert [row["distinct_id"] for row in every_page(fresh_door, "/api/v1/people")] == ["a", "b", "c", "d", "e"]


def test_lists_can_be_narrowed(door: Door) -> None:
    active, draft = door.enabled(), door.created()
    door.people("fay", "gus")
    door.catch_up()
    listed = {
        status: {row["id"] for row in door.client.get("/api/v1/workflows", params={"status": status}).json()["data"]}
        for status in ("active", "draft")
    }
    assert active in listed["active"] - listed["draft"]
    assert draft in listed["draft"] - listed["active"]
    for params in ({"distinct_id": "fay"}, {"email": "FAY@example.com"}):
        found = door.client.get("/api/v1/people", params=params).json()["data"]
        assert [person["distinct_id"] for person in found] == ["fay"]


def test_a_page_says_how_far_its_view_had_come(door: Door) -> None:
    position = door.client.post("/api/v1/workflows", json={"name": "x", **CONTENT}).json()["position"]
    assert door.client.get("/api/v1/workflows").json()["as_of_position"] < position
    door.catch_up()
    page = door.client.get("/api/v1/workflows", params={"min_position": position}).json()
    assert page["as_of_position"] == position


def test_a_read_that_the_views_cannot_follow_is_refused_for_now(door: Door) -> None:
    position = door.client.post("/api/v1/workflows", json={"name": "x", **CONTENT}).json()["position"]
    answer = door.client.get("/api/v1/workflows", params={"min_position": position})
    assert problem(answer, 503)["code"] == "position.not_reached"
    assert answer.headers["retry-after"] == "1"


def test_what_a_command_has_made_is_waited_for_where_it_is_to_be(door: Door) -> None:
    made = door.client.post("/api/v1/workflows", json={"name": "x", **CONTENT})
    answer = door.client.get(made.headers["location"])
    refused = problem(answer, 503)
    assert (refused["code"], refused["details"]["asked"]) == ("position.not_reached", made.json()["position"])
    assert answer.headers["retry-after"] == "1"
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(door.client.get, made.headers["location"])
        door.catch_up()
        assert read.result().status_code == 200


@pytest.mark.parametrize("path", ["workflows/{0}", "schedules/{0}", "schedules/{0}/occurrences", "batch-jobs/{0}"])
def test_what_a_view_lacks_is_waited_for_if_the_log_has_it_and_it_is_ours(
    door: Door, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "WAIT_SECONDS", 0)
    kind = path.partition("/")[0].removesuffix("s").replace("-", "_")
    expected = {}
    for project, told in ((door.project, kind), (door.project, "key"), (door.other_project, kind)):
        head = {"id": new_id(), "project_id": project, "kind": told, "version": 1, "status": "", "position": 10**6}
        with door.system.engine.begin() as connection:
            connection.execute(insert(tables.stream_heads).values(head))
        ours = (project, told) == (door.project, kind)
        expected[path.format(head["id"])] = "position.not_reached" if ours else f"{kind}.not_found"
    expected[path.format(new_id())] = f"{kind}.not_found"
    found = {asked: door.client.get(f"/api/v1/{asked}").json()["code"] for asked in expected}
    assert found == expected


def test_a_row_that_the_view_has_passed_by_is_not_waited_for(door: Door) -> None:
    id = new_id()
    head = {"id": id, "project_id": door.project, "kind": "workflow", "version": 1, "status": "", "position": 0}
    with door.system.engine.begin() as connection:
        connection.execute(insert(tables.stream_heads).values(head))
    problem(door.client.get(f"/api/v1/workflows/{id}"), 404)


def test_a_position_that_the_log_has_not_come_to_is_waited_for_by_nobody(door: Door) -> None:
    answer = door.client.get("/api/v1/workflows", params={"min_position": 10**9})
    assert problem(answer, 422)["code"] == "position.unknown"


def test_filters_by_an_unknown_workflow(door: Door) -> None:
    assert door.client.get("/api/v1/batch-jobs", params={"workflow_id": str(new_id())}).json()["data"] == []
    wrong = door.client.get("/api/v1/batch-jobs", params={"workflow_id": "x"})
    assert pointers(wrong) == {"/workflow_id": "parameter.invalid"}
    assert pointers(door.client.get(f"/api/v1/batch-jobs/{new_id()}/runs?status=x")) == {"/status": "parameter.invalid"}


def test_policy_and_views_are_shown(door: Door) -> None:
    assert door.client.get("/api/v1/policy").json() == {
        **door.system.policy.as_data(),
        "narrowed_by": {"project": {}, "key": {}},
        "set_by": None,
        "set_at": None,
    }
    views = {view["name"] for view in door.client.get("/api/v1/views").json()["data"]}
    assert views >= {"workflows", "schedules", "batch_jobs"}


def test_those_who_match_and_are_left_out_are_named_with_the_reason(door: Door) -> None:
    door.people("opt")
    with door.system.engine.begin() as connection:
        connection.execute(tables.people.update().values(opted_out_at=door.system.clock.now()))
    answer = door.client.get(f"/api/v1/workflows/{door.created()}/blast-radius/excluded").json()
    assert "opt" in {person["distinct_id"] for person in answer["excluded"] if person["reason"] == "opted_out"}


def test_the_answers_have_every_column_that_a_view_shows(door: Door) -> None:
    """A column that is added to a view and not to its answer would be lost without a word."""
    models: dict[type[BaseModel], tuple[Any, set[str]]] = {
        rows.WorkflowRow: (tables.workflows, {"content"}),
        rows.ScheduleRow: (tables.schedules, set()),
        rows.OccurrenceRow: (tables.occurrences, set()),
        rows.BatchJobRow: (tables.batch_jobs, set()),
        rows.CohortRow: (tables.cohorts, {"conditions"}),
        rows.PersonRow: (tables.people, set()),
        rows.KeyRow: (tables.api_keys, {"hash"}),
        rows.ViewRow: (tables.view_positions, set()),
    }
    for model, (table, hidden) in models.items():
        derived = {"stream_id"} if model is rows.KeyRow else set()
        columns = {column.name for column in table.c} - {"project_id"} - hidden
        assert set(model.model_fields) == columns | derived, model
    assert set(answers.PolicyAnswer.model_fields) == set(door.system.policy.as_data())


def test_commands_tell_all_that_they_answer(door: Door) -> None:
    """The same for what handlers answer, which no table describes."""
    workflow_id = door.created()
    seen: dict[type[BaseModel], dict[str, Any]] = {
        answers.WorkflowAccepted: door.client.post(f"/api/v1/workflows/{workflow_id}/activate").json(),
        answers.SizingAnswer: door.sized(workflow_id),
    }
    for model, answer in seen.items():
        assert set(answer) == set(model.model_fields)

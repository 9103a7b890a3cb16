"""The catalogue of step types over HTTP."""

from __future__ import annotations

from aggregates.steps import catalogue
from engine.http import rows
from tests.http.conftest import Door, problem


def test_the_list_of_step_types_is_metadata_and_one_of_them_is_whole(door: Door) -> None:
    page = door.client.get("/api/v1/components").json()
    assert [row["id"] for row in page["data"]] == sorted(catalogue())
    assert (page["next_cursor"], page["as_of_position"]) == (None, None)
    for row in page["data"]:
        assert set(row) == set(rows.ComponentRow.model_fields)
        whole = door.client.get(f"/api/v1/components/{row['id']}").json()
        assert whole == catalogue()[row["id"]].as_data()
        assert row.items() <= whole.items()


def test_an_unknown_step_type_is_answered_with_the_close_ones(door: Door) -> None:
    refused = problem(door.client.get("/api/v1/components/web-hook"), 404)
    assert (refused["code"], refused["details"]) == ("component.not_found", {"close": ["webhook"]})


def test_step_types_are_for_those_who_may_read_workflows(door: Door) -> None:
    headers = {"Authorization": f"Bearer {door.key(scopes=['run:read'])}"}
    for path in ("/api/v1/components", "/api/v1/components/delay", "/api/v1/components/none"):
        assert problem(door.client.get(path, headers=headers), 403)["code"] == "scope.missing"

"""Arguments are parsed by a closed schema, and everything wrong is told at once."""

from __future__ import annotations

from typing import Any

import pytest

from aggregates.errors import DomainError
from mcp_adapter.schemas import parse
from mcp_adapter.tools import TOOLS

RUN = {"workflow_id": "w", "acknowledged_affected_count": 3}


def problems(tool: str, **arguments: Any) -> list[tuple[str, str]]:
    with pytest.raises(DomainError) as refused:
        parse(TOOLS[tool].arguments, arguments)
    assert refused.value.code == "request.invalid"
    return [(problem.pointer, problem.code) for problem in refused.value.problems]


def test_good_arguments_are_taken() -> None:
    given = parse(TOOLS["workflows-run-batch"].arguments, RUN)
    assert given.model_dump()["confirm_token"] is None


def test_an_unknown_argument_is_refused_by_name() -> None:
    assert problems("workflows-run-batch", **RUN, dry_run=True) == [("/dry_run", "field.unknown")]


def test_a_misspelt_argument_is_refused_with_the_name_that_was_meant() -> None:
    with pytest.raises(DomainError) as refused:
        parse(TOOLS["workflows-run-batch"].arguments, {**RUN, "confirm_tokn": "x"})
    assert refused.value.problems[0].example == "confirm_token"


@pytest.mark.parametrize("count", ["3.0", "three", "", "true", "[3]", 3.5, True, None, [3]])
def test_a_count_is_a_whole_number_and_nothing_else_is_converted(count: object) -> None:
    arguments = {**RUN, "acknowledged_affected_count": count}
    assert problems("workflows-run-batch", **arguments) == [("/acknowledged_affected_count", "field.invalid")]


def test_everything_wrong_is_told_at_once() -> None:
    found = problems("batch-jobs-get", wait_seconds=26, wait=1)
    assert sorted(found) == [
        ("/batch_job_id", "field.missing"),
        ("/wait", "field.unknown"),
        ("/wait_seconds", "field.invalid"),
    ]


def test_the_terms_of_a_schedule_are_of_their_types() -> None:
    found = problems(
        "workflows-update-schedule",
        schedule_id="s",
        exdates="2027-01-04",
        overlap=1,
        max_growth="10%",
        catch_up_window_minutes=1.5,
        status="active",
    )
    wrong = ("catch_up_window_minutes", "exdates", "max_growth", "overlap")
    assert sorted(found) == [*((f"/{name}", "field.invalid") for name in wrong), ("/status", "field.unknown")]


@pytest.mark.parametrize("count", [0, 21])
def test_a_preview_has_its_bounds(count: int) -> None:
    assert problems("schedules-preview", schedule_id="s", count=count) == [("/count", "field.invalid")]


@pytest.mark.parametrize("note", [{}, {"note": ""}])
def test_who_pauses_says_why(note: dict[str, str]) -> None:
    (found,) = problems("workflows-pause-schedule", schedule_id="s", **note)
    assert found[0] == "/note"


@pytest.mark.parametrize("value", ["a\0b", "\ud800", float("nan"), float("inf"), 10**30])
def test_what_cannot_be_stored_is_refused_at_the_door(value: object) -> None:
    found = problems("workflows-create", name="n", trigger={}, steps=[{"config": {"x": value}}])
    assert found == [("/steps/0/config/x", "content.not_json")]


def test_no_value_is_sent_back() -> None:
    with pytest.raises(DomainError) as refused:
        parse(TOOLS["workflows-run-batch"].arguments, {**RUN, "confirm_token": ["s3cret"], "x": "s3cret"})
    assert "s3cret" not in str([problem.as_data() for problem in refused.value.problems])

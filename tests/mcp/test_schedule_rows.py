"""What is shown of a workflow's schedules, and what is said of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from mcp_adapter.tools.schedule_rows import BUDGET, liveness, within_budget

SOON = datetime(2027, 1, 4, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("workflow", "schedules", "said"),
    [
        ("active", [], "It has 0 schedules, none active: nothing fires by itself."),
        ("active", [("paused", SOON)], "It has 1 schedule, none active: nothing fires by itself."),
        ("draft", [("active", SOON)], "It has 1 active schedule, skipping every occurrence while it is draft."),
        (
            "active",
            [("active", SOON), ("paused", SOON)],
            f"It is live: 1 of 2 schedules active, next at {SOON.isoformat()}.",
        ),
        (
            "active",
            [("active", None)],
            "It is live: 1 of 1 schedule active, its last occurrence waits for the batch before it.",
        ),
    ],
)
def test_whether_it_is_live_is_one_sentence(
    workflow: str, schedules: list[tuple[str, datetime | None]], said: str
) -> None:
    rows = [{"status": status, "next_occurrence": instant} for status, instant in schedules]
    assert liveness(workflow, rows) == said


@pytest.mark.parametrize("note", [None, "n" * 1_000])
def test_what_fits_begins_with_what_is_active(note: str | None) -> None:
    fixed: dict[str, Any] = {
        "rrule": "FREQ=DAILY",
        "starts_at": "2027-01-01T00:00:00",
        "timezone": "UTC",
        "exdates": [],
        "note": note,
    }
    firing = {"overlap": "skip", "catch_up": "latest", "catch_up_window_minutes": 60, "next_occurrence": None}
    rows = [
        {"id": n, "status": status, "acknowledged_count": 1, "variables": {}, **fixed, **firing}
        for n, status in enumerate(["completed"] * 40 + ["paused"] * 2 + ["active"] * 2)
    ]
    found = within_budget(rows)
    assert [row.status for row in found[:4]] == ["active"] * 2 + ["paused"] * 2
    assert len(found) < len(rows)
    assert len(str([row.model_dump(exclude_none=True) for row in found])) < BUDGET + 500

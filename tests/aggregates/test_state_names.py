"""How states of the past are written: names that readers rely on, and nothing but plain JSON."""

from __future__ import annotations

import json

import pytest

from aggregates.base import Aggregate
from tests.support.lives import lives

EVERY = {"status", "due_at", "parent_id"}

NAMES = {
    "workflow": {"name", "description", "content", "content_version", "published", "agent_runs", "stops"},
    "schedule": {
        "workflow_id",
        "terms",
        "acknowledgement",
        "approval",
        "request_digest",
        "next_occurrence",
        "buffered",
        "decided_until",
        "job_ids",
        "seen",
        "revisers",
    },
    "batch_job": {
        "workflow_id",
        "workflow_version",
        "schedule_id",
        "variables",
        "acknowledgement",
        "acknowledged_count",
        "fingerprint",
        "request_digest",
        "send_mode",
        "requesters",
        "approved_by",
        "decisions",
        "cancelled_runs",
        "frozen",
        "manual",
        "enrolled",
        "counts",
        "reached",
        "pace",
        "retry_of",
        "unknown_decided",
        "per_person",
        "asked",
        "held_because",
        "rejected_with",
        "paused_by_agent",
        "pauses",
        "paused_by_command",
    },
    "confirmation": {
        "asks",
        "workflow_id",
        "workflow_version",
        "subject_id",
        "subject_digest",
        "terms",
        "count",
        "fingerprint",
        "send_mode",
        "outcome",
        "limits",
        "request_digest",
        "requesters",
        "asked",
        "decided_by",
    },
    "refusal": {"name", "code", "kind", "subject_id"},
    "key": {
        "key_id",
        "name",
        "scopes",
        "agent",
        "limits",
        "rate_per_minute",
        "expires_at",
        "owner",
        "chain",
    },
    "project": {"name", "limits"},
    "cohort": {"name", "kind", "members", "conditions_digest"},
    "people": {"facts"},
}


@pytest.mark.parametrize("life", list(lives()), ids=lambda life: f"{life.KIND}-{life.status}")
def test_a_state_has_the_names_that_readers_rely_on_and_is_plain(life: Aggregate) -> None:
    state = life.as_data()
    assert set(state) == EVERY | NAMES[life.KIND]
    assert json.loads(json.dumps(state)) == state
    assert "_type_" not in json.dumps(state)


def test_values_of_ours_say_how_they_are_written() -> None:
    schedule = next(life for life in lives() if life.KIND == "schedule" and life.status == "detached")
    state = schedule.as_data()
    assert (state["terms"]["recurrence"]["timezone"], state["terms"]["firing"]["overlap"]) == (
        "Europe/Prague",
        "buffer_one",
    )
    assert state["approval"]["ceiling"] == 3
    assert state["decided_until"] == "2026-12-05T08:00:00+00:00"
    assert state["job_ids"] == [f"00000000-0000-0000-0000-0000000000{n}" for n in ("1e", "1f", "20")]

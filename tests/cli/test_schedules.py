"""A workflow that repeats: the whole story of a schedule at the command line, and each way to be refused."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import pytest

from commands.due import FireSchedule
from engine.bootstrap import system_principal
from tests.cli.conftest import Said, Tidegate, on_terminal
from tests.support.product import Product

HOURLY = ("--rrule", "FREQ=HOURLY", "--starts-at", "2026-01-01T09:30:00")
UNKNOWN = "01a1fcaf-cbd8-7bca-ab46-4fd488ca31ee"

pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture
def workflow(product: Product) -> str:
    """A workflow over four people."""
    product.add_people(4)
    return str(product.workflow(variables=[{"key": "offer", "type": "string", "default": "ten"}]))


def attached(tidegate: Tidegate, workflow: str, *options: str) -> str:
    """The id of a new hourly schedule."""
    said = tidegate("schedules", "attach", workflow, *HOURLY, "--confirm", "4", *options, "--json")
    assert said.code == 0, said
    return str(said.json["schedule_id"])


def shown(tidegate: Tidegate, product: Product, schedule: str) -> Said:
    product.catch_up()
    return tidegate("schedules", "show", schedule, "--json")


def fire(product: Product, schedule: str, next_occurrence: str) -> None:
    """Let the scheduler decide about the next occurrence, a second after its time."""
    due = datetime.fromisoformat(next_occurrence)
    product.clock.advance(seconds=(due - product.clock.now()).total_seconds() + 1)
    principal = system_principal(product.project_id, source="scheduler", name="scheduler")
    product.ask(FireSchedule(UUID(schedule), product.clock.now()), principal)


def test_a_schedule_is_attached_with_every_term_that_was_told(
    tidegate: Tidegate, product: Product, workflow: str
) -> None:
    schedule = attached(
        tidegate, workflow, "--timezone", "Europe/Berlin", "--exdate", "2027-01-01T09:30:00", "--exdate",
        "2027-01-02T09:30:00", "--overlap", "buffer_one", "--catch-up", "all", "--catch-up-window", "120",
        "--max-growth", "5%", "--approval-expires", "2099-01-01T00:00:00Z", "--variables", '{"offer": "twenty"}',
        "--rate", "100/minute", "--breaker", '{"min_attempts": 10, "max_failure_ratio": 0.5}',
    )  # fmt: skip
    row = shown(tidegate, product, schedule).json
    assert (row["timezone"], row["overlap"], row["catch_up"], row["catch_up_window_minutes"]) == (
        "Europe/Berlin", "buffer_one", "all", 120,
    )  # fmt: skip
    assert row["exdates"] == ["2027-01-01T09:30:00", "2027-01-02T09:30:00"]
    assert (row["variables"], row["max_growth"], row["acknowledged_count"]) == ({"offer": "twenty"}, 0.05, 4)
    assert row["approval_expires_at"].startswith("2099-01-01T00:00:00")
    assert (row["rate"], row["breaker"]) == ("100/minute", {"min_attempts": 10, "max_failure_ratio": 0.5})
    said = tidegate("schedules", "revise", schedule, "--lift", "breaker", "--rate", "5/hour", "--confirm", "4")
    assert dict(said.rows)["rate"] == "5/hour"
    assert shown(tidegate, product, schedule).json["breaker"] is None


def test_a_schedule_in_a_pipe_is_names_and_values_and_says_how_to_look_ahead(
    tidegate: Tidegate, product: Product, workflow: str
) -> None:
    said = tidegate("schedules", "attach", workflow, *HOURLY, "--confirm", "4")
    assert said.code == 0, said
    told = dict(said.rows)
    assert (told["status"], told["rrule"], told["acknowledged"]) == ("active", "FREQ=HOURLY", "4")
    assert f"tidegate schedules preview {told['schedule']}" in said.err
    product.catch_up()
    listed = tidegate("schedules", "list", "--workflow", workflow, "--status", "active")
    assert [row[:5] for row in listed.rows] == [[told["schedule"], workflow, "active", "FREQ=HOURLY", "UTC"]]
    assert tidegate("schedules", "list", "--status", "paused").rows == []


def test_the_same_call_with_the_same_key_is_one_schedule(tidegate: Tidegate, product: Product, workflow: str) -> None:
    first = attached(tidegate, workflow, "--idempotency-key", "once")
    assert attached(tidegate, workflow, "--idempotency-key", "once") == first
    product.catch_up()
    assert len(tidegate("schedules", "list").rows) == 1


def test_a_schedule_is_revised_paused_resumed_and_ended(tidegate: Tidegate, product: Product, workflow: str) -> None:
    schedule = attached(tidegate, workflow, "--exdate", "2027-01-01T09:30:00")
    revised = tidegate("schedules", "revise", schedule, "--rrule", "FREQ=DAILY", "--confirm", "4", "--json")
    assert (revised.code, revised.json["rrule"]) == (0, "FREQ=DAILY"), revised
    paused = tidegate("schedules", "pause", schedule, "--note", "holidays", "--json")
    assert (paused.code, paused.json["status"]) == (0, "paused")
    assert shown(tidegate, product, schedule).json["note"] == "holidays"
    cleared = tidegate("schedules", "revise", schedule, "--no-exdates", "--json")
    assert (cleared.code, cleared.json["exdates"]) == (0, []), cleared
    resumed = tidegate("schedules", "resume", schedule, "--confirm", "4", "--max-growth", "0", "--json")
    assert (resumed.code, resumed.json["status"], resumed.json["ceiling"]) == (0, "active", 4), resumed
    ended = tidegate("schedules", "detach", schedule, "--note", "done", "--json")
    assert (ended.code, ended.json["status"]) == (0, "detached")
    assert tidegate("schedules", "resume", schedule, "--confirm", "4").code == 5


def test_a_schedule_and_a_rule_that_is_nowhere_yet_are_previewed(tidegate: Tidegate, workflow: str) -> None:
    schedule = attached(tidegate, workflow)
    ahead = tidegate("schedules", "preview", schedule, "-n", "3")
    assert ahead.code == 0, ahead
    assert len(ahead.rows) == 3
    assert all(":30:00" in local for _, local, _, _ in ahead.rows)
    rule = ("--rrule", "FREQ=DAILY", "--starts-at", "2026-01-01T12:00:00", "--timezone", "Europe/Berlin")
    first, second, third = (row[2] for row in tidegate("schedules", "preview", *rule, "-n", "3").rows)
    found = tidegate("schedules", "preview", *rule, "--exdate", second, "-n", "2", "--json").json
    assert [each["nominal"] for each in found["occurrences"]] == [first, third]
    assert (found["timezone"], found["exdates"]) == ("Europe/Berlin", [second])


def test_what_became_of_occurrences_is_listed_with_the_jobs_of_the_schedule(
    tidegate: Tidegate, product: Product, workflow: str
) -> None:
    schedule = attached(tidegate, workflow, "--overlap", "allow")
    fire(product, schedule, shown(tidegate, product, schedule).json["next_occurrence"])
    product.add_people(1, distinct_id="one more")
    fire(product, schedule, shown(tidegate, product, schedule).json["next_occurrence"])
    said = tidegate("schedules", "occurrences", schedule)
    assert said.code == 0, said
    assert [row[1:3] for row in said.rows] == [["held", "beyond_growth"], ["fired", ""]]
    jobs = tidegate("batch", "list", "--schedule", schedule)
    assert [row[0] for row in jobs.rows] == [row[3] for row in said.rows]
    assert tidegate("batch", "watch", jobs.rows[0][0]).code == 6
    held = tidegate("schedules", "occurrences", schedule, "--state", "held", "--json")
    assert [row["state"] for row in held.json["data"]] == ["held"]


def test_another_number_is_drift_and_attaches_nothing(tidegate: Tidegate, product: Product, workflow: str) -> None:
    said = tidegate("schedules", "attach", workflow, *HOURLY, "--confirm", "3")
    assert said.code == 5
    assert said.err.startswith("audience.drift: ")
    product.catch_up()
    assert tidegate("schedules", "list").rows == []


def test_the_same_number_of_other_people_is_drift_with_a_token(
    tidegate: Tidegate, product: Product, workflow: str
) -> None:
    token = tidegate("workflows", "size", workflow, "--json").json["confirm_token"]
    product.execute("DELETE FROM people WHERE distinct_id = 'p1'")
    product.add_people(1, distinct_id="another")
    said = tidegate("schedules", "attach", workflow, *HOURLY, "--confirm", "4", "--token", token, "--json")
    assert (said.code, said.json["code"]) == (5, "audience.drift")


def test_an_active_schedule_is_not_revised_without_a_number(tidegate: Tidegate, workflow: str) -> None:
    said = tidegate("schedules", "revise", attached(tidegate, workflow), "--rrule", "FREQ=DAILY")
    assert said.code == 5
    assert said.err.startswith("acknowledgement.missing: ")


def test_without_a_number_and_without_a_terminal_nothing_is_attached_or_resumed(
    tidegate: Tidegate, product: Product, workflow: str
) -> None:
    attach = tidegate("schedules", "attach", workflow, *HOURLY)
    assert (attach.code, "--confirm N" in attach.err) == (2, True)
    schedule = attached(tidegate, workflow)
    tidegate("schedules", "pause", schedule, "--note", "wait")
    product.catch_up()
    resume = tidegate("schedules", "resume", schedule)
    assert (resume.code, f"tidegate workflows size {workflow}" in resume.err) == (2, True)


def test_an_unknown_schedule_is_not_found(tidegate: Tidegate) -> None:
    for command in (
        ["show"], ["pause", "--note", "x"], ["resume", "--confirm", "4"], ["detach"], ["preview"], ["occurrences"],
        ["revise", "--overlap", "allow"],
    ):  # fmt: skip
        said = tidegate("schedules", command[0], UNKNOWN, *command[1:])
        assert said.code == 3, (command, said)
        assert said.err.startswith("schedule.not_found: ")


def test_what_makes_no_sense_is_usage(tidegate: Tidegate, workflow: str) -> None:
    bad = tidegate("schedules", "attach", workflow, "--rrule", "FREQ=SECONDLY", "--starts-at", "soon", "--confirm", "4")
    assert (bad.code, "/rrule" in bad.err, "next:" in bad.err) == (2, True, True)
    growth = tidegate("schedules", "attach", workflow, *HOURLY, "--confirm", "4", "--max-growth", "much")
    assert (growth.code, "such as 0.1 or 10%" in growth.err) == (2, True)
    assert tidegate("schedules", "attach", workflow, *HOURLY, "--confirm", "4", "--overlap", "cancel").code == 2
    assert tidegate("schedules", "revise", UNKNOWN).code == 2
    assert tidegate("schedules", "preview").code == 2
    assert tidegate("schedules", "preview", UNKNOWN, *HOURLY).code == 2


def test_a_human_types_the_number_to_attach_and_to_revise(
    product: Product, workflow: str, tidegate: Tidegate, server: str
) -> None:
    env = {"TIDEGATE_URL": server, "TIDEGATE_API_KEY": str(product.owner_key)}
    code, terminal = on_terminal("schedules", "attach", workflow, *HOURLY, env=env, typed="4\n")
    assert code == 0, terminal
    assert "reach at each occurrence" in terminal
    product.catch_up()
    schedule = tidegate("schedules", "list").rows[0][0]
    code, terminal = on_terminal("schedules", "revise", schedule, "--rrule", "FREQ=DAILY", env=env, typed="3\n")
    assert (code, "Nothing was started" in terminal) == (2, True)
    code, terminal = on_terminal("schedules", "revise", schedule, "--rrule", "FREQ=DAILY", env=env, typed="4\n")
    assert code == 0, terminal
    assert shown(tidegate, product, schedule).json["rrule"] == "FREQ=DAILY"

"""Ways around the acknowledgement: chains of commands that are each allowed, and reach nobody who was not confirmed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from commands.batch_job import RunBatch
from commands.due import CHANGED
from commands.schedule import PauseSchedule, ResumeSchedule, ReviseSchedule
from commands.workflow import ArchiveWorkflow, CreateWorkflow, DisableWorkflow, EnableWorkflow, RestoreWorkflow
from tests.commands.conftest import FREE, GREETING, PRO, Desk, refused, renamed_step
from tests.support.product import CAPTURE, EVERYONE, batch, person

Change = Callable[[Desk], Any]


def stop(desk: Desk) -> None:
    desk.product.ask(DisableWorkflow(desk.workflow_id))


def start(desk: Desk) -> None:
    desk.product.ask(EnableWorkflow(desk.workflow_id))


# -- an edit voids what was acknowledged, by every field that leads to other people, other words or other times

CONTENT: dict[str, dict[str, Any]] = {
    "everybody": {"trigger": EVERYONE},
    "others": {"trigger": FREE},
    "fewer": {"trigger": batch(person("plan", "exact", "pro"), person("n", "gt", 1))},
    "the same people, said otherwise": {"trigger": batch(person("plan", "exact", ["pro"]))},
    "a step": {"steps": renamed_step("Other")},
    "a step more": {
        "steps": [CAPTURE, {"id": "end", "name": "End", "type": "exit", "config": {"reason": "done"}}],
        "edges": [{"from": "note", "to": "end"}],
    },
    "a default": {"variables": [{**GREETING[0], "default": "bye"}]},
}

# What looks like a change and leaves the content as it is.
HARMLESS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "the description": {"description": "Other"},
    "the same trigger": {"trigger": PRO},
    "the same trigger with its keys in another order": {
        "trigger": {
            "filters": {"properties": [{"value": "pro", "operator": "exact", "key": "plan", "type": "person"}]},
            "type": "batch",
        }
    },
    "everything again": {"trigger": PRO, "steps": [CAPTURE], "edges": [], "variables": GREETING},
}


@pytest.mark.parametrize("change", CONTENT.values(), ids=CONTENT)
def test_an_edit_of_the_content_pauses_the_schedules_and_voids_every_token(desk: Desk, change: dict[str, Any]) -> None:
    schedule_id, stopped = desk.attach(), desk.attach(starts_at="2026-01-01T15:00:00")
    desk.product.ask(PauseSchedule(stopped, "look first"))
    token = desk.token()
    desk.rewrite(**change)
    assert [desk.schedule(id)["status"] for id in (schedule_id, stopped)] == ["paused", "paused"]
    assert desk.schedule(schedule_id)["note"] == CHANGED
    assert desk.schedule(stopped)["note"] == "look first"
    assert desk.fire(schedule_id) == []
    for command in (RunBatch(desk.workflow_id, *token), ResumeSchedule(schedule_id, *token)):
        assert refused(desk.product, command, desk.somebody).code in {"audience.drift", "confirm.changed"}


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_a_save_that_leaves_the_content_as_it_is_voids_nothing(desk: Desk, change: dict[str, Any]) -> None:
    schedule_id, (count, token) = desk.attach(), desk.token()
    desk.rewrite(**change)
    assert (desk.schedule(schedule_id)["status"], desk.version) == ("active", 1)
    assert desk.product.ask(RunBatch(desk.workflow_id, count, token), desk.somebody)["status"] == "queued"
    (job_id,) = desk.fire(schedule_id)
    assert desk.enrolled(job_id) == desk.pro


def test_another_name_voids_a_token_and_no_schedule(desk: Desk) -> None:
    schedule_id, (count, token) = desk.attach(), desk.token()
    desk.rewrite(name="Payment demand")
    assert (desk.schedule(schedule_id)["status"], desk.version) == ("active", 1)
    refusal = refused(desk.product, RunBatch(desk.workflow_id, count, token), desk.somebody)
    assert (refusal.code, refusal.details) == ("confirm.changed", {"changed": ["name"]})


def test_going_back_to_the_content_that_was_acknowledged_is_still_another_version(desk: Desk) -> None:
    schedule_id, (count, token) = desk.attach(), desk.token()
    stop(desk)
    desk.edit(trigger=EVERYONE)
    desk.edit(trigger=PRO)
    start(desk)
    assert (desk.schedule(schedule_id)["status"], desk.version) == ("paused", 3)
    assert refused(desk.product, RunBatch(desk.workflow_id, count, token), desk.somebody).code == "confirm.changed"


# -- paths: what is done between the acknowledgement of few and the attempt to reach many


def disable_edit_enable(desk: Desk) -> None:
    desk.rewrite(trigger=EVERYONE)


def archive_restore_edit_enable(desk: Desk) -> None:
    desk.product.ask(ArchiveWorkflow(desk.workflow_id))
    desk.product.ask(RestoreWorkflow(desk.workflow_id))
    desk.edit(trigger=EVERYONE)
    start(desk)


def archive_restore_enable(desk: Desk) -> None:
    desk.product.ask(ArchiveWorkflow(desk.workflow_id))
    desk.product.ask(RestoreWorkflow(desk.workflow_id))
    start(desk)
    desk.widen()


def several_edits(desk: Desk) -> None:
    stop(desk)
    desk.edit(steps=renamed_step("Other"))
    desk.edit(trigger=EVERYONE, name="Other")
    desk.edit(steps=[CAPTURE])
    start(desk)


def more_people(desk: Desk) -> None:
    desk.widen()


def other_people(desk: Desk) -> None:
    desk.swap()


PATHS: tuple[Change, ...] = (
    disable_edit_enable,
    archive_restore_edit_enable,
    archive_restore_enable,
    several_edits,
    more_people,
)


@pytest.mark.parametrize("path", PATHS)
def test_whoever_confirmed_few_never_reaches_many(desk: Desk, path: Change) -> None:
    """The schedule, the queued job and the token of two people, whatever is done to the workflow between."""
    schedule_id, queued, (count, token) = desk.attach(), desk.run(), desk.token()
    path(desk)
    desk.enrol(queued)
    assert (desk.status(queued), desk.enrolled(queued)) == ("failed", [])
    for by, command in (
        (desk.somebody, RunBatch(desk.workflow_id, count, token)),
        (desk.somebody, RunBatch(desk.workflow_id, count)),
        (desk.somebody, desk.attaching(count, token)),
        (desk.agent, RunBatch(desk.workflow_id, 4)),
    ):
        assert refused(desk.product, command, by).code in {"audience.drift", "confirm.changed", "confirm.missing"}
    assert [desk.enrolled(job_id) for job_id in desk.fire(schedule_id)] in ([], [[]])


def test_a_schedule_reaches_other_people_but_never_more_than_its_ceiling(desk: Desk) -> None:
    """SPEC: a standing approval is a ceiling of people, whoever they are at that instant; a job is exactly its own."""
    schedule_id, queued = desk.attach(), desk.run()
    other_people(desk)
    desk.enrol(queued)
    assert (desk.status(queued), desk.enrolled(queued)) == ("failed", [])
    (job_id,) = desk.fire(schedule_id)
    assert len(desk.enrolled(job_id)) == 2


def test_narrow_on_a_draft_then_widen_then_enable(desk: Desk) -> None:
    """R8: an acknowledgement of a draft is for that version of it."""
    made = desk.product.ask(CreateWorkflow("Launch", trigger=PRO, steps=[CAPTURE], variables=GREETING), desk.agent)
    desk.workflow_id = UUID(made["workflow_id"])
    count, token = desk.token(desk.agent)
    for command in (RunBatch(desk.workflow_id, count, token), desk.attaching(count, token)):
        assert refused(desk.product, command, desk.agent).code == "workflow.not_active"
    desk.edit(trigger=FREE)
    start(desk)
    # As many free people as pro ones: the number alone would pass.
    assert desk.product.size(desk.workflow_id, desk.agent)["affected"] == count
    for command in (RunBatch(desk.workflow_id, count, token), desk.attaching(count, token)):
        assert refused(desk.product, command, desk.agent).code == "confirm.changed"


def test_a_draft_that_is_enabled_as_it_was_confirmed_runs(desk: Desk) -> None:
    stop(desk)
    count, token = desk.token(desk.agent)
    start(desk)
    assert desk.product.ask(RunBatch(desk.workflow_id, count, token), desk.agent)["status"] == "queued"


def test_a_copy_of_a_workflow_inherits_no_acknowledgement(desk: Desk) -> None:
    count, token = desk.token(desk.agent)
    desk.workflow_id = desk.product.workflow(trigger=PRO, variables=GREETING)
    assert refused(desk.product, RunBatch(desk.workflow_id, count, token), desk.agent).code == "confirm.changed"


def test_pause_revise_resume_passes_the_guard_at_its_end(desk: Desk) -> None:
    """Hole 1: the daily broadcast that becomes an hourly one unseen."""
    schedule_id = desk.attach()
    refusal = refused(desk.product, ReviseSchedule(schedule_id, rrule="FREQ=HOURLY"), desk.agent)
    assert refusal.code == "acknowledgement.missing"
    desk.product.ask(PauseSchedule(schedule_id, "look first"), desk.agent)
    hourly = ReviseSchedule(schedule_id, rrule="FREQ=HOURLY")
    assert refused(desk.product, hourly, desk.agent).code == "schedule.not_for_agents"
    desk.product.ask(hourly)
    desk.widen()
    for by, command in (
        (desk.agent, ResumeSchedule(schedule_id, 4)),
        (desk.somebody, ResumeSchedule(schedule_id, 2)),
    ):
        assert refused(desk.product, command, by).code in {"confirm.missing", "audience.drift", "schedule.unseen"}
    # Revising it again with a count lets it go on no more than without one.
    count, token = desk.token(schedule={"schedule_id": schedule_id, "rrule": "FREQ=DAILY"})
    again = ReviseSchedule(schedule_id, rrule="FREQ=DAILY", acknowledged_affected_count=count, confirm_token=token)
    assert desk.product.ask(again, desk.somebody)["status"] == "paused"
    assert desk.fire(schedule_id) == []


def test_disable_edit_enable_leaves_a_schedule_paused_until_it_is_acknowledged(desk: Desk) -> None:
    schedule_id = desk.attach()
    desk.rewrite(trigger=EVERYONE)
    assert desk.fire(schedule_id) == []
    assert refused(desk.product, ResumeSchedule(schedule_id, 2), desk.somebody).code == "audience.drift"
    desk.product.ask(ResumeSchedule(schedule_id, 4), desk.somebody)
    (job_id,) = desk.fire(schedule_id)
    assert desk.enrolled(job_id) == desk.people


def test_a_schedule_of_an_archived_workflow_stays_ended(desk: Desk) -> None:
    schedule_id = desk.attach()
    archive_restore_enable(desk)
    count, token = desk.token(schedule={"schedule_id": schedule_id})
    _, hourly = desk.token(schedule={"schedule_id": schedule_id, "rrule": "FREQ=HOURLY"})
    for command in (
        ResumeSchedule(schedule_id, count, token),
        ReviseSchedule(schedule_id, rrule="FREQ=HOURLY", acknowledged_affected_count=count, confirm_token=hourly),
    ):
        assert refused(desk.product, command, desk.somebody).code == "schedule.ended"
    assert desk.fire(schedule_id) == []


def test_what_a_client_may_not_say_is_no_part_of_any_command() -> None:
    """Hole 7: status, filters, principal and version of a job come from nobody's body."""
    assert set(RunBatch.__dataclass_fields__) == {
        "workflow_id",
        "acknowledged_affected_count",
        "confirm_token",
        "variables",
        "rate",
        "breaker",
    }
    for command in (ReviseSchedule, ResumeSchedule):
        assert not {"status", "next_occurrence", "workflow_id", "acknowledgement"} & set(command.__dataclass_fields__)

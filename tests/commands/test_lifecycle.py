"""What a workflow's status means for those who edit it, for its jobs and for its schedules."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from aggregates.base import Source
from commands.approval import ApproveBatchJob
from commands.batch_job import CancelBatchJob, PauseBatchJob, ResumeBatchJob
from commands.schedule import PauseSchedule
from commands.workflow import ArchiveWorkflow, DisableWorkflow, EditWorkflow, EnableWorkflow, RestoreWorkflow
from tests.commands.conftest import FREE, GREETING, Desk, MakeProduct, refused, renamed_step
from tests.support.product import Product
from tests.workers.conftest import Workshop

AGENTS: tuple[tuple[Source, bool], ...] = (("mcp", False), ("mcp", True), ("api", True), ("cli", True))
STOPS = (DisableWorkflow, ArchiveWorkflow)


# -- who may change what


def test_what_is_active_is_read_only_to_everybody_and_disabling_it_is_not_for_agents(desk: Desk) -> None:
    edit = EditWorkflow(desk.workflow_id, 1, trigger=FREE)
    for source, agent in AGENTS:
        by = desk.product.principal(id="bot", source=source, agent=agent)
        assert refused(desk.product, edit, by).code == "workflow.not_draft"
        assert refused(desk.product, DisableWorkflow(desk.workflow_id), by).code == "workflow.not_for_agents"
    for source in ("web", "api", "cli"):
        assert refused(desk.product, edit, desk.product.principal(source=source)).code == "workflow.not_draft"
    assert desk.product.ask(DisableWorkflow(desk.workflow_id))["status"] == "draft"


def test_an_agent_is_told_nothing_by_the_refusal(desk: Desk) -> None:
    """What is not there, what is a draft and what is active are refused alike, so it is no oracle either."""
    draft = desk.product.workflow(active=False)
    for workflow_id in (UUID(int=404), draft, desk.workflow_id):
        assert refused(desk.product, DisableWorkflow(workflow_id), desk.agent).code == "workflow.not_for_agents"


# A status, what is asked of it, and where it leads; a code where it leads nowhere.
MOVES: tuple[tuple[str, Any, str], ...] = (
    ("draft", EnableWorkflow, "active"),
    ("draft", DisableWorkflow, "draft"),
    ("draft", ArchiveWorkflow, "archived"),
    ("draft", RestoreWorkflow, "draft"),
    ("active", EnableWorkflow, "active"),
    ("active", DisableWorkflow, "draft"),
    ("active", ArchiveWorkflow, "archived"),
    ("active", RestoreWorkflow, "workflow.illegal_move"),
    ("archived", EnableWorkflow, "workflow.archived"),
    ("archived", DisableWorkflow, "workflow.archived"),
    ("archived", ArchiveWorkflow, "archived"),
    ("archived", RestoreWorkflow, "draft"),
)


def test_every_move_of_every_status(product: Product) -> None:
    for status, move, expected in MOVES:
        workflow_id = product.workflow(active=status == "active")
        if status == "archived":
            product.ask(ArchiveWorkflow(workflow_id))
        if "." in expected:
            assert refused(product, move(workflow_id)).code == expected
            continue
        position = product.log_position()
        assert product.ask(move(workflow_id))["status"] == expected
        assert (product.log_position() > position) == (expected != status)


# -- what becomes of its jobs


@pytest.mark.parametrize("stop", STOPS)
def test_stopping_a_workflow_pauses_its_running_jobs_and_says_why(desk: Desk, stop: Any) -> None:
    running, queued = desk.run(), desk.run()
    desk.enrol(running)
    stopped = {DisableWorkflow: "The workflow was disabled.", ArchiveWorkflow: "The workflow was archived."}[stop]
    desk.product.ask(stop(desk.workflow_id), reason="wrong text")
    assert (desk.status(running), desk.status(queued)) == ("paused", "queued")
    assert desk.product.job(running)["reason"] == f"{stopped} wrong text"
    desk.enrol(queued)
    assert (desk.status(queued), desk.enrolled(queued)) == ("failed", [])
    assert desk.product.job(queued)["reason"].startswith("workflow.not_active")


@pytest.mark.parametrize("stop", STOPS)
def test_nobody_is_reached_while_the_workflow_is_stopped(desk: Desk, workshop: Workshop, stop: Any) -> None:
    job_id = desk.run()
    desk.enrol(job_id)
    desk.product.ask(stop(desk.workflow_id))
    workshop.scheduler.sweep()
    assert workshop.advance(job_id)["status"] == "paused"
    assert {run["status"] for run in desk.product.runs(job_id)} == {"pending"}
    for by in (desk.somebody, desk.agent):
        assert refused(desk.product, ResumeBatchJob(job_id), by).code == "workflow.not_active"


def test_enabling_again_resumes_nothing_by_itself(desk: Desk, workshop: Workshop) -> None:
    job_id = desk.run()
    desk.enrol(job_id)
    desk.product.ask(DisableWorkflow(desk.workflow_id))
    desk.product.ask(EnableWorkflow(desk.workflow_id))
    workshop.scheduler.sweep()
    assert workshop.advance(job_id)["status"] == "paused"
    desk.product.ask(ResumeBatchJob(job_id))
    assert workshop.advance(job_id)["status"] == "completed"
    assert [run["person_id"] for run in desk.product.runs(job_id)] == desk.pro


@pytest.mark.parametrize("stop", STOPS)
def test_stopping_says_which_jobs_it_paused_and_enabling_which_of_them_still_are(desk: Desk, stop: Any) -> None:
    by_hand, stopped, earlier = (desk.run() for _ in range(3))
    desk.enrol(by_hand, stopped, earlier)
    desk.product.ask(PauseBatchJob(by_hand, "look first"))
    ask, id = desk.product.ask, desk.workflow_id

    assert set(ask(stop(id))["paused_jobs"]) == {str(stopped), str(earlier)}
    if stop is ArchiveWorkflow:
        assert ask(RestoreWorkflow(id))["paused_jobs"] == []
    assert set(ask(EnableWorkflow(id))["paused_jobs"]) == {str(stopped), str(earlier)}

    # What stands still since an earlier stop is not forgotten, and what goes on again is.
    ask(ResumeBatchJob(stopped))
    ask(PauseBatchJob(stopped, "by hand this time"))
    assert ask(DisableWorkflow(id))["paused_jobs"] == []
    assert ask(EnableWorkflow(id))["paused_jobs"] == [str(earlier)]


def test_a_queued_job_of_a_workflow_that_was_stopped_and_started_unchanged_is_still_acknowledged(desk: Desk) -> None:
    job_id = desk.run()
    desk.product.ask(DisableWorkflow(desk.workflow_id))
    desk.product.ask(EnableWorkflow(desk.workflow_id))
    desk.enrol(job_id)
    assert desk.enrolled(job_id) == desk.pro


def test_a_queued_job_of_another_version_reaches_nobody(desk: Desk) -> None:
    job_id = desk.run()
    desk.rewrite(steps=renamed_step("Other"))
    desk.enrol(job_id)
    assert (desk.status(job_id), desk.enrolled(job_id)) == ("failed", [])
    assert desk.product.job(job_id)["reason"].startswith("workflow.stale")


def test_a_running_job_keeps_the_content_and_the_variables_of_its_version(desk: Desk, workshop: Workshop) -> None:
    message = {"id": "note", "name": "Note", "type": "capture", "config": {"message": "{{ variables.greeting }}"}}
    desk.rewrite(steps=[message])
    job_id = desk.run()
    desk.enrol(job_id)
    desk.rewrite(
        trigger=FREE,
        steps=[{**message, "config": {"message": "changed {{ variables.greeting }}"}}],
        variables=[{**GREETING[0], "default": "bye"}],
    )
    desk.product.ask(ResumeBatchJob(job_id))
    job = workshop.advance(job_id)
    assert (job["status"], job["workflow_version"]) == ("completed", 2)
    runs = desk.product.runs(job_id)
    assert [run["person_id"] for run in runs] == desk.pro
    assert {run["steps"][0]["output"]["message"] for run in runs} == {"hello"}


def test_a_person_may_pause_cancel_and_resume_whatever_the_workflow_does(desk: Desk) -> None:
    running = desk.run()
    desk.enrol(running)
    desk.product.ask(PauseBatchJob(running, "look first"))
    desk.product.ask(DisableWorkflow(desk.workflow_id))
    assert desk.product.job(running)["reason"] == "look first"
    assert desk.product.ask(PauseBatchJob(running, "again"))["status"] == "paused"
    assert desk.product.ask(CancelBatchJob(running, "enough"))["status"] == "cancelling"


def test_a_reason_is_a_short_text(desk: Desk) -> None:
    for command, reason in itertools.product((PauseBatchJob, CancelBatchJob), ("x" * 1001, "a\0b")):
        refusal = refused(desk.product, command(desk.run(), reason))
        assert (refusal.code, refusal.problems[0].pointer) == ("request.invalid", "/reason")


def test_a_held_job_of_a_stopped_workflow_waits_for_nothing_but_its_end(product_with: MakeProduct) -> None:
    desk = Desk(product_with(approval_over=1))
    job_id = desk.run()
    desk.product.ask(ArchiveWorkflow(desk.workflow_id))
    assert refused(desk.product, ApproveBatchJob(job_id, 2), desk.another).code == "workflow.not_active"
    desk.product.ask(RestoreWorkflow(desk.workflow_id))
    desk.edit(trigger=FREE)
    desk.product.ask(EnableWorkflow(desk.workflow_id))
    assert refused(desk.product, ApproveBatchJob(job_id, 2), desk.another).code == "workflow.stale"


# -- what becomes of its schedules


def test_archiving_detaches_every_schedule_and_pauses_every_running_job(desk: Desk) -> None:
    tomorrow = (desk.product.clock.now() + timedelta(days=1)).isoformat()
    active, stopped, finished = (
        desk.attach(),
        desk.attach(starts_at="2026-01-01T15:00:00"),
        desk.attach(rrule="FREQ=DAILY;COUNT=1", starts_at=f"{tomorrow[:10]}T12:00:00"),
    )
    desk.product.ask(PauseSchedule(stopped, "later"))
    jobs = [*desk.fire(finished), desk.run()]
    desk.enrol(*jobs)
    assert [desk.schedule(id)["status"] for id in (active, stopped, finished)] == ["active", "paused", "completed"]
    desk.product.ask(ArchiveWorkflow(desk.workflow_id))
    assert [desk.schedule(id)["status"] for id in (active, stopped, finished)] == ["detached"] * 3
    assert [desk.status(id) for id in jobs] == ["paused"] * 2
    desk.product.ask(RestoreWorkflow(desk.workflow_id))
    desk.product.ask(EnableWorkflow(desk.workflow_id))
    assert [desk.schedule(id)["status"] for id in (active, stopped, finished)] == ["detached"] * 3
    assert desk.fire(active) == []


def test_disabling_keeps_the_schedules_and_their_occurrences_are_skipped(desk: Desk) -> None:
    schedule_id = desk.attach()
    desk.product.ask(DisableWorkflow(desk.workflow_id))
    assert desk.schedule(schedule_id)["status"] == "active"
    assert desk.fire(schedule_id) == []
    page = desk.product.system.reads.schedules.occurrences(desk.somebody, schedule_id)
    assert {(row["state"], row["reason"]) for row in page.data} == {("skipped", "workflow.not_active")}

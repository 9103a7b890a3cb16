"""Frozen sizings: the people of a sizing, kept for the one job that its token buys."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from aggregates.policy import Limits
from commands.approval import ApproveBatchJob, RejectBatchJob
from commands.batch_job import CancelBatchJob, PauseBatchJob, ResumeBatchJob, RunBatch, SizeAudience
from commands.schedule import PauseSchedule, ResumeSchedule, ReviseSchedule
from commands.workflow import DisableWorkflow
from tests.commands.conftest import PRO, Desk, MakeProduct, refused, renamed_step
from tests.support.product import Product
from tests.workers.conftest import Workshop

SIZINGS = "SELECT count(*) FROM frozen_sizings"
CHUNKS = "SELECT count(*) FROM chunks"


def freeze(desk: Desk) -> RunBatch:
    """The command that a frozen sizing buys."""
    return RunBatch(desk.workflow_id, *desk.token(freeze=True))


def buy(desk: Desk, command: RunBatch, **principal: Any) -> UUID:
    return UUID(desk.product.ask(command, principal.get("by") or desk.somebody)["batch_job_id"])


def everybody_else(desk: Desk) -> None:
    """Nobody of the frozen people matches any more, and all the others do."""
    desk.product.execute(
        """UPDATE people SET properties = CASE properties->>'plan' WHEN 'pro' THEN '{"plan": "free"}'::jsonb """
        """ELSE '{"plan": "pro"}'::jsonb END"""
    )


def test_a_sizing_is_live_unless_it_says_that_it_is_frozen(desk: Desk) -> None:
    for asked, kept in ((False, 0), (True, 1)):
        sizing = desk.product.ask(SizeAudience(desk.workflow_id, freeze=asked))
        assert (sizing["frozen"], sizing["affected"]) == (asked, 2)
        assert desk.product.execute(SIZINGS) == [(kept,)]


def test_a_frozen_job_reaches_exactly_the_frozen_people(desk: Desk, workshop: Workshop) -> None:
    command = freeze(desk)
    everybody_else(desk)
    job_id = buy(desk, command)
    job = workshop.advance(job_id)
    assert (job["status"], job["delivered"]) == ("completed", 2)
    assert [run["person_id"] for run in desk.product.runs(job_id)] == desk.pro
    assert desk.product.execute(SIZINGS) == [(0,)]


def test_a_live_job_over_the_same_change_is_refused(desk: Desk) -> None:
    command = RunBatch(desk.workflow_id, *desk.token())
    everybody_else(desk)
    assert refused(desk.product, command, desk.somebody).code == "audience.drift"


def test_people_who_left_since_are_skipped_with_the_reason(product: Product, workshop: Workshop) -> None:
    desk = Desk(product, people=8)
    job_id = buy(desk, freeze(desk))
    opted_out, erased = desk.pro[:2]
    product.execute("UPDATE people SET opted_out_at = now() WHERE id = :id", id=opted_out)
    product.execute("DELETE FROM people WHERE id = :id", id=erased)
    job = workshop.advance(job_id)
    assert (job["status"], job["delivered"], job["skipped"]) == ("completed", 2, 2)
    skipped = {run["person_id"]: run["reason"] for run in product.runs(job_id, status="skipped")}
    assert skipped == {opted_out: "opted_out", erased: "erased"}


def test_people_who_left_before_the_job_was_bought_are_skipped_too(product: Product, workshop: Workshop) -> None:
    desk = Desk(product, people=8)
    command = freeze(desk)
    product.execute("UPDATE people SET opted_out_at = now() WHERE id = :id", id=desk.pro[0])
    job = workshop.advance(buy(desk, command))
    assert (job["acknowledged"], job["delivered"], job["skipped"]) == (4, 3, 1)


@pytest.mark.parametrize(("limit", "frozen"), [(1, False), (2, True)])
def test_an_audience_over_the_limit_is_not_frozen(product_with: MakeProduct, limit: int, frozen: bool) -> None:
    desk = Desk(product_with(max_audience=limit))
    command = freeze(desk)
    assert desk.product.execute(SIZINGS) == [(int(frozen),)]
    if frozen:
        buy(desk, command)
    else:
        assert refused(desk.product, command, desk.somebody).code == "audience.over_limit"


def test_the_limit_of_the_key_counts_when_it_is_used(desk: Desk) -> None:
    command = freeze(desk)
    narrowed = desk.product.principal(id="somebody", limits=(Limits(max_audience=1),))
    assert refused(desk.product, command, narrowed).code == "audience.over_limit"


def test_nobody_is_not_frozen(desk: Desk) -> None:
    desk.product.execute("UPDATE people SET opted_out_at = now()")
    command = freeze(desk)
    assert desk.product.execute(SIZINGS) == [(0,)]
    assert refused(desk.product, command, desk.somebody).code == "audience.empty"


@pytest.mark.parametrize("collected", [False, True])
def test_a_frozen_token_expires_as_any_other(desk: Desk, workshop: Workshop, collected: bool) -> None:
    command = freeze(desk)
    desk.product.clock.advance(minutes=15, seconds=1)
    if collected:
        desk.product.clock.advance(minutes=5)
        assert workshop.scheduler.collect() == 1
    assert refused(desk.product, command, desk.somebody).code == "confirm.expired"


@pytest.mark.parametrize("collected", [False, True])
def test_what_comes_before_the_token_is_told_before_it(desk: Desk, workshop: Workshop, collected: bool) -> None:
    count, token = desk.token(freeze=True)
    desk.product.clock.advance(minutes=21)
    if collected:
        workshop.scheduler.collect()
    bad = RunBatch(desk.workflow_id, count, token, {"unknown": 1})
    assert refused(desk.product, bad, desk.somebody).code == "variables.invalid"
    desk.product.ask(DisableWorkflow(desk.workflow_id))
    assert refused(desk.product, bad, desk.somebody).code == "workflow.not_active"


def test_frozen_people_are_collected_after_the_token_and_not_before(desk: Desk, workshop: Workshop) -> None:
    freeze(desk)
    for minutes, left in ((14, 1), (2, 1), (5, 0)):
        desk.product.clock.advance(minutes=minutes)
        workshop.scheduler.collect()
        assert desk.product.execute(SIZINGS) == [(left,)]
        assert desk.product.execute(CHUNKS) == [(left,)]


def test_what_was_bought_is_not_collected_while_it_waits(product_with: MakeProduct) -> None:
    product = product_with(approval_over=1)
    desk, shop = Desk(product), Workshop(product)
    held = buy(desk, freeze(desk))
    approved = buy(desk, freeze(desk))
    product.ask(ApproveBatchJob(approved, 2), desk.another)
    stopped = buy(desk, freeze(desk))
    product.ask(ApproveBatchJob(stopped, 2), desk.another)
    product.ask(PauseBatchJob(stopped, "wait"))
    everybody_else(desk)
    product.clock.advance(hours=5)
    assert shop.scheduler.collect() == 0
    product.ask(ApproveBatchJob(held, 2), desk.another)
    product.ask(ResumeBatchJob(stopped))
    for job_id in (held, approved, stopped):
        assert shop.advance(job_id)["status"] == "completed"
        assert [run["person_id"] for run in product.runs(job_id)] == desk.pro
    shop.deliveries.close()


def test_what_was_bought_and_given_up_is_collected(product_with: MakeProduct) -> None:
    product = product_with(approval_over=1)
    desk, shop = Desk(product), Workshop(product)
    product.ask(RejectBatchJob(buy(desk, freeze(desk)), "no"), desk.another)
    product.ask(CancelBatchJob(buy(desk, freeze(desk)), "no"), desk.another)
    product.clock.advance(minutes=21)
    assert shop.scheduler.collect() == 2
    assert product.execute(CHUNKS) == [(0,)]
    shop.deliveries.close()


def test_a_frozen_token_is_for_a_job_and_not_for_a_schedule(desk: Desk) -> None:
    count, token = desk.token(freeze=True)
    active, stopped = desk.attach(), desk.attach(starts_at="2026-01-01T15:00:00")
    desk.product.ask(PauseSchedule(stopped, "later"))
    for command in (
        desk.attaching(count, token, starts_at="2026-01-01T21:00:00"),
        ReviseSchedule(active, rrule="FREQ=WEEKLY", acknowledged_affected_count=count, confirm_token=token),
        ResumeSchedule(stopped, count, token),
    ):
        assert refused(desk.product, command, desk.somebody).code == "confirm.frozen"
    # None of them has spent it.
    buy(desk, RunBatch(desk.workflow_id, count, token))


def test_the_same_frozen_token_twice_is_the_same_job(desk: Desk) -> None:
    command = freeze(desk)
    first = buy(desk, command)
    everybody_else(desk)
    assert buy(desk, command) == first
    desk.enrol(first)
    desk.product.clock.advance(hours=1)
    assert buy(desk, command) == first
    other = RunBatch(desk.workflow_id, 2, command.confirm_token, {"greeting": "bye"})
    assert refused(desk.product, other, desk.somebody).code == "confirm.used"


def test_a_frozen_token_is_bound_as_any_other(desk: Desk) -> None:
    command = freeze(desk)
    for changed, by in (
        (command, desk.another),
        (RunBatch(desk.product.workflow(trigger=PRO), 2, command.confirm_token), desk.somebody),
        (RunBatch(desk.workflow_id, 2, command.confirm_token, {"greeting": "bye"}), desk.somebody),
    ):
        assert refused(desk.product, changed, by).code == "confirm.changed"
    assert refused(desk.product, RunBatch(desk.workflow_id, 3, command.confirm_token), desk.somebody).code == (
        "audience.drift"
    )
    desk.rewrite(steps=renamed_step("Other"))
    assert refused(desk.product, command, desk.somebody).code == "confirm.changed"


def test_an_edit_after_the_job_was_bought_reaches_nobody(desk: Desk) -> None:
    job_id = buy(desk, freeze(desk))
    desk.rewrite(steps=renamed_step("Other"))
    desk.enrol(job_id)
    assert (desk.status(job_id), desk.enrolled(job_id)) == ("failed", [])


def test_a_held_frozen_job_is_approved_over_the_frozen_people(product_with: MakeProduct) -> None:
    product = product_with(approval_over=1)
    desk = Desk(product)
    job_id = buy(desk, freeze(desk))
    desk.widen()
    # Today's audience is another one, so a fresh sizing of it confirms nothing about this job.
    count, token = desk.token(desk.another)
    assert count == 4
    assert refused(product, ApproveBatchJob(job_id, count, token), desk.another).code == "audience.drift"
    product.ask(ApproveBatchJob(job_id, 2), desk.another)
    desk.enrol(job_id)
    assert (desk.status(job_id), desk.enrolled(job_id)) == ("running", desk.pro)


def test_an_agent_runs_a_frozen_sizing_of_its_own_only(desk: Desk) -> None:
    command = RunBatch(desk.workflow_id, *desk.token(desk.agent, freeze=True))
    other = desk.product.principal(id="bot", source="mcp")
    assert refused(desk.product, command, other).code == "confirm.changed"
    everybody_else(desk)
    job_id = buy(desk, command, by=desk.agent)
    desk.enrol(job_id)
    assert desk.enrolled(job_id) == desk.pro


def test_a_project_keeps_only_so_many(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.people_port.KEPT_AT_ONCE", 2)
    for _ in range(2):
        freeze(desk)
    assert refused(desk.product, SizeAudience(desk.workflow_id, freeze=True)).code == "sizing.too_many_kept"
    assert desk.product.ask(SizeAudience(desk.workflow_id))["frozen"] is False
    desk.product.clock.advance(minutes=16)
    freeze(desk)

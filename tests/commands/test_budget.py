"""The budget: how many people a key may reach in a rolling day, over everything that it asks for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest

from aggregates.base import Principal
from aggregates.errors import DomainError
from aggregates.policy import Limits
from commands.approval import RejectBatchJob
from commands.batch_job import CancelBatchJob, RunBatch
from commands.budget import charge, within_budget
from commands.due import FireSchedule
from commands.keys import ChangeKey, RevokeKey
from engine.demo.receivers import HttpReceiver
from tests.commands.conftest import PRO, Desk, MakeProduct, refused
from tests.support.keys import key
from tests.support.product import Product
from tests.workers.conftest import Workshop


def capped(desk: Desk, *, id: str = "agent", agent: bool = True, **limits: Any) -> Principal:
    return desk.product.principal(id=id, agent=agent, limits=(Limits(**limits),))


def running(desk: Desk, by: Principal) -> RunBatch:
    return RunBatch(desk.workflow_id, *desk.token(by))


def over(desk: Desk, by: Principal, command: Any = None) -> dict[str, Any]:
    """What a refusal for the budget says."""
    refusal = refused(desk.product, command or running(desk, by), by)
    assert refusal.code == "audience.over_budget"
    return dict(refusal.details)


def test_what_a_key_reaches_in_a_day_adds_up_over_jobs_and_workflows(desk: Desk) -> None:
    agent = capped(desk, max_audience=5)
    desk.run(agent)
    desk.workflow_id = desk.product.workflow(trigger=PRO)
    desk.run(agent)
    assert over(desk, agent) == {"affected": 2, "budget": 5, "spent": 4, "budget_left": 1}
    desk.run(capped(desk, id="other", max_audience=5))
    desk.run(desk.somebody)


def test_a_day_later_it_may_reach_as_many_again(desk: Desk) -> None:
    agent = capped(desk, reach_per_day=3)
    desk.run(agent)
    desk.product.clock.advance(hours=23, minutes=59)
    over(desk, agent)
    desk.product.clock.advance(minutes=2)
    desk.run(agent)


def test_only_agents_have_a_budget_that_nobody_set(desk: Desk) -> None:
    service = capped(desk, id="service", agent=False, max_audience=2)
    for _ in range(3):
        desk.run(service)
    limited = capped(desk, id="limited", agent=False, reach_per_day=2)
    desk.run(limited)
    over(desk, limited)


def test_a_sizing_says_what_is_left(desk: Desk) -> None:
    agent = capped(desk, max_audience=5)
    assert desk.product.size(desk.workflow_id, agent)["budget_left"] == 5
    desk.run(agent)
    assert desk.product.size(desk.workflow_id, agent)["budget_left"] == 3
    assert desk.product.size(desk.workflow_id, desk.somebody)["budget_left"] is None


def test_the_budget_is_told_after_the_limit_and_before_the_token(desk: Desk) -> None:
    agent = capped(desk, reach_per_day=1)
    over(desk, agent, RunBatch(desk.workflow_id, 2, "garbage"))
    over(desk, agent, desk.attaching(2))
    both = capped(desk, reach_per_day=1, max_audience=1)
    assert refused(desk.product, RunBatch(desk.workflow_id, 2, "garbage"), both).code == "audience.over_limit"


def test_two_jobs_at_once_cannot_both_take_what_is_left(product: Product) -> None:
    desk = Desk(product)
    agent = capped(desk, reach_per_day=3)
    commands = [running(desk, agent) for _ in range(6)]

    def ask(command: RunBatch) -> str:
        try:
            return str(product.system.bus.dispatch(command, product.system.meta(agent, via="test")).data["status"])
        except DomainError as refusal:
            return refusal.code

    with ThreadPoolExecutor(6) as pool:
        answers = sorted(pool.map(ask, commands))
    assert answers == ["audience.over_budget"] * 5 + ["queued"]


def test_a_job_that_is_asked_for_twice_counts_once(desk: Desk) -> None:
    agent = capped(desk, reach_per_day=4)
    command = running(desk, agent)
    for _ in range(3):
        desk.product.ask(command, agent)
    desk.run(agent)


def test_what_reached_nobody_is_given_back(product_with: MakeProduct) -> None:
    desk = Desk(product_with(approval_over=1))
    agent = capped(desk, reach_per_day=2)

    def rejected(job_id: UUID) -> None:
        desk.product.ask(RejectBatchJob(job_id, "no"), desk.another)

    def cancelled(job_id: UUID) -> None:
        desk.product.ask(CancelBatchJob(job_id, "no"), desk.another)

    def failed(job_id: UUID) -> None:
        desk.approve(job_id)
        desk.swap()
        desk.enrol(job_id)
        assert desk.status(job_id) == "failed"

    for end in (rejected, cancelled, failed):
        job_id = desk.run(agent)
        over(desk, agent)
        end(job_id)
    job_id = desk.run(agent)
    desk.approve(job_id)
    desk.enrol(job_id)
    desk.product.ask(CancelBatchJob(job_id, "enough"), desk.another)
    over(desk, agent)


def test_halves_wait_for_a_second_person_as_the_whole_does(product_with: MakeProduct) -> None:
    desk = Desk(product_with(approval_over=3))
    assert desk.product.size(desk.workflow_id, desk.somebody)["held_because"] is None
    assert desk.status(desk.run()) == "queued"
    assert desk.product.size(desk.workflow_id, desk.somebody)["held_because"] == "approval_over"
    job_id = desk.run()
    assert (desk.status(job_id), desk.product.job(job_id)["reason"]) == ("held", "approval_over")
    assert desk.status(desk.run(desk.another)) == "queued"
    desk.workflow_id = desk.product.workflow(trigger=PRO)
    assert desk.status(desk.run()) == "queued"


# -- occurrences


def test_an_occurrence_beyond_the_budget_of_who_approved_it_is_held(desk: Desk) -> None:
    agent = capped(desk, reach_per_day=3)
    schedule_id = desk.attach(agent)
    upcoming = desk.schedule(schedule_id)["next_occurrence"]
    desk.product.clock.advance(seconds=max(0.0, (upcoming - desk.product.clock.now()).total_seconds() - 60))
    desk.run(agent)
    (job_id,) = desk.fire(schedule_id)
    assert (desk.status(job_id), desk.product.job(job_id)["reason"]) == ("held", "over_budget")


def test_a_daily_schedule_may_use_the_whole_budget_every_day(desk: Desk) -> None:
    schedule_id = desk.attach(capped(desk, reach_per_day=2), overlap="allow")
    for _ in range(4):
        (job_id,) = desk.fire(schedule_id)
        assert desk.status(job_id) == "running"


def test_occurrences_that_are_made_up_late_count_now(desk: Desk) -> None:
    """Thirty-one days at once are not one day's people each."""
    agent = capped(desk, reach_per_day=4)
    schedule_id = desk.attach(agent, catch_up="all", catch_up_window_minutes=31 * 24 * 60, overlap="allow")
    desk.product.clock.advance(days=10)
    for _ in range(12):
        desk.product.ask(FireSchedule(schedule_id, desk.product.clock.now()), desk.engine)
    reasons = [desk.product.job(job_id)["reason"] for job_id in desk.jobs()]
    assert (len(reasons), reasons.count("over_budget")) == (10, 8)
    assert desk.schedule(schedule_id)["status"] == "active"


def test_an_occurrence_counts_for_its_approver(desk: Desk) -> None:
    agent = capped(desk, reach_per_day=3)
    desk.fire(desk.attach(agent))
    over(desk, agent)


def test_counting_is_forgotten_when_it_counts_no_more(desk: Desk, workshop: Workshop) -> None:
    desk.run()
    for days, left in ((1, 1), (2, 0)):
        desk.product.clock.advance(days=days)
        workshop.scheduler.collect()
        assert desk.product.execute("SELECT count(*) FROM reach") == [(left,)]


def test_one_person_of_a_manual_run_counts_like_any(desk: Desk) -> None:
    """What other commands count by: a check, then the entry, in one command."""
    agent = capped(desk, reach_per_day=3)
    desk.run(agent)
    with desk.product.system.bus._unit_of_work() as unit:
        ctx = unit.context(desk.product.system.meta(agent, via="test"))
        assert within_budget(ctx, desk.workflow_id, 1) is None
        charge(ctx, UUID(int=1), desk.workflow_id, 1)
        with pytest.raises(DomainError, match=r"audience\.over_budget"):
            within_budget(ctx, desk.workflow_id, 2)


def test_a_sizing_says_how_many_had_it_before(product_with: MakeProduct) -> None:
    with HttpReceiver() as receiver:
        product = product_with(send_mode="live", outbound_allow=("127.0.0.0/8",))
        call = {"id": "call", "name": "Call", "type": "webhook", "config": {"url": f"{receiver.url}/hook"}}
        desk, workshop = Desk(product, steps=[call]), Workshop(product)
        before = product.size(desk.workflow_id, desk.somebody)
        workshop.advance(desk.run())
        workshop.deliveries.close()
        desk.widen()
        after = product.size(desk.workflow_id, desk.somebody)
        assert receiver.book.distinct == 2
        assert (before["reached_before"], after["affected"], after["reached_before"]) == (0, 4, 2)
        desk.rewrite(variables=[])
        assert product.size(desk.workflow_id, desk.somebody)["reached_before"] == 0


def test_a_job_in_capture_mode_reached_nobody_before(desk: Desk, workshop: Workshop) -> None:
    workshop.advance(desk.run())
    assert desk.product.size(desk.workflow_id, desk.somebody)["reached_before"] == 0


# -- keys that make keys


def child(desk: Desk, maker: Principal, **limits: Any) -> Principal:
    return key(desk.product, maker, limits=Limits(**limits))


def test_a_key_shares_its_day_with_the_keys_that_it_makes(desk: Desk) -> None:
    root = key(desk.product)
    maker = child(desk, root, reach_per_day=5)
    first, second = (child(desk, maker, reach_per_day=5) for _ in range(2))
    desk.run(first)
    assert desk.product.size(desk.workflow_id, second)["budget_left"] == 3
    desk.run(child(desk, first, reach_per_day=4))
    desk.product.ask(RevokeKey(first.id))
    for asks in (maker, second, child(desk, second, reach_per_day=2)):
        assert over(desk, asks) == {"affected": 2, "budget": 5, "spent": 4, "budget_left": 1}
        assert "at most 1 people more" in desk.product.size(desk.workflow_id, asks)["next"]
    desk.run(root)
    desk.run(child(desk, root, reach_per_day=2))


def test_what_a_key_makes_is_within_its_limits_of_today(desk: Desk) -> None:
    maker = key(desk.product, limits=Limits(reach_per_day=9))
    made = child(desk, maker, reach_per_day=9)
    desk.product.ask(ChangeKey(maker.id, limits=Limits(reach_per_day=1)))
    over(desk, made)
    over(desk, made, desk.attaching(2))


def test_quarters_of_several_children_wait_for_a_second_person(desk: Desk) -> None:
    maker = key(desk.product, limits=Limits(approval_over=3))
    first, second = (child(desk, maker, approval_over=3) for _ in range(2))
    assert desk.status(desk.run(first)) == "queued"
    assert desk.product.size(desk.workflow_id, second)["held_because"] == "approval_over"
    assert [desk.status(desk.run(asks)) for asks in (second, maker)] == ["held", "held"]


def test_occurrences_of_the_schedules_of_several_children_share_a_day(desk: Desk) -> None:
    maker = key(desk.product, limits=Limits(reach_per_day=3))
    hours = ("2026-01-01T09:00:00", "2026-01-01T15:00:00")
    attached = [desk.attach(child(desk, maker, reach_per_day=3), starts_at=hour) for hour in hours]
    in_turn = sorted(attached, key=lambda found: desk.schedule(found)["next_occurrence"])
    jobs = [job_id for schedule_id in in_turn for job_id in desk.fire(schedule_id)]
    assert [desk.product.job(job_id)["reason"] for job_id in jobs] == [None, "over_budget"]

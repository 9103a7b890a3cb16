"""Time windows and random splits, carried out over a real database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from aggregates.steps.base import Plan
from aggregates.steps.wait_until_time_window import WaitUntilTimeWindow
from aggregates.walk.walk import Group, Walk
from tests.support.product import CAPTURE, Product
from tests.support.walks import chain, in_window, move_to, standing, step
from tests.workers.conftest import Again, Workshop


def live_in(product: Product, zones: dict[str, Any]) -> dict[str, int]:
    """People of several zones; the zone by person."""
    return {
        name: product.add_people(1, distinct_id=name, properties={} if zone is None else {"timezone": zone})[0]
        for name, zone in zones.items()
    }


def test_a_window_is_open_in_each_persons_own_zone(product: Product, workshop: Workshop, again: Again) -> None:
    zones = {
        "stockholm": "Europe/Stockholm",
        "tokyo": "Asia/Tokyo",
        "new york": "America/New_York",
        "nowhere": "Mars/Base",
        "number": 7,
        "unknown": None,
    }
    live_in(product, zones)
    window = in_window(timezone_property="timezone", fallback_timezone="America/New_York")
    workflow_id = product.workflow(**chain(window, CAPTURE))
    # 10:00 in Stockholm, 18:00 in Tokyo, 04:00 in New York.
    move_to(product, "2029-01-16T10:00", "Europe/Stockholm")
    job_id = product.run(workflow_id)
    job = workshop.advance(job_id)
    assert (job["status"], standing(product, job)) == ("running", {"delivered": 1, "waiting": 5})
    wakes = {run["distinct_id"]: run["wake_at"] for run in product.runs(job_id, status="waiting")}
    new_york = datetime(2029, 1, 16, 14, tzinfo=UTC)
    tokyo = datetime(2029, 1, 17, 0, tzinfo=UTC)
    assert wakes == {"tokyo": tokyo, **dict.fromkeys(("new york", "nowhere", "number", "unknown"), new_york)}
    assert {run["at_step"] for run in product.runs(job_id, status="waiting")} == {"window"}

    move_to(product, "2029-01-16T09:00", "America/New_York")
    product, workshop = again(product)
    assert workshop.scheduler.wake() == 1
    job = workshop.advance(job_id)
    assert standing(product, job) == {"delivered": 5, "waiting": 1}
    move_to(product, "2029-01-17T09:00:01", "Asia/Tokyo")
    assert workshop.scheduler.wake() == 1
    job = workshop.advance(job_id)
    assert (job["status"], standing(product, job)) == ("completed", {"delivered": 6})


def test_a_window_asks_once_for_a_zone_and_not_once_for_a_person(
    product: Product, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.add_people(50, properties={"timezone": "Asia/Tokyo"})
    product.execute("""UPDATE people SET properties = '{"timezone": "Europe/Stockholm"}' WHERE id % 5 = 0""")
    move_to(product, "2029-01-16T02:00", "UTC")
    taken: list[int] = []
    take = Walk._take

    def counted(walk: Walk, group: Group, step: str, plan: Plan) -> None:
        taken.append(len(group.ids))
        take(walk, group, step, plan)

    monkeypatch.setattr(Walk, "_take", counted)
    window = in_window(timezone_property="timezone", fallback_timezone="UTC")
    job = workshop.advance(product.run(product.workflow(steps=[window])))
    assert standing(product, job) == {"delivered": 40, "waiting": 10}
    # Two chunks; in each the group, and then a part of it for each zone.
    assert len(taken) <= 2 * 3 and sum(taken) == 2 * 50


def test_a_window_in_the_hour_that_the_clocks_leave_out_opens_after_it(product: Product, workshop: Workshop) -> None:
    product.add_people(30)
    window = in_window(start="02:30", end="05:00", timezone="Europe/Stockholm")
    workflow_id = product.workflow(**chain(window, CAPTURE))
    move_to(product, "2029-03-25T00:30", "Europe/Stockholm")
    job_id = product.run(workflow_id)
    workshop.advance(job_id)
    gap_ends = datetime(2029, 3, 25, 1, tzinfo=UTC)
    assert {run["wake_at"] for run in product.runs(job_id)} == {gap_ends}
    product.clock.advance(seconds=(gap_ends - product.clock.now()).total_seconds())
    assert workshop.scheduler.wake() == 1
    job = workshop.advance(job_id)
    assert (job["status"], standing(product, job)) == ("completed", {"delivered": 30})
    assert [note["outcome"] for note in product.runs(job_id)[0]["steps"]] == ["waited", "passed", "captured"]


def test_who_is_woken_after_the_window_has_closed_waits_for_the_next(product: Product, workshop: Workshop) -> None:
    product.add_people(3)
    workflow_id = product.workflow(**chain(in_window(timezone="UTC"), CAPTURE))
    move_to(product, "2029-01-16T08:00", "UTC")
    job_id = product.run(workflow_id)
    workshop.advance(job_id)
    move_to(product, "2029-01-16T18:00", "UTC")
    assert workshop.scheduler.wake() == 1
    job = workshop.advance(job_id)
    assert standing(product, job) == {"waiting": 3}
    assert {run["wake_at"] for run in product.runs(job_id)} == {datetime(2029, 1, 17, 9, tzinfo=UTC)}


def test_waits_survive_a_restart_and_wake_in_chunks(product: Product, workshop: Workshop, again: Again) -> None:
    product.add_people(130)
    workflow_id = product.workflow(**chain(in_window(timezone="UTC"), CAPTURE))
    move_to(product, "2029-01-16T08:00", "UTC")
    job_id = product.run(workflow_id)
    job = workshop.advance(job_id)
    before = product.execute("SELECT count(*) FROM chunks")[0][0]
    assert standing(product, job) == {"waiting": 130}
    move_to(product, "2029-01-16T09:00", "UTC")
    product, workshop = again(product)
    assert workshop.scheduler.wake() == 1
    assert product.execute("SELECT count(*) FROM chunks")[0][0] > before
    job = workshop.advance(job_id)
    assert (job["status"], standing(product, job)) == ("completed", {"delivered": 130})


def test_a_circle_that_lets_everybody_through_comes_to_an_end(
    product: Product, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.add_people(2)
    # A step type of somebody else may promise that everybody waits, and then let them pass.
    monkeypatch.setattr(WaitUntilTimeWindow, "lets_through", False)
    circle = chain(in_window(timezone="UTC", start="00:00", end="24:00"), CAPTURE)
    circle["edges"].append({"from": "note", "to": "window"})
    job_id = product.run(product.workflow(**circle))
    job = workshop.advance(job_id)
    assert (job["status"], standing(product, job)) == ("completed_with_failures", {"failed": 2})
    assert {run["reason"] for run in product.runs(job_id)} == {"graph.endless"}


def test_a_lot_is_the_same_in_every_job_and_even(product: Product, workshop: Workshop) -> None:
    product.add_people(1_000)
    shares = [{"name": "a", "percentage": 25}, {"name": "b", "percentage": 75}]
    steps = [step("split", "random_split", {"branches": shares}), CAPTURE, step("no", "exit", {})]
    edges = [{"from": "split", "to": "note", "branch": "a"}, {"from": "split", "to": "no", "branch": "b"}]
    workflow_id = product.workflow(steps=steps, edges=edges)
    taken = []
    for _ in range(2):
        job_id = product.run(workflow_id)
        job = workshop.advance(job_id)
        found = standing(product, job)
        assert job["status"] == "completed" and abs(found["delivered"] - 250) < 55
        taken.append({run["person_id"]: run["steps"][0]["port"] for run in product.runs(job_id)})
    assert taken[0] == taken[1]
    assert product.runs(job_id, status="delivered")[0]["steps"][0] == {
        "step": "split",
        "outcome": "branched",
        "port": "a",
    }

"""Windows, lots, variables and approvals, carried out over a real database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from aggregates.base import Principal
from aggregates.steps.base import Plan
from aggregates.steps.wait_until_time_window import WaitUntilTimeWindow
from commands.approval import DecideStep
from commands.batch_job import CancelBatchJob
from engine.demo.receivers import HttpReceiver
from projections.runs import audit
from tests.support.product import CAPTURE, Product
from tests.workers.conftest import Workshop
from workers.ledger import RunVariables
from workers.walk import Group, Walk

Json = dict[str, Any]

COUNTS = ("delivered", "skipped", "failed", "exited", "waiting", "in_progress", "pending")
APPROVAL: Json = {"instructions": "Right?", "expires_after": {"days": 3}, "on_expiry": "rejected"}
APPROVED_OR_NOT = [
    {"from": "ask", "to": "note", "branch": "approved"},
    {"from": "ask", "to": "no", "branch": "rejected"},
]
PEOPLE_AT_ONCE = 25


def step(id: str, type: str, config: Json, **more: Any) -> Json:
    return {"id": id, "name": id, "type": type, "config": config, **more}


def chain(*steps: Json) -> Json:
    """Steps one after another."""
    edges = [{"from": a["id"], "to": b["id"]} for a, b in pairwise(steps)]
    return {"steps": list(steps), "edges": edges}


def standing(product: Product, job: Json) -> dict[str, int]:
    """Where everybody is, after a look whether the ledger says the same as the counters and nobody is missing."""
    found = audit(product.system.engine, job["id"])
    assert found == {name: job[name] for name in COUNTS}
    assert sum(found.values()) == job["enrolled"]
    return {name: count for name, count in found.items() if count}


def move_to(product: Product, wall: str, zone: str) -> None:
    """Let the clock show a wall time of the future."""
    instant = datetime.fromisoformat(wall).replace(tzinfo=ZoneInfo(zone))
    product.clock.advance(seconds=(instant - product.clock.now()).total_seconds())


def human(product: Product) -> Principal:
    return product.principal(id="somebody else")


def decide(product: Product, job_id: UUID, decision: str) -> None:
    product.ask(DecideStep(job_id, "ask", decision), human(product))


def outcomes(product: Product, job_id: UUID, id: str) -> dict[str, int]:
    """What became of people at a step, by their last note of it."""
    found: dict[str, int] = {}
    for run in product.runs(job_id):
        for note in run["steps"][::-1]:
            if note["step"] == id:
                found[note["outcome"]] = found.get(note["outcome"], 0) + 1
                break
    return found


Again = Callable[[Product], tuple[Product, Workshop]]


@pytest.fixture
def again(database_url: str, tmp_path: Path) -> Iterator[Again]:
    """The same database at the same time, in other processes, which remember nothing."""
    made: list[tuple[Product, Workshop]] = []

    def begin(running: Product) -> tuple[Product, Workshop]:
        other = Product(database_url, tmp_path)
        other.clock.advance(seconds=(running.clock.now() - other.clock.now()).total_seconds())
        made.append((other, Workshop(other)))
        return made[-1]

    yield begin
    for other, workshop in made:
        workshop.deliveries.close()
        other.close()


@pytest.fixture
def live(database_url: str, tmp_path: Path) -> Iterator[Product]:
    built = Product(database_url, tmp_path, outbound_allow=("127.0.0.0/8",), send_mode="live")
    yield built
    built.close()


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver() as running:
        yield running


# -- windows


def in_window(**config: Any) -> Json:
    return step("window", "wait_until_time_window", {"start": "09:00", "end": "17:00", **config})


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


# -- lots


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


# -- variables


DECLARED = [
    {"key": "discount", "type": "number", "default": 5},
    {"key": "greeting", "type": "string", "default": "Hi"},
    {"key": "double", "type": "number"},
    {"key": "odd", "type": "boolean"},
]
SEEN = {"message": "{{ variables.greeting }} {{ variables.discount }} {{ variables.odd }}"}


def messages(product: Product, job_id: UUID, id: str = "note") -> list[str]:
    """What people would have been sent at a step, in the order of people."""
    notes = [note for run in product.runs(job_id) for note in run["steps"] if note["step"] == id]
    return [note["output"]["message"] for note in notes]


def kept(product: Product) -> list[Any]:
    return [row[0] for row in product.execute("SELECT variables FROM runs ORDER BY person_id")]


def test_constants_are_set_for_all_and_are_written_as_one(product: Product, workshop: Workshop) -> None:
    product.add_people(30)
    set_all = step("set", "set_variables", {"variables": {"discount": 10, "odd": True}})
    job_id = product.run(product.workflow(**chain(set_all, {**CAPTURE, "config": SEEN}), variables=DECLARED))
    job = workshop.advance(job_id)
    assert (job["status"], standing(product, job)) == ("completed", {"delivered": 30})
    assert messages(product, job_id) == ["Hi 10 true"] * 30
    assert kept(product) == [{"discount": 10, "odd": True}] * 30
    assert product.runs(job_id)[0]["variables"] == {"discount": 10, "odd": True}
    assert outcomes(product, job_id, "set") == {"assigned": 30}


def test_constants_cost_one_statement_whoever_they_are_set_for(
    product: Product, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.add_people(25)
    set_all = step("set", "set_variables", {"variables": {"discount": 10}})
    monkeypatch.setattr("workers.ledger.people", None)
    job = workshop.advance(product.run(product.workflow(**chain(set_all, CAPTURE), variables=DECLARED)))
    assert standing(product, job) == {"delivered": 25}


def test_a_job_that_sets_nothing_keeps_no_variables(product: Product, workshop: Workshop) -> None:
    product.add_people(3)
    workshop.advance(product.run(product.workflow(**chain({**CAPTURE, "config": SEEN}), variables=DECLARED)))
    assert kept(product) == [None] * 3


def test_variables_of_a_run_go_through_a_wait_and_a_restart(product: Product, workshop: Workshop, again: Again) -> None:
    product.add_people(30)
    steps = (
        step(
            "set", "set_variables", {"variables": {"greeting": "{{ variables.greeting }} p{{ person.properties.n }}"}}
        ),
        step("wait", "delay", {"days": 1}),
        {**CAPTURE, "config": SEEN},
        step(
            "more", "set_variables", {"variables": {"discount": "{{ person.properties.n | times: 2 }}", "odd": False}}
        ),
        step("later", "delay", {"days": 1}),
        {**CAPTURE, "id": "end", "config": SEEN},
        step("last", "set_variables", {"variables": {"discount": 1}}),
    )
    job_id = product.run(product.workflow(**chain(*steps), variables=DECLARED))
    workshop.advance(job_id)
    for _ in range(2):
        product.clock.advance(hours=25)
        product, workshop = again(product)
        assert workshop.scheduler.wake() == 1
        job = workshop.advance(job_id)
        standing(product, job)
    assert (job["status"], job["delivered"]) == ("completed", 30)
    assert messages(product, job_id) == [f"Hi p{n} 5 " for n in range(1, 31)]
    assert messages(product, job_id, "end") == [f"Hi p{n} {2 * n} false" for n in range(1, 31)]
    assert kept(product) == [{"greeting": f"Hi p{n}", "discount": 1, "odd": False} for n in range(1, 31)]


def test_people_share_variables_that_are_the_same_to_the_letter() -> None:
    assert RunVariables.saved({1: {"n": 1}, 2: {"n": 1}}) == RunVariables({"n": 1})
    apart = RunVariables.saved({1: {"n": 1}, 2: {"n": 1.0}})
    assert [repr(apart.of(id)["n"]) for id in (1, 2)] == ["1", "1.0"]


def test_variables_of_a_run_go_through_an_effect_and_into_it(live: Product, receiver: HttpReceiver) -> None:
    workshop = Workshop(live)
    live.add_people(30)
    hook = {"url": f"{receiver.url}/hook", "body": {"said": "{{ variables.greeting }}/{{ variables.discount }}"}}
    steps = (
        step("set", "set_variables", {"variables": {"greeting": "p{{ person.properties.n }}", "discount": 7}}),
        step("call", "webhook", hook),
        {**CAPTURE, "config": SEEN},
        step("more", "set_variables", {"variables": {"discount": 8}}),
    )
    job_id = live.run(live.workflow(**chain(*steps), variables=DECLARED))
    job = workshop.advance(job_id)
    assert (job["status"], standing(live, job)) == ("completed", {"delivered": 30})
    assert (receiver.book.total, receiver.book.distinct) == (30, 30)
    said = {received.body for received in receiver.book.latest}
    assert {b"p%d/7" % n in b"".join(said) for n in range(1, 31)} == {True}
    assert messages(live, job_id) == [f"p{n} 7 " for n in range(1, 31)]
    assert kept(live) == [{"greeting": f"p{n}", "discount": 8} for n in range(1, 31)]
    workshop.deliveries.close()


@pytest.mark.parametrize("on_error", ["fail", "continue"])
def test_a_value_that_is_not_of_its_type_follows_on_error(product: Product, workshop: Workshop, on_error: str) -> None:
    product.add_people(9)
    product.add_people(1, distinct_id="x", properties={"n": "ten"})
    config = {"variables": {"greeting": "Dear", "discount": "{{ person.properties.n }}"}}
    set_own = step("set", "set_variables", config, on_error=on_error)
    job_id = product.run(product.workflow(**chain(set_own, {**CAPTURE, "config": SEEN}), variables=DECLARED))
    job = workshop.advance(job_id)
    if on_error == "fail":
        assert (job["status"], standing(product, job)) == ("completed_with_failures", {"delivered": 9, "failed": 1})
        assert [run["reason"] for run in product.runs(job_id, status="failed")] == ["variable.type_mismatch"]
    else:
        assert (job["status"], standing(product, job)) == ("completed", {"delivered": 10})
        assert messages(product, job_id)[-1] == "Hi 5 "
    # Either all of them are set or none is.
    assert kept(product) == [*({"greeting": "Dear", "discount": n} for n in range(1, 10)), None]


def test_variables_have_a_limit_for_each_run(product: Product, workshop: Workshop) -> None:
    product.add_people(5)
    product.add_people(1, distinct_id="x", properties={"n": "x" * 5_000})
    config = {"variables": {"greeting": "{{ person.properties.n }} and some more"}}
    twice = (step("set", "set_variables", config), {**CAPTURE, "config": SEEN})
    job_id = product.run(
        product.workflow(**chain(*twice), variables=[*DECLARED, {"key": "big", "type": "string", "default": "y" * 500}])
    )
    job = workshop.advance(job_id)
    assert (job["status"], standing(product, job)) == ("completed_with_failures", {"delivered": 5, "failed": 1})
    assert [run["reason"] for run in product.runs(job_id, status="failed")] == ["variables.too_large"]


def test_constants_beyond_the_limit_fail_with_the_reason(product: Product, workshop: Workshop) -> None:
    product.add_people(3)
    big = [{"key": "big", "type": "string", "default": "y" * 2_500}, {"key": "more", "type": "string"}]
    set_all = step("set", "set_variables", {"variables": {"more": "z" * 3_000}})
    job_id = product.run(product.workflow(steps=[set_all], variables=big))
    job = workshop.advance(job_id)
    assert standing(product, job) == {"failed": 3}
    assert {run["reason"] for run in product.runs(job_id)} == {"variables.too_large"}


def test_who_was_erased_while_waiting_is_skipped_where_a_template_needs_them(
    product: Product, workshop: Workshop
) -> None:
    ids = product.add_people(4)
    own = step("set", "set_variables", {"variables": {"greeting": "{{ person.email }}"}})
    window = in_window(timezone_property="timezone", fallback_timezone="UTC", start="00:00", end="24:00")
    workflow_id = product.workflow(**chain(step("wait", "delay", {"days": 1}), window, own), variables=DECLARED)
    job_id = product.run(workflow_id)
    workshop.advance(job_id)
    product.execute("DELETE FROM people WHERE id = :id", id=ids[2])
    product.clock.advance(hours=25)
    workshop.scheduler.wake()
    job = workshop.advance(job_id)
    assert (job["status"], standing(product, job)) == ("completed", {"delivered": 3, "skipped": 1})
    assert [run["reason"] for run in product.runs(job_id, status="skipped")] == ["erased"]


# -- approval


def asking(product: Product, *before: Json, **config: Any) -> UUID:
    """A workflow that asks before it delivers, and ends those who were rejected."""
    ask = step("ask", "approval", {**APPROVAL, **config})
    content = chain(*before, ask)
    steps = [*content["steps"], CAPTURE, step("no", "exit", {"reason": "rejected"})]
    return product.workflow(steps=steps, edges=[*content["edges"], *APPROVED_OR_NOT])


@pytest.mark.parametrize(("decision", "status"), [("approved", "delivered"), ("rejected", "exited")])
def test_people_wait_until_a_human_has_answered(
    product: Product, workshop: Workshop, again: Again, decision: str, status: str
) -> None:
    product.add_people(60)
    job_id = product.run(asking(product))
    job = workshop.advance(job_id)
    assert (job["status"], standing(product, job)) == ("running", {"waiting": 60})
    assert {run["at_step"] for run in product.runs(job_id)} == {"ask"}
    assert workshop.scheduler.wake() == 0
    product, workshop = again(product)
    decide(product, job_id, decision)
    assert workshop.scheduler.wake() == 1
    job = workshop.advance(job_id)
    assert (job["status"], standing(product, job)) == ("completed", {status: 60})
    assert [note["outcome"] for note in product.runs(job_id)[0]["steps"]][:2] == ["asked", decision]


@pytest.mark.parametrize(("on_expiry", "status"), [("approved", "delivered"), ("rejected", "exited")])
def test_without_an_answer_people_go_the_way_of_expiry(
    product: Product, workshop: Workshop, on_expiry: str, status: str
) -> None:
    product.add_people(30)
    job_id = product.run(asking(product, on_expiry=on_expiry))
    workshop.advance(job_id)
    product.clock.advance(days=2, hours=23)
    assert workshop.scheduler.wake() == 0
    product.clock.advance(hours=2)
    assert workshop.scheduler.wake() == 1
    job = workshop.advance(job_id)
    assert (job["status"], standing(product, job)) == ("completed", {status: 30})
    assert product.runs(job_id)[0]["steps"][1] == {"step": "ask", "outcome": "expired", "port": on_expiry}


def test_a_question_expires_when_it_was_first_asked_to_and_not_later(product: Product, workshop: Workshop) -> None:
    product.add_people(3)
    job_id = product.run(asking(product))
    workshop.advance(job_id)
    (until,) = {run["wake_at"] for run in product.runs(job_id)}
    for _ in range(3):  # woken by mistake
        product.clock.advance(hours=12)
        product.execute("UPDATE runs SET wake_at = :now", now=product.clock.now())
        workshop.scheduler.wake()
        job = workshop.advance(job_id)
        assert standing(product, job) == {"waiting": 3}
    assert {run["wake_at"] for run in product.runs(job_id)} == {until}
    assert [note["outcome"] for note in product.runs(job_id)[0]["steps"]] == ["asked"]
    product.clock.advance(days=3)
    workshop.scheduler.wake()
    assert standing(product, workshop.advance(job_id)) == {"exited": 3}


def test_who_arrives_after_the_answer_goes_straight_on(product: Product, workshop: Workshop) -> None:
    product.add_people(20)
    window = in_window(timezone_property="plan", fallback_timezone="UTC")
    product.execute("UPDATE people SET properties = jsonb_set(properties, '{plan}', '\"Asia/Tokyo\"') WHERE id % 2 = 0")
    workflow_id = asking(product, window)
    move_to(product, "2029-01-16T01:00", "UTC")  # 10:00 in Tokyo
    job_id = product.run(workflow_id)
    job = workshop.advance(job_id)
    assert standing(product, job) == {"waiting": 20}
    decide(product, job_id, "approved")
    workshop.scheduler.wake()
    job = workshop.advance(job_id)
    assert standing(product, job) == {"delivered": 10, "waiting": 10}
    move_to(product, "2029-01-16T09:00", "UTC")
    workshop.scheduler.wake()
    job = workshop.advance(job_id)
    assert (job["status"], standing(product, job)) == ("completed", {"delivered": 20})
    late = [run for run in product.runs(job_id) if run["steps"][0]["outcome"] == "waited"]
    assert [note["outcome"] for note in late[0]["steps"]] == ["waited", "passed", "approved", "captured"]


def test_an_answer_between_two_chunks_finds_everybody(
    product: Product, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.add_people(4 * PEOPLE_AT_ONCE)
    job_id = product.run(asking(product))
    real = workshop.fanout._next_chunk
    chunks: list[bool] = []

    def with_an_answer(*arguments: Any) -> bool:
        if len(chunks) == 2:
            decide(product, job_id, "approved")
        chunks.append(real(*arguments))
        return chunks[-1]

    monkeypatch.setattr(workshop.fanout, "_next_chunk", with_an_answer)
    job = workshop.advance(job_id)
    found = standing(product, job)
    assert found["waiting"] == found["delivered"] == 2 * PEOPLE_AT_ONCE
    assert workshop.scheduler.wake() == 1
    job = workshop.advance(job_id)
    assert (job["status"], standing(product, job)) == ("completed", {"delivered": 4 * PEOPLE_AT_ONCE})
    assert outcomes(product, job_id, "ask") == {"approved": 4 * PEOPLE_AT_ONCE}


def test_an_answer_waits_for_a_chunk_that_is_being_parked(
    product: Product, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody parks unseen: the chunk's transaction holds the lock that an answer needs."""
    product.add_people(3)
    job_id = product.run(asking(product))
    free: list[bool] = []
    answer = Thread(target=decide, args=(product, job_id, "approved"))
    run = Walk.run

    def look(walk: Walk, groups: Any) -> Any:
        entries = run(walk, groups)
        free.append(product.execute(_TRY, id=str(job_id))[0][0])
        answer.start()
        return entries

    monkeypatch.setattr(Walk, "run", look)
    workshop.fanout.advance(str(job_id))
    answer.join()
    monkeypatch.undo()
    assert free == [False]
    assert workshop.scheduler.wake() == 1
    job = workshop.advance(job_id)
    assert (job["status"], standing(product, job)) == ("completed", {"delivered": 3})


_TRY = "SELECT pg_try_advisory_xact_lock(hashtextextended(:id, -4))"


def test_a_crash_while_people_are_taken_on_leaves_them_where_they_were(
    product: Product, workshop: Workshop, again: Again, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.add_people(30)
    job_id = product.run(asking(product))
    workshop.advance(job_id)
    decide(product, job_id, "approved")
    workshop.scheduler.wake()

    def die(*_: Any) -> None:
        raise SystemExit

    monkeypatch.setattr("workers.ledger.count", die)
    with pytest.raises(SystemExit):
        workshop.advance(job_id)
    monkeypatch.undo()
    product, workshop = again(product)
    assert audit(product.system.engine, job_id)["in_progress"] == 30
    assert workshop.scheduler.sweep() == 1
    job = workshop.advance(job_id)
    assert (job["status"], standing(product, job)) == ("completed", {"delivered": 30})
    assert {len(run["steps"]) for run in product.runs(job_id)} == {3}


def test_a_cancel_ends_the_wait_for_an_answer(product: Product, workshop: Workshop) -> None:
    product.add_people(10)
    job_id = product.run(asking(product))
    workshop.advance(job_id)
    product.ask(CancelBatchJob(job_id, "no more"))
    job = workshop.advance(job_id)
    assert (job["status"], standing(product, job)) == ("cancelled", {"skipped": 10})

"""Variables that steps set, through waits, effects and restarts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from aggregates.walk.entry import RunVariables
from engine.demo.receivers import HttpReceiver
from tests.support.product import CAPTURE, Product
from tests.support.walks import chain, in_window, outcomes, standing, step
from tests.workers.conftest import Again, Workshop

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
    monkeypatch.setattr("projections.people.records", None)
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

"""Churn: an occurrence over people of whom too many were not confirmed waits for a human."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from aggregates.base import Principal
from aggregates.policy import Limits
from commands.confirmation import AcceptConfirmation
from commands.schedule import DetachSchedule, PauseSchedule, ResumeSchedule, ReviseSchedule
from commands.workflow import ArchiveWorkflow
from tests.commands.conftest import Desk, MakeProduct
from tests.support.product import Product
from tests.support.walks import step

KEPT = "SELECT coalesce(sum(cardinality(person_ids)), 0) FROM chunks WHERE job_id = :id"


@pytest.fixture
def desk(product: Product) -> Desk:
    return Desk(product, people=20)


def retag(desk: Desk, count: int) -> None:
    """As many people as before, of whom so many were others before."""
    tagged = "UPDATE people SET properties = jsonb_build_object('plan', CAST(:plan AS text)) WHERE id = ANY (:ids)"
    for ids, plan in ((desk.pro[:count], "free"), (desk.people[1::2][:count], "pro")):
        desk.product.execute(tagged, ids=ids, plan=plan)


def fired(desk: Desk, schedule_id: UUID) -> tuple[str, Any]:
    (job_id,) = desk.fire(schedule_id)
    return desk.status(job_id), desk.product.job(job_id)["reason"]


def kept(desk: Desk, schedule_id: UUID) -> int:
    return int(desk.product.execute(KEPT, id=schedule_id)[0][0])


def limited(desk: Desk, share: float | None) -> Principal:
    return desk.product.principal(id="limited", limits=(Limits(max_churn=share),))


@pytest.mark.parametrize(("others", "status"), [(5, "running"), (6, "held")])
def test_half_of_the_people_of_an_agents_schedule_may_be_others(desk: Desk, others: int, status: str) -> None:
    schedule_id = desk.attach(desk.agent)
    retag(desk, others)
    assert fired(desk, schedule_id)[0] == status


def test_an_occurrence_of_other_people_is_held_and_confirming_them_lets_the_next_one_go(desk: Desk) -> None:
    schedule_id = desk.attach(desk.agent)
    retag(desk, 10)
    assert fired(desk, schedule_id) == ("held", "beyond_churn")
    count, token = desk.token(schedule={"schedule_id": schedule_id})
    given: dict[str, Any] = {"acknowledged_affected_count": count, "confirm_token": token}
    desk.product.ask(ReviseSchedule(schedule_id, overlap="allow", **given), desk.somebody)
    assert fired(desk, schedule_id)[0] == "running"


@pytest.mark.parametrize(("others", "status"), [(5, "running"), (6, "held")])
def test_a_confirmed_person_with_another_address_is_somebody_else(product: Product, others: int, status: str) -> None:
    mail = step("mail", "email", {"to": "{{ person.email }}", "subject": "Hello", "text": "Hello"})
    desk = Desk(product, people=20, steps=[mail])
    schedule_id = desk.attach(desk.agent)
    moved = "UPDATE people SET email = id || '@else.example', address = id || '@else.example' WHERE id = ANY (:ids)"
    desk.product.execute(moved, ids=desk.pro[:others])
    assert fired(desk, schedule_id)[0] == status


@pytest.mark.parametrize(
    ("share", "others", "goes"), [(None, 5, True), (None, 6, False), (0.2, 2, True), (0.2, 3, False)]
)
def test_what_an_agent_asked_for_stays_an_agents_when_a_human_confirms_it(
    product_with: MakeProduct, share: float | None, others: int, goes: bool
) -> None:
    desk = Desk(product_with(confirmation="witnessed"), people=20)
    by = desk.product.principal(id="agent", agent=True, limits=(Limits(max_churn=share, reach_per_day=15),))
    answer = desk.product.ask(desk.attaching(*desk.token(by, schedule=desk.daily())), by)
    done = desk.product.ask(AcceptConfirmation(UUID(answer["confirmation_id"]), 10), desk.another)
    schedule_id = UUID(done["schedule_id"])
    assert kept(desk, schedule_id) == 10
    retag(desk, others)
    assert fired(desk, schedule_id) == (("running", None) if goes else ("held", "beyond_churn"))
    retag(desk, 0)
    # A second one within the day is over the budget of the key that asked.
    again = desk.product.ask(
        desk.attaching(
            *desk.token(by, schedule=desk.daily(starts_at="2026-01-01T23:00:00")), starts_at="2026-01-01T23:00:00"
        ),
        by,
    )
    second = desk.product.ask(AcceptConfirmation(UUID(again["confirmation_id"]), 10), desk.another)
    assert fired(desk, UUID(second["schedule_id"])) == ("held", "over_budget")


def test_nobody_else_has_such_a_limit_unless_one_is_set(desk: Desk) -> None:
    free, strict = desk.attach(), None
    assert kept(desk, free) == 0
    strict = desk.attach(limited(desk, 0.1), starts_at="2026-01-01T12:00:00")
    retag(desk, 2)
    assert fired(desk, free)[0] == "running"
    assert fired(desk, strict) == ("held", "beyond_churn")


def test_a_limit_of_the_installation_holds_for_everybody(product_with: MakeProduct) -> None:
    desk = Desk(product_with(max_churn=0), people=20)
    schedule_id = desk.attach()
    retag(desk, 1)
    assert fired(desk, schedule_id) == ("held", "beyond_churn")


def test_who_was_confirmed_is_kept_until_it_is_confirmed_anew_or_ends(desk: Desk) -> None:
    schedule_id = desk.attach(desk.agent)
    assert kept(desk, schedule_id) == 10
    desk.product.ask(PauseSchedule(schedule_id, "look first"))
    desk.product.execute("DELETE FROM people WHERE id = :id", id=desk.pro[0])
    proof = desk.token(desk.agent, schedule={"schedule_id": schedule_id})
    desk.product.ask(ResumeSchedule(schedule_id, *proof), desk.agent)
    assert kept(desk, schedule_id) == 9
    desk.product.ask(PauseSchedule(schedule_id, "again"))
    desk.product.ask(ResumeSchedule(schedule_id, *desk.token(schedule={"schedule_id": schedule_id})), desk.somebody)
    assert kept(desk, schedule_id) == 0
    detached = desk.attach(desk.agent, starts_at="2026-01-01T12:00:00")
    archived = desk.attach(desk.agent, starts_at="2026-01-01T15:00:00")
    desk.product.ask(DetachSchedule(detached))
    desk.product.ask(ArchiveWorkflow(desk.workflow_id))
    assert [kept(desk, id) for id in (detached, archived)] == [0, 0]


def test_people_who_become_others_between_firing_and_enrolment_are_not_reached(desk: Desk) -> None:
    schedule_id = desk.attach(desk.agent)
    enrol = desk.enrol

    def late(*job_ids: UUID) -> None:
        retag(desk, 10)
        enrol(*job_ids)

    desk.enrol = late  # type: ignore[method-assign]
    (job_id,) = desk.fire(schedule_id)
    assert (desk.status(job_id), desk.enrolled(job_id)) == ("failed", [])
    assert str(desk.product.job(job_id)["reason"]).startswith("audience.drift")

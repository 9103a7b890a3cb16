"""A person's number confirms only terms of a schedule that this person was shown."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from aggregates.base import Principal
from commands.batch_job import SizeAudience
from commands.confirmation import AcceptConfirmation
from commands.schedule import PauseSchedule, ResumeSchedule, ReviseSchedule
from commands.showing import ShowConfirmation
from tests.commands.conftest import Desk, MakeProduct, refused
from tests.support.product import Product


@pytest.fixture
def product(product_with: MakeProduct) -> Product:
    return product_with(confirmation="witnessed")


@pytest.fixture
def agent(desk: Desk) -> Principal:
    return desk.product.principal(id="agent", agent=True)


def sized(desk: Desk, by: Principal, schedule_id: UUID) -> tuple[int, str]:
    return desk.token(by, schedule={"schedule_id": schedule_id})


@pytest.fixture
def of_the_agent(desk: Desk, agent: Principal) -> UUID:
    """A paused schedule of an agent's, which a human has confirmed."""
    answer = desk.product.ask(desk.proven(agent), agent)
    desk.product.ask(AcceptConfirmation(UUID(answer["confirmation_id"]), 2), desk.another)
    schedule_id = UUID(answer["schedule_id"])
    desk.product.ask(PauseSchedule(schedule_id, "wait"), agent)
    return schedule_id


@pytest.mark.parametrize(
    "change", [{"rrule": "FREQ=HOURLY"}, {"variables": {"greeting": "HARM"}}, {"overlap": "allow"}]
)
def test_an_agent_does_not_rewrite_the_schedule_of_a_person(desk: Desk, agent: Principal, change: Any) -> None:
    schedule_id = desk.attach(desk.somebody)
    desk.product.ask(PauseSchedule(schedule_id, "wait"), agent)
    assert refused(desk.product, ReviseSchedule(schedule_id, **change), agent).code == "schedule.not_for_agents"
    assert desk.product.ask(ResumeSchedule(schedule_id, 2), desk.somebody)["status"] == "active"


@pytest.mark.parametrize(
    "change", [{"rrule": "FREQ=HOURLY"}, {"variables": {"greeting": "HARM"}}, {"overlap": "allow"}]
)
def test_a_number_does_not_confirm_terms_that_others_changed(
    desk: Desk, agent: Principal, of_the_agent: UUID, change: Any
) -> None:
    before = sized(desk, desk.another, of_the_agent)
    desk.product.ask(ReviseSchedule(of_the_agent, **change), agent)
    renewed = ReviseSchedule(of_the_agent, catch_up="skip", acknowledged_affected_count=2)
    for command in (ResumeSchedule(of_the_agent, 2), ResumeSchedule(of_the_agent, *before), renewed):
        refusal = refused(desk.product, command, desk.another)
        assert (refusal.code, refusal.details) == (
            "schedule.unseen",
            {"revised_by": ["agent"], "changed": list(change)},
        )
    proof = sized(desk, desk.another, of_the_agent)
    assert desk.product.ask(ResumeSchedule(of_the_agent, *proof), desk.another)["status"] == "active"


def test_what_a_person_changed_themself_they_resume_with_the_number(desk: Desk, of_the_agent: UUID) -> None:
    desk.product.ask(ReviseSchedule(of_the_agent, rrule="FREQ=HOURLY"), desk.somebody)
    assert refused(desk.product, ResumeSchedule(of_the_agent, 2), desk.another).code == "schedule.unseen"
    over_mcp = desk.product.principal(id="somebody", source="mcp")
    assert desk.product.ask(ResumeSchedule(of_the_agent, 2), desk.somebody)["status"] == "active"
    desk.product.ask(PauseSchedule(of_the_agent, "wait"), over_mcp)
    assert desk.product.ask(ResumeSchedule(of_the_agent, 2), desk.another)["status"] == "active"


def test_a_confirmation_shows_what_was_changed_since_a_person_confirmed_it(
    desk: Desk, agent: Principal, of_the_agent: UUID
) -> None:
    desk.product.ask(ReviseSchedule(of_the_agent, variables={"greeting": "HARM"}), agent)
    answer = desk.product.ask(ResumeSchedule(of_the_agent, *sized(desk, agent, of_the_agent)), agent)
    assert answer["status"] == "unconfirmed"
    shown = desk.product.ask(ShowConfirmation(UUID(answer["confirmation_id"])), desk.another)
    assert shown["terms"]["changed"] == {"variables": {"before": {}, "after": {"greeting": "HARM"}}}
    desk.product.ask(AcceptConfirmation(UUID(answer["confirmation_id"]), 2), desk.another)
    assert desk.schedule(of_the_agent)["status"] == "active"


def test_a_sizing_that_names_a_schedule_shows_its_terms(desk: Desk, agent: Principal, of_the_agent: UUID) -> None:
    desk.product.ask(ReviseSchedule(of_the_agent, rrule="FREQ=HOURLY"), agent)
    shown = desk.product.ask(SizeAudience(desk.workflow_id, schedule={"schedule_id": of_the_agent}))["schedule"]
    assert (shown["rrule"], shown["overlap"], shown["variables"]) == ("FREQ=HOURLY", "skip", {})
    assert (shown["changed"], shown["revised_by"]) == (
        {"rrule": {"before": "FREQ=DAILY", "after": "FREQ=HOURLY"}},
        ["agent"],
    )
    assert desk.product.ask(SizeAudience(desk.workflow_id))["schedule"] is None

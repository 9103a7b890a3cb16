"""Witnessed: what an agent asks for waits until a human of another chain confirms it, over exactly those people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from aggregates.base import Principal
from aggregates.errors import DomainError
from aggregates.policy import Limits
from commands.approval import ApproveBatchJob
from commands.batch_job import PauseBatchJob, ResumeBatchJob, RunBatch
from commands.confirmation import AcceptConfirmation, ExpireConfirmation, RejectConfirmation
from commands.due import ExpireApproval
from commands.resume import SizeOpen
from commands.schedule import PauseSchedule, ResumeSchedule, ReviseSchedule
from commands.showing import ShowConfirmation
from tests.commands.conftest import Desk, MakeProduct, refused, renamed_step
from tests.support.product import Product

HOURS = 5
BASE = "https://tidegate.example.com"


@pytest.fixture
def product(product_with: MakeProduct) -> Product:
    return product_with(confirmation="witnessed", approval_hours=HOURS, public_url=BASE)


@pytest.fixture
def agent(desk: Desk) -> Principal:
    return desk.product.principal(id="agent", agent=True)


def counts(desk: Desk) -> list[tuple[str, str]]:
    """The streams in which something was asked or may happen, with their status."""
    statement = (
        "SELECT kind, status FROM stream_heads WHERE kind IN ('confirmation', 'batch_job', 'schedule') ORDER BY id"
    )
    return [tuple(row) for row in desk.product.execute(statement)]


# -- what is asked


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "relayed"),
        ({"send_mode": "live"}, "witnessed"),
        ({"send_mode": "live", "confirmation": "relayed"}, "relayed"),
        ({"confirmation": "witnessed"}, "witnessed"),
    ],
)
def test_the_confirmation_follows_the_send_mode_unless_it_is_set(
    product_with: MakeProduct, settings: Any, expected: str
) -> None:
    desk = Desk(product_with(**settings))
    assert desk.product.size(desk.workflow_id)["confirmation"] == expected
    assert desk.product.system.reads.policy(desk.somebody)["confirmation"] == expected
    assert desk.status(desk.run(desk.agent)) == {"relayed": "queued", "witnessed": "held"}[expected]


def test_a_project_and_a_key_only_narrow_it(product_with: MakeProduct) -> None:
    desk = Desk(product_with())
    strict, loose = Limits(confirmation="witnessed"), Limits(confirmation="relayed")
    policy = desk.product.system.policy
    assert policy.narrowed([strict, loose]).asked_confirmation == "witnessed"
    assert policy.narrowed([loose]).asked_confirmation == "relayed"
    assert [problem.pointer for problem in Limits().beyond(strict)] == ["/confirmation"]
    assert [problem.pointer for problem in Limits(confirmation="maybe").problems()] == ["/confirmation"]


def test_count_and_token_are_asked_for_first(desk: Desk, agent: Principal) -> None:
    count, token = desk.token(agent)
    assert refused(desk.product, RunBatch(desk.workflow_id, count), agent).code == "confirm.missing"
    assert refused(desk.product, RunBatch(desk.workflow_id, count + 1, token), agent).code == "audience.drift"
    assert refused(desk.product, desk.attaching(count), agent).code == "confirm.missing"


def test_a_human_is_not_concerned(desk: Desk) -> None:
    assert desk.status(desk.run(desk.somebody)) == "queued"
    assert desk.schedule(desk.attach(desk.somebody))["status"] == "active"


# -- held jobs


def test_a_batch_is_held_with_the_address_where_a_human_confirms_it(desk: Desk, agent: Principal) -> None:
    command = RunBatch(desk.workflow_id, *desk.token(agent))
    answer = desk.product.ask(command, agent)
    id = answer["batch_job_id"]
    assert (answer["status"], answer["held_because"]) == ("held", "witnessed")
    assert answer["confirm_url"] == f"{BASE}/confirm/{id}"
    assert desk.product.ask(command, agent) == answer
    desk.enrol(UUID(id))
    assert desk.enrolled(UUID(id)) == []
    done = desk.product.ask(AcceptConfirmation(UUID(id), 2), desk.another)
    assert (done["status"], done["acknowledged"]) == ("queued", 2)
    desk.enrol(UUID(id))
    assert desk.enrolled(UUID(id)) == desk.pro


def test_what_waits_is_listed_and_shown_with_who_asked_for_it(desk: Desk, agent: Principal) -> None:
    job_id = desk.run(agent)
    page = desk.product.system.reads.confirmations.list(desk.another)
    assert [(row["id"], row["asks"], row["requested_by"], row["status"]) for row in page.data] == [
        (job_id, "RunBatch", "agent", "waiting")
    ]
    shown = desk.product.ask(ShowConfirmation(job_id), desk.another)
    told = ("requested_by", "source", "via", "acknowledged", "affected", "same_people", "send_mode", "workflow_name")
    assert [shown[name] for name in told] == ["agent", "api", "test", 2, 2, True, "capture", "Launch"]
    assert shown["excluded"] == {"opted_out": 0, "suppressed": 0, "capped": 0}
    desk.swap()
    assert desk.product.ask(ShowConfirmation(job_id), desk.another)["same_people"] is False
    desk.product.ask(RejectConfirmation(job_id, "no"), desk.another)
    assert desk.product.system.reads.confirmations.list(desk.another).data == []
    assert desk.product.ask(ShowConfirmation(job_id), desk.another)["status"] == "rejected"


# -- chain 38: the address alone allows nothing


def asked(desk: Desk, agent: Principal, kind: str) -> UUID:
    """Something that waits for a human: a held job, or a confirmation."""
    if kind == "job":
        return desk.run(agent)
    return UUID(desk.product.ask(desk.proven(agent), agent)["confirmation_id"])


KINDS = pytest.mark.parametrize("kind", ["job", "schedule"])


@KINDS
def test_the_requester_cannot_confirm(desk: Desk, agent: Principal, kind: str) -> None:
    id = asked(desk, agent, kind)
    assert refused(desk.product, AcceptConfirmation(id, 2), agent).code == "approval.not_for_agents"
    # The same key in the hands of a human, and a human in whose name it acts.
    human = desk.product.principal(id="agent")
    assert refused(desk.product, AcceptConfirmation(id, 2), human).code == "approval.own_request"
    in_their_name = desk.product.principal(id="third", on_behalf_of="agent")
    assert refused(desk.product, AcceptConfirmation(id, 2), in_their_name).code == "approval.own_request"
    assert refused(desk.product, RejectConfirmation(id, "no"), agent).code == "approval.not_for_agents"


@KINDS
def test_the_one_in_whose_name_it_was_asked_cannot_confirm(desk: Desk, kind: str) -> None:
    helper = desk.product.principal(id="helper", agent=True, on_behalf_of="somebody")
    id = asked(desk, helper, kind)
    assert refused(desk.product, AcceptConfirmation(id, 2), desk.somebody).code == "approval.own_request"


@KINDS
@pytest.mark.parametrize("scope", ["batch:approve", "person:read"])
def test_a_viewer_cannot_confirm_or_look(desk: Desk, agent: Principal, kind: str, scope: str) -> None:
    id = asked(desk, agent, kind)
    viewer = desk.product.principal(id="viewer", without=[scope])
    for command in (AcceptConfirmation(id, 2), RejectConfirmation(id, "no"), ShowConfirmation(id)):
        assert refused(desk.product, command, viewer).code == "scope.missing"
    with pytest.raises(DomainError, match=r"scope\.missing"):
        desk.product.system.reads.confirmations.list(viewer)


@KINDS
def test_it_is_confirmed_once(desk: Desk, agent: Principal, kind: str) -> None:
    id = asked(desk, agent, kind)
    desk.product.ask(AcceptConfirmation(id, 2), desk.another)
    before = counts(desk)
    third = desk.product.principal(id="third")
    for human in (desk.another, third):
        assert refused(desk.product, AcceptConfirmation(id, 2), human).code == "confirmation.decided"
    assert refused(desk.product, RejectConfirmation(id, "no"), third).code == "confirmation.decided"
    assert counts(desk) == before


@KINDS
@pytest.mark.parametrize("move", ["swap", "widen"])
def test_it_is_for_the_people_that_were_asked_for(desk: Desk, agent: Principal, kind: str, move: str) -> None:
    id = asked(desk, agent, kind)
    getattr(desk, move)()
    for count in {"swap": (2,), "widen": (2, 4)}[move]:
        refusal = refused(desk.product, AcceptConfirmation(id, count), desk.another)
        assert refusal.code == "audience.drift", count
    assert ("batch_job", "queued") not in counts(desk) and ("schedule", "active") not in counts(desk)


@KINDS
def test_it_expires(desk: Desk, agent: Principal, kind: str) -> None:
    id = asked(desk, agent, kind)
    desk.product.clock.advance(hours=HOURS, seconds=1)
    # Late, but nobody has looked at it yet; and then after the scheduler has.
    assert refused(desk.product, AcceptConfirmation(id, 2), desk.another).code == "approval.expired"
    desk.product.ask(ExpireApproval(id) if kind == "job" else ExpireConfirmation(id), desk.engine)
    assert refused(desk.product, AcceptConfirmation(id, 2), desk.another).code == "approval.expired"
    assert desk.product.ask(ShowConfirmation(id), desk.another)["status"] == "expired"
    assert desk.product.system.reads.confirmations.list(desk.another, status="expired").data[0]["id"] == id


@KINDS
def test_of_another_project_it_is_not_there(desk: Desk, agent: Principal, kind: str) -> None:
    id = asked(desk, agent, kind)
    foreign = Principal(desk.product.other_project(), "x", desk.another.scopes, "api")
    commands = (AcceptConfirmation, RejectConfirmation, ShowConfirmation)
    for command in commands:
        for other in (id, UUID(int=7)):
            given: Any = {AcceptConfirmation: (other, 2), RejectConfirmation: (other, "no")}.get(command, (other,))
            assert refused(desk.product, command(*given), foreign).code == "confirmation.not_found"
    # A job that was never held is none.
    free = desk.run(desk.somebody)
    assert refused(desk.product, AcceptConfirmation(free, 2), desk.another).code == "confirmation.not_found"


@KINDS
def test_a_workflow_that_was_changed_meanwhile_needs_a_new_request(desk: Desk, agent: Principal, kind: str) -> None:
    id = asked(desk, agent, kind)
    desk.rewrite(steps=renamed_step("Other"))
    assert refused(desk.product, AcceptConfirmation(id, 2), desk.another).code == "workflow.stale"


# -- schedules


def test_a_schedule_begins_when_a_human_confirms_it(desk: Desk, agent: Principal) -> None:
    command = desk.proven(agent, max_growth=0.1)
    answer = desk.product.ask(command, agent)
    assert (answer["status"], answer["rrule"]) == ("unconfirmed", "FREQ=DAILY")
    assert answer["confirm_url"] == f"{BASE}/confirm/{answer['confirmation_id']}"
    assert counts(desk) == [("confirmation", "requested")]
    assert desk.product.ask(command, agent) == answer
    done = desk.product.ask(AcceptConfirmation(UUID(answer["confirmation_id"]), 2, "fine"), desk.another)
    assert (done["status"], done["schedule_id"], done["acknowledged"]) == ("active", answer["schedule_id"], 2)
    schedule = desk.schedule(UUID(done["schedule_id"]))
    assert (schedule["status"], schedule["acknowledged_by"], schedule["max_growth"]) == ("active", "another", 0.1)
    assert desk.product.ask(command, agent)["status"] == "confirmed"
    (job_id,) = desk.fire(UUID(done["schedule_id"]))
    assert desk.enrolled(job_id) == desk.pro


def test_an_active_schedule_stays_as_it_is_until_a_human_confirms_the_change(desk: Desk, agent: Principal) -> None:
    schedule_id = desk.attach(desk.somebody)
    command = ReviseSchedule(schedule_id, rrule="FREQ=WEEKLY")
    assert refused(desk.product, command, agent).code == "acknowledgement.missing"
    count, token = desk.token(agent, schedule={"schedule_id": schedule_id, "rrule": "FREQ=WEEKLY"})
    answer = desk.product.ask(
        ReviseSchedule(schedule_id, rrule="FREQ=WEEKLY", acknowledged_affected_count=count, confirm_token=token), agent
    )
    assert (answer["status"], answer["rrule"]) == ("unconfirmed", "FREQ=WEEKLY")
    assert desk.schedule(schedule_id)["rrule"] == "FREQ=DAILY"
    desk.product.ask(AcceptConfirmation(UUID(answer["confirmation_id"]), 2), desk.another)
    assert desk.schedule(schedule_id)["rrule"] == "FREQ=WEEKLY"


def test_a_schedule_that_was_changed_since_is_not_resumed_as_it_was_asked(desk: Desk, agent: Principal) -> None:
    schedule_id = desk.attach(desk.somebody)
    desk.product.ask(PauseSchedule(schedule_id, "wait"), desk.somebody)
    answer = desk.product.ask(
        ResumeSchedule(schedule_id, *desk.token(agent, schedule={"schedule_id": schedule_id})), agent
    )
    # What is paused is rewritten without a proof: the human has seen another cadence.
    desk.product.ask(ReviseSchedule(schedule_id, rrule="FREQ=HOURLY"), desk.somebody)
    confirm = AcceptConfirmation(UUID(answer["confirmation_id"]), 2)
    assert refused(desk.product, confirm, desk.another).code == "confirmation.stale"
    assert desk.schedule(schedule_id)["status"] == "paused"
    again = desk.product.ask(
        ResumeSchedule(schedule_id, *desk.token(agent, schedule={"schedule_id": schedule_id})), agent
    )
    desk.product.ask(AcceptConfirmation(UUID(again["confirmation_id"]), 2), desk.another)
    assert desk.schedule(schedule_id)["status"] == "active"


def test_the_cap_of_the_key_that_asked_holds_when_a_human_confirms(desk: Desk) -> None:
    capped = desk.product.principal(id="agent", agent=True, limits=(Limits(), Limits(max_audience=2)))
    answer = desk.product.ask(desk.proven(capped), capped)
    done = desk.product.ask(AcceptConfirmation(UUID(answer["confirmation_id"]), 2), desk.another)
    assert done["ceiling"] == 2


def test_what_is_rejected_never_takes_effect(desk: Desk, agent: Principal) -> None:
    answer = desk.product.ask(desk.proven(agent), agent)
    id = UUID(answer["confirmation_id"])
    assert desk.product.ask(RejectConfirmation(id, "no"), desk.another)["status"] == "rejected"
    assert refused(desk.product, AcceptConfirmation(id, 2), desk.another).code == "confirmation.decided"
    assert counts(desk) == [("confirmation", "rejected")]


# -- resuming


@pytest.fixture
def paused(desk: Desk) -> UUID:
    """A job of a human that a human has paused, with its people enrolled."""
    job_id = desk.run(desk.somebody)
    desk.enrol(job_id)
    desk.product.ask(PauseBatchJob(job_id, "wait"), desk.somebody)
    return job_id


def test_what_a_human_paused_goes_on_when_a_human_confirms_it(desk: Desk, agent: Principal, paused: UUID) -> None:
    assert refused(desk.product, ResumeBatchJob(paused), agent).code == "acknowledgement.missing"
    sizing = desk.product.ask(SizeOpen(paused), agent)
    assert (sizing["affected"], sizing["confirmation"]) == (2, "witnessed")
    command = ResumeBatchJob(paused, 2, sizing["confirm_token"])
    answer = desk.product.ask(command, agent)
    assert (answer["status"], desk.status(paused)) == ("unconfirmed", "paused")
    id = UUID(answer["confirmation_id"])
    assert refused(desk.product, AcceptConfirmation(id, 1), desk.another).code == "audience.drift"
    assert desk.product.ask(ShowConfirmation(id), desk.another)["affected"] == 2
    assert desk.product.ask(AcceptConfirmation(id, 2), desk.another)["status"] == "running"
    assert desk.status(paused) == "running"


def test_a_job_that_was_paused_again_is_not_resumed_as_it_was_asked(desk: Desk, agent: Principal, paused: UUID) -> None:
    answer = desk.product.ask(
        ResumeBatchJob(paused, 2, desk.product.ask(SizeOpen(paused), agent)["confirm_token"]), agent
    )
    desk.product.ask(ResumeBatchJob(paused), desk.somebody)
    desk.product.ask(PauseBatchJob(paused, "again"), desk.somebody)
    confirm = AcceptConfirmation(UUID(answer["confirmation_id"]), 2)
    assert refused(desk.product, confirm, desk.another).code == "confirmation.stale"


def test_an_approver_may_also_use_the_other_door(desk: Desk, agent: Principal) -> None:
    job_id = desk.run(agent)
    desk.swap()
    # The same number of other people is drift at either door.
    assert refused(desk.product, ApproveBatchJob(job_id, 2), desk.another).code == "audience.drift"


def test_it_says_until_when_it_waits(desk: Desk, agent: Principal) -> None:
    answer = desk.product.ask(desk.proven(agent), agent)
    until = datetime.fromisoformat(answer["confirm_until"]).astimezone(UTC)
    assert abs(until - desk.product.clock.now() - timedelta(hours=HOURS)) < timedelta(minutes=1)

"""What a sizing foretells is what comes: held or not, why, where a human confirms it, what is left of the budget."""

from __future__ import annotations

from itertools import product
from typing import Any
from uuid import UUID

import pytest

from aggregates.base import Principal
from aggregates.policy import Limits
from commands.batch_job import PauseBatchJob, ResumeBatchJob, RunBatch, SizeAudience
from commands.resume import SizeOpen
from commands.retry import RetryFailed, SizeFailed
from commands.runs import RunWorkflow
from commands.workflow import DisableWorkflow, SetAgentRuns
from tests.commands.conftest import PRO, Desk, MakeProduct
from tests.support.walks import step
from tests.workers.conftest import Workshop

BASE = "https://t.example"
MANUAL = {"type": "manual", "inputs": {"to": {"type": "address", "required": True}}}
MAIL = step("mail", "email", {"to": "{{ inputs.to }}", "subject": "Hello", "text": "Hello"})
INPUTS = {"to": "ann@example.org"}

Json = dict[str, Any]
Asked = tuple[Json, Json]
"""A sizing, and the answer to what it was made for."""


def batch(desk: Desk, by: Principal) -> Asked:
    sizing = desk.product.size(desk.workflow_id, by)
    return sizing, desk.product.ask(RunBatch(desk.workflow_id, 2, sizing["confirm_token"]), by)


def schedule(desk: Desk, by: Principal) -> Asked:
    desk.workflow_id = desk.product.workflow(trigger=PRO)
    sizing = desk.product.ask(SizeAudience(desk.workflow_id, schedule=desk.daily()), by)
    return sizing, desk.product.ask(desk.attaching(2, sizing["confirm_token"]), by)


def failed_job(desk: Desk) -> UUID:
    """An ended job of somebody's, of whose two people one was reached and then failed."""
    job_id = desk.run(desk.somebody)
    workshop = Workshop(desk.product)
    workshop.advance(job_id)
    workshop.deliveries.close()
    change = "UPDATE runs SET status = 'failed', reached = true WHERE job_id = :id AND person_id = :person"
    desk.product.execute(change, id=job_id, person=desk.pro[0])
    return job_id


def retry(desk: Desk, by: Principal) -> Asked:
    job_id = failed_job(desk)
    sizing = desk.product.ask(SizeFailed(job_id), by)
    return sizing, desk.product.ask(RetryFailed(job_id, 1, sizing["confirm_token"]), by)


def rest(desk: Desk, by: Principal) -> Asked:
    job_id = desk.run(desk.somebody)
    desk.enrol(job_id)
    desk.product.ask(PauseBatchJob(job_id, "wait"), desk.somebody)
    sizing = desk.product.ask(SizeOpen(job_id), by)
    return sizing, desk.product.ask(ResumeBatchJob(job_id, 2, sizing["confirm_token"]), by)


def run(desk: Desk, by: Principal) -> Asked:
    workflow_id = desk.product.workflow(trigger=MANUAL, steps=[MAIL])
    sizing = desk.product.ask(SizeAudience(workflow_id, inputs=INPUTS), by)
    return sizing, desk.product.ask(RunWorkflow(workflow_id, INPUTS, None, 1, sizing["confirm_token"]), by)


WAYS = (batch, schedule, retry, rest, run)


@pytest.mark.parametrize("confirmation", ["relayed", "witnessed"])
def test_a_sizing_foretells_whether_and_where_it_waits_for_a_human(
    product_with: MakeProduct, confirmation: str
) -> None:
    desk = Desk(product_with(public_url=BASE, confirmation=confirmation))
    for way, agent in product(WAYS, (True, False)):
        sizing, answer = way(desk, desk.product.principal(id="asker", agent=agent))
        waits = confirmation == "witnessed" and agent
        assert sizing["held_because"] == ("witnessed" if waits else None)
        assert sizing["confirm_url"] == answer.get("confirm_url")
        assert bool(answer.get("confirm_url")) is waits
        assert ("It would be held" in sizing["next"], "did not ask for it" in sizing["next"]) == (waits, waits)
        assert ("confirm_token" in sizing["next"]) is (agent and not waits)


def test_over_the_approval_limit_it_says_who_confirms_it_and_where(product_with: MakeProduct) -> None:
    desk = Desk(product_with(public_url=BASE))
    for way, agent in product((batch, retry, run), (True, False)):
        asker = desk.product.principal(id="asker", agent=agent, limits=(Limits(approval_over=0),))
        sizing, answer = way(desk, asker)
        # A human's manual run needs nobody else.
        held = way is not run or agent
        told = (sizing["held_because"], answer.get("held_because"))
        assert told == (("approval_over",) * 2 if held else (None, None))
        assert sizing["confirm_url"] == answer.get("confirm_url")
        assert ("batch:approve" in sizing["next"]) is held


def test_a_schedule_is_attached_and_its_occurrences_are_held(product_with: MakeProduct) -> None:
    desk = Desk(product_with())
    sizing, answer = schedule(desk, desk.product.principal(limits=(Limits(approval_over=1),)))
    assert (sizing["held_because"], sizing["confirm_url"], answer["status"]) == ("approval_over", None, "active")
    assert "each occurrence is held" in sizing["next"]


def test_every_sizing_says_what_is_left_and_whom_the_version_reached_before(desk: Desk) -> None:
    by = desk.product.principal(id="asker", limits=(Limits(reach_per_day=3),))
    assert (retry(desk, by)[0]["budget_left"], desk.product.size(desk.workflow_id, by)["budget_left"]) == (3, 2)
    job_id = failed_job(desk)
    sizing = desk.product.ask(SizeFailed(job_id), by)
    assert (sizing["affected"], sizing["reached_before"], sizing["budget_left"]) == (1, 1, 2)
    desk.product.execute("UPDATE runs SET reached = false")
    assert desk.product.ask(SizeFailed(job_id), by)["reached_before"] == 0
    sizing, _ = rest(desk, by)
    assert (sizing["affected"], sizing["reached_before"], sizing["budget_left"]) == (2, 0, 2)
    desk.product.execute("UPDATE runs SET reached = true WHERE job_id = :id", id=job_id)
    assert rest(desk, by)[0]["reached_before"] == 2


def test_what_would_be_refused_is_said(desk: Desk) -> None:
    def told(**limits: Any) -> str:
        asker = desk.product.principal(id="asker", limits=(Limits(**limits),))
        return str(desk.product.size(desk.workflow_id, asker)["next"])

    assert told(max_audience=1) == "It would be refused: at most 1 people at once."
    assert told(reach_per_day=1) == "It would be refused: at most 1 people more within a day."
    workflow_id = desk.product.workflow(trigger=MANUAL, steps=[MAIL])
    desk.product.ask(SetAgentRuns(workflow_id, "never"))
    assert "agents may not" in desk.product.ask(SizeAudience(workflow_id, inputs=INPUTS), desk.agent)["next"]
    desk.product.execute("UPDATE people SET opted_out_at = now()")
    assert told() == "It would be refused: nobody would be reached."
    desk.product.ask(DisableWorkflow(desk.workflow_id))
    assert "draft, not active" in told()

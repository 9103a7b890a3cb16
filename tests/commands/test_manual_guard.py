"""Manual runs under the guard, and the resuming of what a human or the breaker paused."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from aggregates.base import Principal
from aggregates.errors import DomainError
from aggregates.policy import Limits
from commands.approval import ApproveBatchJob
from commands.batch_job import PauseBatchJob, ResumeBatchJob, RunBatch, SizeAudience
from commands.confirmation import AcceptConfirmation
from commands.resume import SizeOpen
from commands.runs import RunWorkflow
from commands.showing import ShowConfirmation
from commands.workflow import CreateWorkflow, DisableWorkflow, EditWorkflow, EnableWorkflow, SetAgentRuns
from tests.commands.conftest import Desk, MakeProduct, refused
from tests.support.product import Product
from tests.support.walks import step
from tests.workers.conftest import Workshop

INPUTS = {"to": {"type": "address", "required": True}}
MANUAL = {"type": "manual", "inputs": INPUTS}
MAIL = step("mail", "email", {"to": "{{ inputs.to }}", "subject": "Hello", "text": "Hello"})
NOTE = step("note", "capture", {"message": "{{ inputs.to }}"})
TO = {"to": "Ann@example.org"}
STATUS = "SELECT status FROM stream_heads WHERE kind = 'batch_job' ORDER BY id"


def statuses(product: Product) -> list[str]:
    return [row[0] for row in product.execute(STATUS)]


def agent(product: Product, **facts: Any) -> Principal:
    return product.principal(id="agent", agent=True, **facts)


def proof(product: Product, workflow_id: UUID, by: Principal, inputs: Any = TO) -> dict[str, Any]:
    sizing = product.ask(SizeAudience(workflow_id, inputs=inputs), by)
    return {"acknowledged_affected_count": sizing["affected"], "confirm_token": sizing["confirm_token"]}


def sending(product: Product) -> UUID:
    return product.workflow(trigger=MANUAL, steps=[MAIL])


@pytest.fixture
def live(product_with: MakeProduct) -> Product:
    return product_with(send_mode="live", confirmation="relayed")


@pytest.fixture
def watched(product_with: MakeProduct) -> Product:
    return product_with(send_mode="live", approval_hours=5)


# -- what needs no proof


def test_a_human_runs_it_and_an_agent_runs_what_sends_nothing(live: Product) -> None:
    live.ask(RunWorkflow(sending(live), TO))
    harmless = live.workflow(trigger=MANUAL, steps=[NOTE])
    assert "confirm_url" not in live.ask(RunWorkflow(harmless, TO), agent(live))
    assert statuses(live) == ["queued", "queued"]


def test_in_capture_an_agent_runs_it(product: Product) -> None:
    answer = product.ask(RunWorkflow(sending(product), TO), agent(product))
    assert answer["batch_job_status"] == "queued"


@pytest.mark.parametrize("facts", [{"agent": True}, {"source": "mcp"}])
def test_an_agents_run_that_can_send_needs_an_idempotency_key(product: Product, facts: Any) -> None:
    by, workflow_id = product.principal(id="agent", **facts), sending(product)
    bare = dict[str, Any](idempotency_key=None)
    for given in ({}, proof(product, workflow_id, by)):
        with pytest.raises(DomainError) as refusal:
            product.ask(RunWorkflow(workflow_id, TO, **given), by, **bare)
        assert refusal.value.code == "idempotency.missing"
    assert statuses(product) == []
    runs = {product.ask(RunWorkflow(workflow_id, TO), by, idempotency_key="once")["run_id"] for _ in range(2)}
    assert len(runs) == 1
    product.ask(RunWorkflow(workflow_id, TO), **bare)
    product.ask(RunWorkflow(product.workflow(trigger=MANUAL, steps=[NOTE]), TO), by, **bare)


# -- held


@pytest.mark.parametrize("settings", [{}, {"confirmation": "relayed"}])
def test_a_live_run_of_an_agent_is_held_until_a_human_confirms_it(product_with: MakeProduct, settings: Any) -> None:
    product = product_with(send_mode="live", public_url="https://t.example", **settings)
    answer = product.ask(RunWorkflow(sending(product), TO), agent(product))
    id = answer["batch_job_id"]
    assert (answer["batch_job_status"], answer["confirm_url"]) == ("held", f"https://t.example/confirm/{id}")
    assert answer["held_because"] == ("agent_runs" if settings else "witnessed")
    human = product.principal(id="human")
    shown = product.ask(ShowConfirmation(UUID(id)), human)
    assert (shown["asks"], shown["affected"], shown["terms"]["inputs"]) == ("RunWorkflow", 1, TO)
    assert refused(product, AcceptConfirmation(UUID(id), 2), human).code == "audience.drift"
    assert refused(product, AcceptConfirmation(UUID(id), 1), agent(product)).code == "approval.not_for_agents"
    assert statuses(product) == ["held"]
    assert product.ask(AcceptConfirmation(UUID(id), 1), human)["status"] == "queued"


def test_a_key_that_may_only_run_is_held_and_learns_nothing_of_the_address(watched: Product) -> None:
    watched.add_people(1, email="ann@example.org", opted_out_at=watched.clock.now())
    poor = agent(watched, without=["person:read"])
    first = watched.ask(RunWorkflow(sending(watched), TO), poor)
    second = watched.ask(RunWorkflow(sending(watched), {"to": "bob@example.org"}), poor)
    assert (first["batch_job_status"], second["batch_job_status"]) == ("held", "held")
    human = watched.principal(id="human")
    refusal = refused(watched, AcceptConfirmation(UUID(first["batch_job_id"]), 1), human)
    assert (refusal.code, refusal.details["excluded"]) == ("audience.empty", {"opted_out": 1})


@pytest.mark.parametrize("guarded", [True, False])
def test_a_key_that_reads_no_people_starts_no_run_about_an_address_by_itself(product: Product, guarded: bool) -> None:
    """Nothing leaves in capture; but how the run ends would say whether the address has left."""
    poor = product.principal(id="poor", agent=guarded, without=["person:read"])
    assert refused(product, RunWorkflow(sending(product), TO), poor).code == "scope.missing"
    hook = step("hook", "webhook", {"url": "https://example.com/"})
    product.ask(RunWorkflow(product.workflow(trigger={"type": "manual"}, steps=[hook])), poor)


def test_approval_over_nobody_holds_one_run(product_with: MakeProduct) -> None:
    product = product_with(approval_over=0)
    workflow_id = sending(product)
    answer = product.ask(RunWorkflow(workflow_id, TO, **proof(product, workflow_id, agent(product))), agent(product))
    assert (answer["batch_job_status"], answer["held_because"]) == ("held", "approval_over")
    product.ask(SetAgentRuns(workflow_id, "free"))
    assert product.ask(RunWorkflow(workflow_id, TO), agent(product))["batch_job_status"] == "held"
    product.ask(ApproveBatchJob(UUID(answer["batch_job_id"]), 1), product.principal(id="human"))
    assert sorted(statuses(product)) == ["held", "queued"]


# -- relayed, with a token


def test_a_token_buys_the_one_run_that_was_sized(live: Product) -> None:
    workflow_id, by = sending(live), agent(live)
    given = proof(live, workflow_id, by)
    other = {"to": "bob@example.org"}
    assert refused(live, RunWorkflow(workflow_id, other, **given), by).code == "confirm.changed"
    assert refused(live, RunWorkflow(sending(live), TO, **given), by).code == "confirm.changed"
    assert refused(live, RunWorkflow(workflow_id, TO, **given | {"acknowledged_affected_count": 2}), by).code == (
        "audience.drift"
    )
    assert refused(live, RunWorkflow(workflow_id, TO, acknowledged_affected_count=1), by).code == "confirm.missing"
    answer = live.ask(RunWorkflow(workflow_id, TO, **given), by)
    assert (answer["batch_job_status"], "confirm_url" in answer) == ("queued", False)
    assert live.ask(RunWorkflow(workflow_id, TO, **given), by)["run_id"] == answer["run_id"]
    assert statuses(live) == ["queued"]
    late = proof(live, workflow_id, by)
    live.clock.advance(hours=1)
    assert refused(live, RunWorkflow(workflow_id, TO, **late), by).code == "confirm.expired"


def test_a_token_of_a_batch_buys_no_run_and_the_other_way_round(live: Product) -> None:
    desk, by = Desk(live), agent(live)
    count, batch_token = desk.token(by)
    workflow_id = sending(live)
    assert refused(live, RunWorkflow(workflow_id, TO, None, 1, batch_token), by).code == "confirm.changed"
    run_token = proof(live, workflow_id, by)["confirm_token"]
    assert refused(live, RunBatch(desk.workflow_id, count, run_token), by).code == "confirm.changed"


# -- addresses


@pytest.mark.parametrize("spelt", ["ann@example.org", " ANN@Example.ORG "])
def test_an_address_that_opted_out_is_an_audience_of_nobody(live: Product, spelt: str) -> None:
    live.add_people(1, email=spelt, opted_out_at=live.clock.now())
    workflow_id, by = sending(live), agent(live)
    sizing = live.ask(SizeAudience(workflow_id, inputs=TO), by)
    assert (sizing["affected"], sizing["excluded"]) == (0, {"opted_out": 1})
    assert refused(live, RunWorkflow(workflow_id, TO), by).code == "audience.empty"
    live.ask(SetAgentRuns(workflow_id, "free"))
    assert refused(live, RunWorkflow(workflow_id, TO), by).code == "audience.empty"
    assert refused(live, RunWorkflow(workflow_id, TO), agent(live, without=["person:read"])).code == "scope.missing"


@pytest.mark.parametrize("wrong", ["ann", "a@b, c@d", "Ann <ann@example.org>", "ann@example.org\nb@example.org", ""])
def test_an_input_of_type_address_is_one_address(live: Product, wrong: str) -> None:
    refusal = refused(live, RunWorkflow(sending(live), {"to": wrong}))
    assert (refusal.code, refusal.problems[0].pointer) == ("inputs.invalid", "/inputs/to")


# -- what a human says of agents' runs


def test_agents_never_run_it_or_freely_as_a_human_says(live: Product) -> None:
    workflow_id, by = sending(live), agent(live)
    live.ask(SetAgentRuns(workflow_id, "never"))
    assert refused(live, RunWorkflow(workflow_id, TO), by).code == "workflow.agent_runs_never"
    assert live.ask(RunWorkflow(workflow_id, TO))["batch_job_status"] == "queued"
    assert live.ask(SetAgentRuns(workflow_id, "free"))["agent_runs"] == "free"
    assert live.system.reads.workflows.get(by, workflow_id)["agent_runs"] == "free"
    assert live.ask(RunWorkflow(workflow_id, TO), by)["batch_job_status"] == "queued"


def test_no_agent_says_it(live: Product) -> None:
    workflow_id = sending(live)
    for by in (agent(live), live.principal(source="mcp")):
        assert refused(live, SetAgentRuns(workflow_id, "free"), by).code == "policy.not_for_agents"
    for scope in ("workflow:write", "batch:approve"):
        assert refused(live, SetAgentRuns(workflow_id, "free"), live.principal(without=[scope])).code == "scope.missing"
    assert refused(live, SetAgentRuns(workflow_id, "always")).code == "request.invalid"
    assert refused(live, SetAgentRuns(UUID(int=7), "free")).code == "workflow.not_found"


def test_what_an_agent_makes_of_a_free_workflow_is_confirmed_again(live: Product) -> None:
    by = agent(live)
    workflow_id = UUID(live.ask(CreateWorkflow("Mail", trigger=MANUAL, steps=[MAIL]), by)["workflow_id"])
    live.ask(SetAgentRuns(workflow_id, "free"))
    live.ask(EditWorkflow(workflow_id, 1, name="Payment demand"), by)
    live.ask(EnableWorkflow(workflow_id), by)
    assert live.ask(RunWorkflow(workflow_id, TO), by)["held_because"] == "agent_runs"


def test_free_is_said_of_the_present_content_only(live: Product) -> None:
    by = agent(live)
    workflow_id = UUID(live.ask(CreateWorkflow("Mail", trigger=MANUAL, steps=[MAIL]), by)["workflow_id"])
    live.ask(EnableWorkflow(workflow_id), by)
    live.ask(DisableWorkflow(workflow_id))
    live.ask(EditWorkflow(workflow_id, 1, steps=[{**MAIL, "name": "Other"}]))
    live.ask(EnableWorkflow(workflow_id))
    live.ask(SetAgentRuns(workflow_id, "free"))
    assert live.ask(RunWorkflow(workflow_id, TO, 1), by)["held_because"] == "agent_runs"
    assert live.ask(RunWorkflow(workflow_id, TO, 2), by)["batch_job_status"] == "queued"


def test_what_a_human_stopped_no_agent_starts_again(live: Product) -> None:
    workflow_id = sending(live)
    live.ask(DisableWorkflow(workflow_id))
    for by in (agent(live), live.principal(source="mcp")):
        assert refused(live, EnableWorkflow(workflow_id), by).code == "workflow.not_for_agents"
    assert live.ask(EnableWorkflow(workflow_id))["status"] == "active"


def test_a_run_has_one_address(live: Product) -> None:
    two = {"type": "manual", "inputs": {name: {"type": "address", "required": True} for name in ("to", "copy")}}
    refusal = refused(live, CreateWorkflow("Mail", trigger=two, steps=[MAIL]))
    assert [(p.pointer, p.code) for p in refusal.problems] == [("/trigger/inputs", "input.second_address")]


# -- resuming


def test_what_a_human_paused_needs_count_and_token_of_the_rest(product: Product, workshop: Workshop) -> None:
    desk, by = Desk(product), agent(product)
    job_id = desk.run(desk.somebody)
    desk.enrol(job_id)
    product.ask(PauseBatchJob(job_id, "wait"), desk.somebody)
    assert refused(product, ResumeBatchJob(job_id), by).code == "acknowledgement.missing"
    assert refused(product, ResumeBatchJob(job_id, 2), by).code == "confirm.missing"
    token = product.ask(SizeOpen(job_id), by)["confirm_token"]
    assert refused(product, ResumeBatchJob(job_id, 1, token), by).code == "audience.drift"
    _, batch_token = desk.token(by)
    assert refused(product, ResumeBatchJob(job_id, 2, batch_token), by).code == "confirm.changed"
    assert product.ask(ResumeBatchJob(job_id, 2, token), by)["status"] == "running"
    # It is spent: another pause needs another one.
    product.ask(PauseBatchJob(job_id, "wait"), desk.somebody)
    assert refused(product, ResumeBatchJob(job_id, 2, token), by).code == "confirm.used"
    assert product.ask(ResumeBatchJob(job_id), desk.somebody)["status"] == "running"


def test_what_an_agent_paused_itself_it_takes_back(product: Product) -> None:
    desk, by = Desk(product), agent(product)
    job_id = desk.run(desk.somebody)
    product.ask(PauseBatchJob(job_id, "doubts"), by)
    other = product.principal(id="other", agent=True)
    assert refused(product, ResumeBatchJob(job_id), other).code == "acknowledgement.missing"
    assert product.ask(ResumeBatchJob(job_id), by)["status"] == "queued"


def test_an_agents_pause_is_no_way_around_a_humans(product: Product) -> None:
    desk, by = Desk(product), agent(product)
    job_id = desk.run(desk.somebody)
    product.ask(PauseBatchJob(job_id, "doubts"), by)
    product.ask(PauseBatchJob(job_id, "indeed"), desk.somebody)
    assert refused(product, ResumeBatchJob(job_id), by).code == "acknowledgement.missing"
    # Nor does pausing once more make it the agent's.
    product.ask(PauseBatchJob(job_id, "mine"), by)
    assert refused(product, ResumeBatchJob(job_id), by).code == "acknowledgement.missing"
    assert product.job(job_id)["reason"] == "indeed"


def test_the_human_hand_of_the_same_key_counts_as_a_human(product: Product) -> None:
    desk = Desk(product)
    job_id = desk.run(desk.somebody)
    product.ask(PauseBatchJob(job_id, "wait"), desk.somebody)
    over_mcp = product.principal(id="somebody", source="mcp")
    assert refused(product, ResumeBatchJob(job_id), over_mcp).code == "acknowledgement.missing"


def test_a_manual_run_that_a_human_paused_is_resumed_by_a_human(product: Product) -> None:
    workflow_id, by = sending(product), agent(product)
    job_id = UUID(product.ask(RunWorkflow(workflow_id, TO), by)["batch_job_id"])
    product.ask(PauseBatchJob(job_id, "wait"))
    assert refused(product, ResumeBatchJob(job_id), by).code == "batch_job.paused_by_human"
    assert product.ask(ResumeBatchJob(job_id))["status"] == "queued"


def test_only_those_are_counted_who_have_no_outcome(product: Product, workshop: Workshop) -> None:
    desk, by = Desk(product), agent(product)
    job_id = desk.run(desk.somebody)
    desk.enrol(job_id)
    product.ask(PauseBatchJob(job_id, "wait"), desk.somebody)
    product.execute(
        "INSERT INTO runs (job_id, person_id, status, steps, updated_at) "
        "VALUES (:job, :person, 'delivered', '[]', now())",
        job=job_id,
        person=desk.pro[0],
    )
    sizing = product.ask(SizeOpen(job_id), by)
    assert sizing["affected"] == 1
    assert refused(product, ResumeBatchJob(job_id, 2, sizing["confirm_token"]), by).code == "audience.drift"


def test_the_cap_of_the_agent_holds_for_the_rest(product: Product) -> None:
    desk = Desk(product)
    capped = agent(product, limits=(Limits(), Limits(max_audience=1)))
    job_id = desk.run(desk.somebody)
    product.ask(PauseBatchJob(job_id, "wait"), desk.somebody)
    token = product.ask(SizeOpen(job_id), capped)["confirm_token"]
    assert refused(product, ResumeBatchJob(job_id, 2, token), capped).code == "audience.over_limit"

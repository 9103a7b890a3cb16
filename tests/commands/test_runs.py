"""Manual runs and the cancelling of runs, as far as commands decide about them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from aggregates.errors import DomainError
from commands.runs import CancelRun, RunWorkflow
from commands.workflow import CreateWorkflow, DisableWorkflow, EditWorkflow, EnableWorkflow
from tests.commands.conftest import refused
from tests.support.product import Product
from tests.support.walks import chain, step

STRANGE = UUID(int=77)
INPUTS = {"order": {"type": "string", "required": True}, "n": {"type": "number", "default": 2}}
MANUAL = {"type": "manual", "inputs": INPUTS}
NOTED = step("note", "capture", {"message": "{{ inputs.order }} x {{ inputs.n }}"})


def manual(product: Product, **content: Any) -> UUID:
    return product.workflow(trigger=MANUAL, **{"steps": [NOTED], **content})


def test_a_run_is_answered_at_once_with_its_id_and_pins_the_version(product: Product) -> None:
    workflow_id = manual(product)
    answer = product.ask(RunWorkflow(workflow_id, {"order": "A-1"}))
    assert answer["run_id"] == f"{answer['batch_job_id']}.0"
    assert (answer["status"], answer["workflow_version"]) == ("pending", 1)
    run = product.system.reads.runs.get(product.principal(), answer["run_id"])
    assert (run["status"], run["manual"], run["person_id"]) == ("pending", True, None)


def test_the_guards_come_in_their_order(product: Product) -> None:
    batch = product.workflow()
    draft = manual(product, active=False)
    active = manual(product)
    assert refused(product, RunWorkflow(STRANGE)).code == "workflow.not_found"
    assert refused(product, RunWorkflow(batch, {"wrong": 1}, 9)).code == "workflow.not_manual"
    assert refused(product, RunWorkflow(draft, {"wrong": 1}, 9)).code == "workflow.not_active"
    assert refused(product, RunWorkflow(active, {"wrong": 1}, 9)).code == "workflow.version_unknown"
    refusal = refused(product, RunWorkflow(active, {"wrong": 1, "n": "two"}))
    assert refusal.code == "inputs.invalid"
    assert {problem.pointer for problem in refusal.problems} == {"/inputs/wrong", "/inputs/n", "/inputs/order"}


def test_a_version_that_has_been_active_can_be_named_and_a_mere_draft_cannot(product: Product) -> None:
    workflow_id = manual(product)
    product.ask(DisableWorkflow(workflow_id))
    for version, message in ((1, "second"), (2, "third")):
        changed = [step("note", "capture", {"message": message})]
        product.ask(EditWorkflow(workflow_id, version=version, steps=changed))
    product.ask(EnableWorkflow(workflow_id))
    assert product.ask(RunWorkflow(workflow_id, {"order": "A"}, 1))["workflow_version"] == 1
    assert product.ask(RunWorkflow(workflow_id, {"order": "A"}))["workflow_version"] == 3
    refusal = refused(product, RunWorkflow(workflow_id, {"order": "A"}, 2))
    assert (refusal.code, refusal.details["known"]) == ("workflow.version_unknown", [1, 3])


def test_inputs_stay_out_of_the_log(product: Product) -> None:
    product.ask(RunWorkflow(manual(product), {"order": "someone@example.com"}))
    ((found,),) = product.execute(
        "SELECT count(*) FROM log WHERE position('someone@example.com' in convert_from(state, 'UTF8')) > 0"
    )
    assert found == 0


def test_the_same_key_gives_the_same_run_and_other_inputs_with_it_are_refused(product: Product) -> None:
    workflow_id = manual(product)
    first = product.ask(RunWorkflow(workflow_id, {"order": "A"}), idempotency_key="once")
    again = product.ask(RunWorkflow(workflow_id, {"order": "A"}), idempotency_key="once")
    other = product.ask(
        RunWorkflow(workflow_id, {"order": "A"}), product.principal(id="another"), idempotency_key="once"
    )
    assert first["run_id"] == again["run_id"] != other["run_id"]
    assert refused_with_key(product, RunWorkflow(workflow_id, {"order": "B"}), "once") == "idempotency.mismatch"


def refused_with_key(product: Product, command: Any, key: str) -> str:
    with pytest.raises(DomainError) as refusal:
        product.ask(command, idempotency_key=key)
    return refusal.value.code


def test_a_manual_run_that_has_not_begun_is_cancelled_at_once(product: Product) -> None:
    answer = product.ask(RunWorkflow(manual(product), {"order": "A"}))
    cancelled = product.ask(CancelRun(answer["run_id"], "not needed"))
    assert (cancelled["status"], cancelled["batch_job_status"]) == ("skipped", "cancelled")
    run = product.system.reads.runs.get(product.principal(), answer["run_id"])
    assert (run["status"], run["reason"]) == ("skipped", "job_cancelled")
    before = product.log_position()
    assert product.ask(CancelRun(answer["run_id"], "again"))["status"] == "skipped"
    assert product.log_position() == before


@pytest.mark.parametrize("spelling", ["{job}.1", "{job}.00", "{job}", "nonsense", "{JOB}.0", "{other}.0"])
def test_an_unknown_run_cannot_be_cancelled_whatever_is_wrong_with_its_id(product: Product, spelling: str) -> None:
    job = product.ask(RunWorkflow(manual(product), {"order": "A"}))["batch_job_id"]
    run_id = spelling.format(job=job, JOB=job.upper(), other=STRANGE)
    assert refused(product, CancelRun(run_id, "stop")).code == "run.not_found"


def test_a_cancelled_run_needs_a_reason(product: Product) -> None:
    run_id = product.ask(RunWorkflow(manual(product), {"order": "A"}))["run_id"]
    assert refused(product, CancelRun(run_id, "  ")).code == "request.invalid"


def test_a_run_of_another_project_is_unknown(product: Product) -> None:
    run_id = product.ask(RunWorkflow(manual(product), {"order": "A"}))["run_id"]
    stranger = product.principal(project_id=product.other_project())
    assert refused(product, CancelRun(run_id, "stop"), stranger).code == "run.not_found"


def test_a_manual_workflow_cannot_speak_of_a_person(product: Product) -> None:
    content = chain(step("hi", "capture", {"message": "{{ person.email }}"}))
    refusal = refused(product, CreateWorkflow(name="Manual", trigger=MANUAL, **content))
    assert [problem.code for problem in refusal.problems] == ["template.no_person"]

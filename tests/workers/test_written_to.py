"""What is looked at right before a send, beside the address: the rule, who left, the step type, the policy."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from aggregates.policy import Limits
from aggregates.steps.email import Email
from commands.policy import SetPolicy
from commands.runs import RunWorkflow
from tests.support.mailbox import Mailbox
from tests.support.product import Product
from tests.support.walks import chain, step
from tests.workers.conftest import Workshop
from workers.enrolment import enrol

WAIT = step("wait", "delay", {"duration": "PT1M"})
MAIL = step("mail", "email", {"subject": "Hello", "text": "Hi"})
CHANGED = "address_changed"


@pytest.fixture
def product(mailing: Product) -> Product:
    return mailing


@pytest.mark.parametrize(
    ("trigger", "to"),
    [
        ({"type": "batch", "filters": {"properties": []}}, "{{ person.properties.other }}"),
        ({"type": "batch", "filters": {"properties": []}}, "stranger@example.com"),
    ],
)
def test_what_a_job_pinned_before_the_rule_fails_at_the_send(
    product: Product, workshop: Workshop, mailbox: Mailbox, trigger: Any, to: str
) -> None:
    product.add_people(2, properties={"other": "stranger@example.com"})
    job_id = product.run(product.workflow(trigger=trigger, steps=[MAIL]))
    enrol(product.system, job_id)
    product.execute(
        "UPDATE jobs_at_work SET content = jsonb_set(content, '{steps,0,config,to}', to_jsonb(CAST(:to AS text)))",
        to=to,
    )
    job = workshop.advance(job_id)
    assert (job["status"], job["failed"], job["reached"]) == ("completed_with_failures", 2, 0)
    assert {run["reason"] for run in product.runs(job_id)} == {"email.to_elsewhere"}
    assert (mailbox.got, product.execute("SELECT DISTINCT attempts FROM effects")) == ([], [(0,)])


OUT = "INSERT INTO opt_outs (project_id, address, topic, at) SELECT id, 'p1@example.com', :topic, now() FROM projects"
LEAVE = "UPDATE people SET opted_out_at = now()"
LEAVE_NEWS = (
    "INSERT INTO person_opt_outs (person_id, topic, reason, source, at) SELECT id, 'news', '', '', now() FROM people"
)
STOP = "INSERT INTO suppressions (project_id, address, reason, at) SELECT id, 'p1@example.com', '', now() FROM projects"


@pytest.mark.parametrize("trigger", ["batch", "manual"])
@pytest.mark.parametrize(("table", "reason"), [(OUT, "opted_out"), (STOP, "suppressed")])
def test_an_address_that_opts_out_or_is_suppressed_during_a_wait_is_not_written_to(
    product: Product, workshop: Workshop, mailbox: Mailbox, trigger: str, table: str, reason: str
) -> None:
    if trigger == "batch":
        product.add_people(2)
        job_id = product.run(product.workflow(**chain(WAIT, MAIL)))
    else:
        mail = step("mail", "email", {**MAIL["config"], "to": "{{ inputs.to }}"})
        inputs = {"type": "manual", "inputs": {"to": {"type": "address"}}}
        run = RunWorkflow(product.workflow(trigger=inputs, **chain(WAIT, mail)), {"to": "P1@example.com"})
        job_id = UUID(product.ask(run)["batch_job_id"])
    workshop.advance(job_id)
    product.execute(table, **({"topic": ""} if table == OUT else {}))
    job = workshop.woken(job_id)
    assert (job["skipped"], job["reached"]) == (1, job["delivered"])
    assert {run["reason"] for run in product.runs(job_id, status="skipped")} == {reason}
    assert mailbox.got == ["p2@example.com"] * job["delivered"]


@pytest.mark.parametrize("leave", [LEAVE, LEAVE_NEWS])
def test_a_manual_run_does_not_write_to_somebody_who_left_whatever_address_they_had_then(
    product: Product, workshop: Workshop, mailbox: Mailbox, leave: str
) -> None:
    product.add_people(1)
    mail = step("mail", "email", {**MAIL["config"], "to": "{{ inputs.to }}"})
    inputs = {"type": "manual", "inputs": {"to": {"type": "address"}}}
    workflow_id = product.workflow(trigger=inputs, topic="news", **chain(WAIT, mail))
    job_id = UUID(product.ask(RunWorkflow(workflow_id, {"to": "P1@example.com"}))["batch_job_id"])
    workshop.advance(job_id)
    product.execute(leave)
    assert workshop.woken(job_id)["skipped"] == 1
    assert ([run["reason"] for run in product.runs(job_id)], mailbox.got) == (["opted_out"], [])


@pytest.mark.parametrize(
    ("about", "written"), [({"topic": "news"}, 1), ({"topic": "news", "purpose": "transactional"}, 2), ({}, 2)]
)
def test_a_topic_that_is_left_during_a_wait_stops_its_mailings_only(
    product: Product, workshop: Workshop, mailbox: Mailbox, about: Any, written: int
) -> None:
    product.add_people(2)
    job_id = product.run(product.workflow(**chain(WAIT, MAIL)))
    enrol(product.system, job_id)
    product.execute("UPDATE jobs_at_work SET content = content || CAST(:about AS jsonb)", about=json.dumps(about))
    workshop.advance(job_id)
    product.execute(OUT, topic="news")
    assert workshop.woken(job_id)["delivered"] == written


@pytest.mark.parametrize(
    ("unsaid", "reason"), [("sends_email", "email.to_elsewhere"), ("external", "step.not_external")]
)
def test_a_step_type_that_does_not_say_what_it_sends_sends_nothing(
    product: Product,
    workshop: Workshop,
    mailbox: Mailbox,
    monkeypatch: pytest.MonkeyPatch,
    unsaid: str,
    reason: str,
) -> None:
    product.add_people(1)
    job_id = product.run(product.workflow(steps=[MAIL]))
    enrol(product.system, job_id)
    monkeypatch.setattr(Email, unsaid, False)
    job = workshop.advance(job_id)
    assert (job["failed"], job["reached"], mailbox.got) == (1, 0, [])
    assert {run["reason"] for run in product.runs(job_id)} == {reason}


def test_a_colleague_is_written_to_until_the_policy_lists_them_no_more(
    product: Product, workshop: Workshop, mailbox: Mailbox
) -> None:
    product.add_people(1)
    colleague = step("tell", "email", {**MAIL["config"], "to": "Ops@Example.com"})
    job_id = product.run(product.workflow(**chain(colleague, WAIT, {**colleague, "id": "again"})))
    workshop.advance(job_id)
    assert mailbox.got == ["ops@example.com"]
    product.ask(SetPolicy(Limits(notify_addresses=())))
    job = workshop.woken(job_id)
    assert (job["failed"], mailbox.got) == (1, ["ops@example.com"])

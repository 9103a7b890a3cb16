"""A mail goes to the address that was confirmed, or to nobody: at the first send, after a wait, at every other try."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from aggregates.policy import Limits
from aggregates.steps.email import Email
from commands.batch_job import CancelBatchJob, PauseBatchJob, ResumeBatchJob, RunBatch, SizeAudience
from commands.policy import SetPolicy
from commands.retry import RetryFailed, SizeFailed
from commands.runs import RunWorkflow
from engine.demo.receivers import SmtpReceiver
from tests.support.product import Product
from tests.support.walks import chain, step
from tests.workers.conftest import Workshop
from workers.enrolment import enrol

WAIT = step("wait", "delay", {"duration": "PT1M"})
MAIL = step("mail", "email", {"subject": "Hello", "text": "Hi"})
CHANGED = "address_changed"


class Mailbox:
    """A mail server that refuses what the test says."""

    def __init__(self) -> None:
        self.refusal: str | None = None
        self.on_mail: Callable[[str], object] = lambda _: None
        self.smtp = SmtpReceiver(self._answer)

    def _answer(self, to: str) -> str | None:
        self.on_mail(to)
        return self.refusal

    @property
    def got(self) -> list[str]:
        return sorted(received.target for received in self.smtp.book.latest)


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    made = Mailbox()
    with made.smtp:
        yield made


@pytest.fixture
def product(database_url: str, tmp_path: Path, mailbox: Mailbox) -> Iterator[Product]:
    built = Product(
        database_url,
        tmp_path,
        send_mode="live",
        smtp_url=f"smtp://127.0.0.1:{mailbox.smtp.port}",
        email_from="us@example.com",
        notify_addresses="ops@example.com",
    )
    yield built
    built.close()


def swap(product: Product, name: str, address: str | None) -> None:
    """What an import of another address does."""
    product.execute("UPDATE people SET email = :to, address = :to WHERE distinct_id = :name", to=address, name=name)


def skipped(product: Product, job_id: UUID) -> dict[str, str]:
    return {run["distinct_id"]: run["reason"] for run in product.runs(job_id, status="skipped")}


def woken(product: Product, workshop: Workshop, job_id: UUID) -> dict[str, Any]:
    """The job after another hour."""
    product.clock.advance(hours=1)
    workshop.scheduler.wake()
    return workshop.advance(job_id)


def test_a_swap_between_the_enrolment_and_the_send_skips(
    product: Product, workshop: Workshop, mailbox: Mailbox
) -> None:
    product.add_people(3)
    job_id = product.run(product.workflow(steps=[MAIL]))
    enrol(product.system, job_id)
    swap(product, "p1", "thief@example.com")
    swap(product, "p2", None)
    job = workshop.advance(job_id)
    assert (job["delivered"], job["skipped"], job["reached"]) == (1, 2, 1)
    assert skipped(product, job_id) == dict.fromkeys(("p1", "p2"), CHANGED)
    assert mailbox.got == ["p3@example.com"]


def test_a_frozen_sizing_and_then_a_swap_skips(product: Product, workshop: Workshop, mailbox: Mailbox) -> None:
    product.add_people(2)
    workflow_id = product.workflow(steps=[MAIL])
    sizing = product.ask(SizeAudience(workflow_id, freeze=True))
    swap(product, "p1", "thief@example.com")
    command = RunBatch(workflow_id, sizing["affected"], sizing["confirm_token"])
    job_id = UUID(product.ask(command)["batch_job_id"])
    assert workshop.advance(job_id)["skipped"] == 1
    assert (skipped(product, job_id), mailbox.got) == ({"p1": CHANGED}, ["p2@example.com"])


def test_a_swap_while_they_wait_skips_and_a_swap_back_does_not(
    product: Product, workshop: Workshop, mailbox: Mailbox
) -> None:
    product.add_people(3)
    job_id = product.run(product.workflow(**chain(WAIT, MAIL)))
    workshop.advance(job_id)
    swap(product, "p1", "thief@example.com")
    swap(product, "p2", "thief@example.com")
    swap(product, "p2", "p2@example.com")
    assert woken(product, workshop, job_id)["delivered"] == 2
    assert (skipped(product, job_id), mailbox.got) == ({"p1": CHANGED}, ["p2@example.com", "p3@example.com"])


KEEP = step("keep", "set_variables", {"variables": {"v": "{{ person.email }}"}})
LATER = step("later", "delay", {"duration": "PT1M"})
TELL = step("tell", "email", {"subject": "Hello", "text": "{{ variables.v }}"})


@pytest.mark.parametrize(
    ("steps", "fate", "mails"),
    [([KEEP, LATER, TELL], "skipped", 0), ([MAIL, KEEP, LATER, TELL], "exited", 1)],
)
def test_what_is_kept_for_later_is_of_the_confirmed_address_or_of_nobody(
    product: Product, workshop: Workshop, mailbox: Mailbox, steps: list[dict[str, Any]], fate: str, mails: int
) -> None:
    product.add_people(2)
    variables = [{"key": "v", "type": "string", "default": ""}]
    job_id = product.run(product.workflow(**chain(WAIT, *steps), variables=variables))
    workshop.advance(job_id)
    moved = iter(["thief@example.com"])
    mailbox.on_mail = lambda to: swap(product, "p1", next(moved, "p1@example.com")) if to[:2] == "p1" else None
    if not mails:
        swap(product, "p1", next(moved))
    woken(product, workshop, job_id)
    swap(product, "p1", "p1@example.com")
    job = woken(product, workshop, job_id)
    assert (job[fate], job["delivered"]) == (1, 1)
    assert mailbox.got.count("p1@example.com") == mails
    fates = {run["distinct_id"]: (run["status"], run["reason"]) for run in product.runs(job_id)}
    assert fates == {"p1": (fate, CHANGED), "p2": ("delivered", None)}


def test_a_fresh_chunk_keeps_nothing_of_another_address(product: Product, workshop: Workshop, mailbox: Mailbox) -> None:
    product.add_people(2)
    variables = [{"key": "v", "type": "string", "default": ""}]
    job_id = product.run(product.workflow(**chain(KEEP, WAIT, TELL), variables=variables))
    enrol(product.system, job_id)
    swap(product, "p1", "thief@example.com")
    workshop.advance(job_id)
    swap(product, "p1", "p1@example.com")
    assert woken(product, workshop, job_id)["delivered"] == 1
    assert (skipped(product, job_id), mailbox.got) == ({"p1": CHANGED}, ["p2@example.com"])


def test_a_swap_while_it_is_paused_skips(product: Product, workshop: Workshop, mailbox: Mailbox) -> None:
    product.add_people(2)
    job_id = product.run(product.workflow(**chain(WAIT, MAIL)))
    workshop.advance(job_id)
    product.ask(PauseBatchJob(job_id, "look"))
    swap(product, "p1", "thief@example.com")
    product.ask(ResumeBatchJob(job_id))
    assert woken(product, workshop, job_id)["skipped"] == 1
    assert (skipped(product, job_id), mailbox.got) == ({"p1": CHANGED}, ["p2@example.com"])


def test_a_swap_between_two_tries_skips(product: Product, workshop: Workshop, mailbox: Mailbox) -> None:
    product.add_people(2)
    mailbox.refusal = "451 come back later"
    job_id = product.run(product.workflow(steps=[MAIL]))
    assert workshop.advance(job_id)["waiting"] == 2
    mailbox.refusal = None
    swap(product, "p1", "thief@example.com")
    job = woken(product, workshop, job_id)
    assert (job["delivered"], job["skipped"], job["reached"]) == (1, 1, 1)
    assert (skipped(product, job_id), mailbox.got) == ({"p1": CHANGED}, ["p2@example.com"])


def test_a_swap_before_a_retry_skips_is_counted_and_is_no_drift(
    product: Product, workshop: Workshop, mailbox: Mailbox
) -> None:
    product.add_people(3)
    mailbox.refusal = "550 no such mailbox"
    old = product.run(product.workflow(steps=[MAIL]))
    assert workshop.advance(old)["failed"] == 3
    mailbox.refusal = None
    sizing = product.ask(SizeFailed(old))
    assert sizing["left"][CHANGED] == 0
    swap(product, "p1", "thief@example.com")
    swap(product, "p2", None)
    assert product.ask(SizeFailed(old))["left"][CHANGED] == 2
    retry = UUID(product.ask(RetryFailed(old, 3, sizing["confirm_token"]))["batch_job_id"])
    job = workshop.advance(retry)
    assert (job["delivered"], skipped(product, retry)) == (1, dict.fromkeys(("p1", "p2"), CHANGED))
    assert mailbox.got == ["p3@example.com"]


def test_a_retry_of_a_retry_keeps_the_address_that_was_confirmed_first(
    product: Product, workshop: Workshop, mailbox: Mailbox
) -> None:
    product.add_people(1)
    mailbox.refusal = "550 no such mailbox"
    first = product.run(product.workflow(steps=[MAIL]))
    workshop.advance(first)
    second = UUID(product.ask(RetryFailed(first, 1))["batch_job_id"])
    workshop.advance(second)
    swap(product, "p1", "thief@example.com")
    mailbox.refusal = None
    third = UUID(product.ask(RetryFailed(second, 1))["batch_job_id"])
    workshop.advance(third)
    assert (skipped(product, third), mailbox.got) == ({"p1": CHANGED}, [])


def test_a_held_effect_is_left_to_a_person_although_the_address_changed(
    product: Product, workshop: Workshop, mailbox: Mailbox
) -> None:
    product.add_people(1)
    job_id = product.run(product.workflow(steps=[step("mail", "email", {**MAIL["config"], "on_unknown": "hold"})]))

    def die(*_: Any) -> Any:
        raise SystemExit

    real = workshop.sender._record
    workshop.sender._record = die  # type: ignore[method-assign, assignment]
    with pytest.raises(SystemExit):
        workshop.advance(job_id)
    workshop.sender._record = real  # type: ignore[method-assign]
    workshop.bells.rung.clear()
    product.execute("UPDATE chunks SET leased_until = now() - interval '1 second'")
    swap(product, "p1", "thief@example.com")
    job = workshop.advance(job_id)
    assert (job["waiting"], job["outcome_unknown"], job["reached"]) == (1, 1, 1)
    product.ask(CancelBatchJob(job_id, "enough"))
    assert workshop.advance(job_id)["reached"] == 1


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
    job = woken(product, workshop, job_id)
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
    assert woken(product, workshop, job_id)["skipped"] == 1
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
    assert woken(product, workshop, job_id)["delivered"] == written


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
    job = woken(product, workshop, job_id)
    assert (job["failed"], mailbox.got) == (1, ["ops@example.com"])

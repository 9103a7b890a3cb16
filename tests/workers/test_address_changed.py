"""A mail goes to the address that was confirmed, or to nobody: at the first send, after a wait, at every other try."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from commands.batch_job import CancelBatchJob, PauseBatchJob, ResumeBatchJob, RunBatch, SizeAudience
from commands.retry import RetryFailed, SizeFailed
from tests.support.mailbox import Mailbox, swap
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


def skipped(product: Product, job_id: UUID) -> dict[str, str]:
    return {run["distinct_id"]: run["reason"] for run in product.runs(job_id, status="skipped")}


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
    assert workshop.woken(job_id)["delivered"] == 2
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
    workshop.woken(job_id)
    swap(product, "p1", "p1@example.com")
    job = workshop.woken(job_id)
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
    assert workshop.woken(job_id)["delivered"] == 1
    assert (skipped(product, job_id), mailbox.got) == ({"p1": CHANGED}, ["p2@example.com"])


def test_a_swap_while_it_is_paused_skips(product: Product, workshop: Workshop, mailbox: Mailbox) -> None:
    product.add_people(2)
    job_id = product.run(product.workflow(**chain(WAIT, MAIL)))
    workshop.advance(job_id)
    product.ask(PauseBatchJob(job_id, "look"))
    swap(product, "p1", "thief@example.com")
    product.ask(ResumeBatchJob(job_id))
    assert workshop.woken(job_id)["skipped"] == 1
    assert (skipped(product, job_id), mailbox.got) == ({"p1": CHANGED}, ["p2@example.com"])


def test_a_swap_between_two_tries_skips(product: Product, workshop: Workshop, mailbox: Mailbox) -> None:
    product.add_people(2)
    mailbox.refusal = "451 come back later"
    job_id = product.run(product.workflow(steps=[MAIL]))
    assert workshop.advance(job_id)["waiting"] == 2
    mailbox.refusal = None
    swap(product, "p1", "thief@example.com")
    job = workshop.woken(job_id)
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

"""Who left is left out by one rule: a sizing and the sender say the same of a batch, a manual run and a retry."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import UUID

import pytest

from commands.batch_job import ExplainAudience, SizeAudience
from commands.consent import OptOut, Suppress
from commands.retry import RetryFailed, SizeFailed
from commands.runs import RunWorkflow
from tests.support.product import CAPTURE, EVERYONE, Product
from tests.support.walks import chain, step
from tests.workers.conftest import Workshop

WAIT = step("wait", "delay", {"duration": "PT1M"})
MAIL = step("mail", "email", {"subject": "Hello", "text": "Hi"})
MANUAL = {"type": "manual", "inputs": {"to": {"type": "address", "required": True}}}
SENDING = {
    "email": step("mail", "email", {**MAIL["config"], "to": "{{ inputs.to }}"}),
    "webhook": step("hook", "webhook", {"url": "https://example.com/{{ inputs.to }}"}),
}

LEFT_ALL, LEFT_TOPIC, STOPPED, STAYED = ("p1@example.com", "p2@example.com", "p3@example.com", "p4@example.com")
ABOUTS: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({}, {LEFT_ALL: "opted_out", STOPPED: "suppressed"}),
    ({"topic": "news"}, {LEFT_ALL: "opted_out", LEFT_TOPIC: "opted_out", STOPPED: "suppressed"}),
    ({"topic": "news", "purpose": "transactional"}, {LEFT_ALL: "opted_out", STOPPED: "suppressed"}),
]
"""What a workflow is about, and whom nothing of it reaches: an opt-out of everything holds for every workflow."""


def leave(product: Product) -> None:
    for command in (OptOut(address=LEFT_ALL), OptOut(address=LEFT_TOPIC, topic="news"), Suppress(STOPPED)):
        product.ask(command)


def woken(product: Product, workshop: Workshop) -> None:
    product.clock.advance(hours=1)
    workshop.scheduler.wake()
    while workshop.bells.rung:
        workshop.advance(workshop.bells.rung.pop())


@pytest.mark.parametrize(("about", "expected"), ABOUTS)
def test_a_sizing_and_the_sender_leave_out_the_same_people(
    product: Product, workshop: Workshop, about: dict[str, Any], expected: dict[str, str]
) -> None:
    product.add_people(4)
    batch = product.workflow(**chain(WAIT, MAIL), **about)
    manual = [product.workflow(trigger=MANUAL, **chain(WAIT, each), **about) for each in SENDING.values()]
    over = product.run(batch)
    runs = {
        (id, to): UUID(product.ask(RunWorkflow(id, {"to": to}))["batch_job_id"])
        for id in manual
        for to in (LEFT_ALL, LEFT_TOPIC, STOPPED, STAYED)
    }
    ended = product.run(product.workflow(steps=[CAPTURE], trigger=EVERYONE, **about))
    for job_id in (over, *runs.values(), ended):
        workshop.advance(job_id)
    product.execute("UPDATE runs SET status = 'failed' WHERE job_id = :id", id=ended)

    leave(product)
    reasons = Counter(expected.values())
    excluded = product.ask(ExplainAudience(batch))["excluded"]
    assert {f"{row['distinct_id']}@example.com": row["reason"] for row in excluded} == expected
    sized = {key: product.ask(SizeAudience(key[0], inputs={"to": key[1]})) for key in runs}
    assert {key: list(sizing["excluded"]) for key, sizing in sized.items()} == {
        key: [expected[key[1]]] if key[1] in expected else [] for key in runs
    }
    failed = product.ask(SizeFailed(ended))
    assert {reason: count for reason, count in failed["left"].items() if count} == reasons

    again = UUID(product.ask(RetryFailed(ended, 4, failed["confirm_token"]))["batch_job_id"])
    workshop.advance(again)
    woken(product, workshop)
    for job_id in (over, again):
        skipped = {run["distinct_id"]: run["reason"] for run in product.runs(job_id, status="skipped")}
        assert {f"{name}@example.com": reason for name, reason in skipped.items()} == expected
    for key, job_id in runs.items():
        (run,) = product.runs(job_id)
        assert (key[1], run["reason"]) == (key[1], expected.get(key[1]))

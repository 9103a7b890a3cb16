"""Whoever has another address than was confirmed gets no effect at all: a webhook tells of addresses too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.demo.receivers import HttpReceiver, SmtpReceiver
from tests.support.mailbox import swap
from tests.support.product import Product
from tests.support.walks import chain, step
from tests.workers.conftest import Workshop
from workers import sending
from workers.enrolment import enrol
from workers.recipients import addressed

WAIT = step("wait", "delay", {"duration": "PT1M"})
MAIL = step("mail", "email", {"subject": "Hello", "text": "Hi"})
THIEF = "thief@example.com"


@pytest.fixture
def mailbox() -> Iterator[SmtpReceiver]:
    with SmtpReceiver() as running:
        yield running


@pytest.fixture
def hook() -> Iterator[HttpReceiver]:
    with HttpReceiver() as running:
        yield running


@pytest.fixture
def product(database_url: str, tmp_path: Path, mailbox: SmtpReceiver) -> Iterator[Product]:
    built = Product(
        database_url,
        tmp_path,
        outbound_allow=("127.0.0.0/8",),
        send_mode="live",
        smtp_url=f"smtp://127.0.0.1:{mailbox.port}",
        email_from="us@example.com",
    )
    yield built
    built.close()


def call(hook: HttpReceiver) -> dict[str, Any]:
    return step("call", "webhook", {"url": f"{hook.url}/hook", "body": {"of": "{{ person.email }}"}})


def told(hook: HttpReceiver) -> list[str]:
    return sorted(json.loads(received.body)["of"] for received in hook.book.latest)


def reasons(product: Product, job_id: Any) -> dict[str, str]:
    return {run["distinct_id"]: run["reason"] for run in product.runs(job_id) if run["status"] in {"skipped", "exited"}}


@pytest.mark.parametrize("address", [THIEF, None])
def test_a_webhook_before_the_email_is_not_told_of_another_address(
    product: Product, workshop: Workshop, mailbox: SmtpReceiver, hook: HttpReceiver, address: str | None
) -> None:
    product.add_people(2)
    job_id = product.run(product.workflow(**chain(WAIT, call(hook), MAIL)))
    workshop.advance(job_id)
    swap(product, "p1", address)
    product.clock.advance(hours=1)
    workshop.scheduler.wake()
    job = workshop.advance(job_id)
    assert (job["delivered"], job["skipped"], job["reached"]) == (1, 1, 1)
    assert reasons(product, job_id) == {"p1": "address_changed"}
    assert told(hook) == [received.target for received in mailbox.book.latest] == ["p2@example.com"]


def test_a_webhook_after_the_email_is_not_told_either(product: Product, workshop: Workshop, hook: HttpReceiver) -> None:
    product.add_people(2)
    job_id = product.run(product.workflow(**chain(MAIL, WAIT, call(hook))))
    workshop.advance(job_id)
    swap(product, "p1", THIEF)
    product.clock.advance(hours=1)
    workshop.scheduler.wake()
    assert workshop.advance(job_id)["reached"] == 2
    assert (reasons(product, job_id), told(hook)) == ({"p1": "address_changed"}, ["p2@example.com"])


def test_an_address_that_comes_and_goes_between_two_looks_is_told_to_nobody(
    product: Product, workshop: Workshop, hook: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.add_people(2)
    job_id = product.run(product.workflow(**chain(call(hook), MAIL)))

    def swapped_back(*asked: Any) -> Any:
        swap(product, "p1", "p1@example.com")
        return addressed(*asked)

    monkeypatch.setattr(sending, "addressed", swapped_back)
    enrol(product.system, job_id)
    swap(product, "p1", THIEF)
    workshop.advance(job_id)
    assert (reasons(product, job_id), told(hook)) == ({"p1": "address_changed"}, ["p2@example.com"])


def test_a_webhook_that_tells_an_address_is_told_the_one_that_was_confirmed_or_none(
    product: Product, workshop: Workshop, hook: HttpReceiver
) -> None:
    product.add_people(1)
    job_id = product.run(product.workflow(**chain(WAIT, call(hook))))
    workshop.advance(job_id)
    swap(product, "p1", "new@example.com")
    product.clock.advance(hours=1)
    workshop.scheduler.wake()
    job = workshop.advance(job_id)
    assert (job["delivered"], job["skipped"], told(hook)) == (0, 1, [])

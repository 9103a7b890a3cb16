"""A webhook that tells the person's address tells the one that was confirmed, or is not made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from aggregates.errors import DomainError
from commands.batch_job import RunBatch
from commands.retry import RetryFailed, SizeFailed
from engine.demo.receivers import Answer, HttpReceiver, Received
from tests.support.product import Product
from tests.support.walks import chain, step
from tests.workers.conftest import Workshop
from workers.enrolment import enrol

SET = step("set", "set_variables", {"variables": {"to": "{{ person.email }}"}})
TO = [{"key": "to", "type": "string", "default": ""}]


class Hook:
    """A receiver that answers as the test says."""

    def __init__(self) -> None:
        self.answer = Answer()
        self.http = HttpReceiver(respond=self._respond)

    def _respond(self, _: Received) -> Answer:
        return self.answer

    def step(self, told: str) -> dict[str, Any]:
        return step("call", "webhook", {"url": f"{self.http.url}/hook", "body": {"to": told}})


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    with made.http:
        yield made


@pytest.fixture
def product(database_url: str, tmp_path: Path) -> Iterator[Product]:
    built = Product(database_url, tmp_path, outbound_allow=("127.0.0.0/8",), send_mode="live")
    yield built
    built.close()


WAYS = {
    "plainly": ("{{ person.email }}", False),
    "after a filter": ("{% if person.email %}{{ person['email'] | upcase }}{% endif %}", False),
    "with the whole person": ("{% assign them = person %}{{ them.email }}", False),
    "through a variable": ("{{ variables.to }}", True),
}


def swap(product: Product, name: str) -> None:
    change = "UPDATE people SET email = 'x@example.org', address = 'x@example.org' WHERE distinct_id = :name"
    product.execute(change, name=name)


@pytest.mark.parametrize(("told", "sets"), WAYS.values(), ids=WAYS)
def test_an_address_that_was_swapped_is_told_to_nobody(
    product: Product, workshop: Workshop, hook: Hook, told: str, sets: bool
) -> None:
    product.add_people(3)
    product.execute("UPDATE people SET email = NULL, address = NULL WHERE distinct_id = 'p3'")
    steps = (SET, hook.step(told)) if sets else (hook.step(told),)
    workflow_id = product.workflow(variables=TO, **chain(*steps))
    sizing = product.size(workflow_id)
    # Nobody is left out for the address: what is confirmed is that it is this one, or none.
    assert (sizing["affected"], set(sizing["excluded"])) == (3, {"opted_out", "suppressed", "capped"})
    swap(product, "p1")
    with pytest.raises(DomainError) as refusal:
        product.ask(RunBatch(workflow_id, 3, sizing["confirm_token"]))
    assert (refusal.value.code, refusal.value.details["same_people"]) == ("audience.drift", False)

    job_id = product.run(workflow_id)
    enrol(product.system, job_id)
    swap(product, "p2")
    hook.answer = Answer(400)
    job = workshop.advance(job_id)
    assert (job["failed"], job["skipped"]) == (2, 1)
    assert {run["reason"] for run in product.runs(job_id, status="skipped")} == {"address_changed"}
    hook.answer = Answer()
    swap(product, "p3")
    failed = product.ask(SizeFailed(job_id))
    assert (failed["affected"], failed["left"]["address_changed"]) == (2, 1)
    retried = UUID(product.ask(RetryFailed(job_id, 2, failed["confirm_token"]))["batch_job_id"])
    again = workshop.advance(retried)
    assert (again["delivered"], again["skipped"]) == (1, 1)


def test_a_webhook_that_tells_no_address_is_not_concerned(product: Product, workshop: Workshop, hook: Hook) -> None:
    product.add_people(1)
    workflow_id = product.workflow(**chain(hook.step("{{ person.distinct_id }} {{ person.properties.email }}")))
    sizing = product.size(workflow_id)
    swap(product, "p1")
    job_id = UUID(product.ask(RunBatch(workflow_id, 1, sizing["confirm_token"]))["batch_job_id"])
    assert workshop.advance(job_id)["delivered"] == 1

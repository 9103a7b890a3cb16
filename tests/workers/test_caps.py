"""One person gets so many messages in so many days, however many jobs and steps there are."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from aggregates.policy import Limits
from aggregates.reach import PerPerson
from commands.policy import SetPolicy
from engine.ids import new_id
from tests.support.gates import beginning, somebody_waits
from tests.support.mailbox import Mailbox
from tests.support.product import Product
from tests.support.walks import chain, step
from tests.workers.conftest import Workshop
from workers.caps import capped

WAIT = step("wait", "delay", {"duration": "PT1M"})
MAIL = step("mail", "email", {"subject": "Hello", "text": "Hi"})
MORE = step("more", "email", {"subject": "Hello again", "text": "Hi"})


@pytest.fixture
def product(mailing: Product) -> Product:
    mailing.ask(SetPolicy(Limits(per_person=PerPerson(1, 7))))
    return mailing


def fates(product: Product, job_id: Any) -> set[tuple[str, str | None]]:
    return {(run["status"], run["reason"]) for run in product.runs(job_id)}


def test_of_jobs_that_wait_at_the_same_time_one_gets_through(
    product: Product, workshop: Workshop, mailbox: Mailbox
) -> None:
    product.add_people(3)
    jobs = [product.run(product.workflow(**chain(WAIT, MAIL))) for _ in range(3)]
    for job_id in jobs:
        workshop.advance(job_id)
    product.clock.advance(hours=1)
    workshop.scheduler.wake()
    for job_id in jobs:
        workshop.advance(job_id)
    assert mailbox.smtp.book.total == 3
    assert [fates(product, job_id) for job_id in jobs] == [{("delivered", None)}, *[{("skipped", "capped")}] * 2]


def test_of_two_steps_of_one_workflow_the_first_gets_through(
    product: Product, workshop: Workshop, mailbox: Mailbox
) -> None:
    product.add_people(2)
    job_id = product.run(product.workflow(**chain(MAIL, MORE)))
    workshop.advance(job_id)
    assert (mailbox.smtp.book.total, fates(product, job_id)) == (2, {("exited", "capped")})


def test_another_try_of_the_same_message_is_no_further_one(product: Product, workshop: Workshop) -> None:
    product.add_people(1)
    workshop.advance(product.run(product.workflow(steps=[MAIL])))
    ((id, person_id),) = product.execute("SELECT id, person_id FROM effects")
    with product.system.engine.begin() as connection:
        asked = (connection, PerPerson(1, 7))
        assert capped(*asked, {id: person_id}, product.clock.now()) == set()
        assert capped(*asked, {new_id(): person_id}, product.clock.now()) == {person_id}
        assert capped(*asked, {new_id(): person_id}, product.clock.now() + timedelta(days=8)) == set()


def test_two_jobs_about_to_send_to_one_person_take_turns(
    product: Product, workshop: Workshop, mailbox: Mailbox
) -> None:
    (person_id,) = product.add_people(1)
    job_id = product.run(product.workflow(steps=[MAIL]))
    with product.system.engine.connect() as other:
        other.execute(text("SELECT pg_advisory_xact_lock(hashint8extended(:id, -8))"), {"id": person_id})
        with beginning(lambda: workshop.advance(job_id)) as work:
            somebody_waits(product.system.engine)
            assert mailbox.smtp.book.total == 0
            other.rollback()
            work.result()
    assert mailbox.smtp.book.total == 1

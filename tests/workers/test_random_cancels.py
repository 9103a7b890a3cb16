"""Whenever a job is cancelled, it counts as reached exactly the people whom the receivers have in their books."""

from __future__ import annotations

import json
import random  # noqa: TID251 - one seed is the same story each time
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from aggregates.batch_job.standing import TERMINAL
from commands.batch_job import CancelBatchJob, RunBatch
from engine.demo.receivers import Answer, HttpReceiver, Received, SmtpReceiver
from projections.run_rows import audit
from tests.support.product import Product
from tests.support.walks import chain, step
from tests.workers.conftest import Workshop
from workers import sending

CANCELS = 50
PEOPLE = 16
WAIT = step("wait", "delay", {"duration": "PT1M"})
MAIL = step("mail", "email", {"subject": "{{ run.id }}", "text": "Hi"}, on_error="continue")


class Town:
    """Everybody outside, with the runs that each of them heard of; and a moment at which a job is cancelled."""

    def __init__(self) -> None:
        self.product: Product | None = None
        self.chance = random.Random()
        self.job_id: UUID | None = None
        self.heard: set[str] = set()
        self._left = 0
        self._lock = threading.Lock()
        self.http = HttpReceiver(respond=self._called)
        self.smtp = SmtpReceiver(self._refused)

    def expect(self, product: Product, job_id: UUID, chance: random.Random, cancel_at: int) -> None:
        """Hear of a job from now on, and have it cancelled when so many messages have arrived."""
        self.product, self.job_id, self.chance, self._left, self.heard = product, job_id, chance, cancel_at, set()

    def steps(self, chance: random.Random) -> list[dict[str, Any]]:
        """A workflow of one to four steps, in any order."""
        hooks = [
            step(
                name,
                "webhook",
                {"url": f"{self.http.url}/hook", "body": {"run": "{{ run.id }}"}, "max_attempts": 2},
                on_error="continue",
            )
            for name in ("first", "second")
        ]
        all_steps = [*hooks, WAIT, MAIL]
        return chance.sample(all_steps, chance.randint(1, len(all_steps)))

    def _called(self, received: Received) -> Answer:
        with self._lock:
            self.heard.add(json.loads(received.body)["run"])
            status = self.chance.choice([200, 200, 200, 400, 503, None])
        self._arrived()
        return Answer(status)

    def _refused(self, address: str) -> str | None:
        self._arrived()
        return "550 no such mailbox" if self.chance.random() < 0.2 else None

    def _arrived(self) -> None:
        with self._lock:
            self._left -= 1
            now = self._left == 0
        if now and self.product is not None and self.job_id is not None:
            principal = self.product.principal()
            meta = self.product.system.meta(principal, via="test")
            self.product.system.bus.dispatch(CancelBatchJob(self.job_id, "stop"), meta)


@pytest.fixture
def town() -> Iterator[Town]:
    made = Town()
    with made.http, made.smtp:
        yield made


@pytest.fixture
def product(database_url: str, tmp_path: Path, town: Town) -> Iterator[Product]:
    built = Product(
        database_url,
        tmp_path,
        outbound_allow=("127.0.0.0/8",),
        send_mode="live",
        smtp_url=f"smtp://127.0.0.1:{town.smtp.port}",
        email_from="us@example.com",
        chunk_size=7,
    )
    yield built
    built.close()


def work(product: Product, workshops: list[Workshop], job_id: UUID) -> dict[str, Any]:
    """Let two workers do what there is to do, and time go by, until the job has ended."""
    for _ in range(20):
        with ThreadPoolExecutor(len(workshops)) as pool:
            for done in [pool.submit(workshop.fanout.advance, str(job_id)) for workshop in workshops]:
                done.result()
        job = product.job(job_id)
        if job["status"] in TERMINAL:
            return job
        # The clock of leases goes as well: a chunk may have been given back for as long as a receiver rests.
        product.execute("UPDATE chunks SET leased_until = now() - interval '1 second'")
        product.clock.advance(hours=1)
        workshops[0].scheduler.wake()
    raise AssertionError("the job does not end")


def test_the_receivers_books_say_who_was_reached(product: Product, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "FLUSH", 3)
    monkeypatch.setattr("engine.settings.SMALLEST_CHUNK", 1)
    product.add_people(PEOPLE)
    workshops = [Workshop(product), Workshop(product)]
    ended = set()
    for seed in range(CANCELS):
        chance = random.Random(seed)
        sizing = product.size(workflow_id := product.workflow(**chain(*town.steps(chance))))
        before = town.smtp.book.total
        command = RunBatch(workflow_id, sizing["affected"], sizing["confirm_token"])
        job_id = UUID(product.ask(command)["batch_job_id"])
        town.expect(product, job_id, chance, cancel_at=chance.randint(1, 3 * PEOPLE))
        job = work(product, workshops, job_id)
        ended.add(job["status"])
        mailed = (
            list(town.smtp.book.latest)[-(town.smtp.book.total - before) :] if town.smtp.book.total > before else []
        )
        heard = town.heard | {received.headers["subject"] for received in mailed}
        told = {run["run_id"] for run in product.runs(job_id) if run["reached"]}
        assert not told.intersection(run["run_id"] for run in product.runs(job_id, status="skipped")), f"seed {seed}"
        assert (told, job["reached"]) == (heard, len(heard)), f"seed {seed}"
        assert sum(audit(product.system.engine, job_id).values()) == PEOPLE
    for workshop in workshops:
        workshop.deliveries.close()
    assert "cancelled" in ended and len(ended) > 1

"""Workers inside the test's own process: bells ring in a list, and the test answers them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from aggregates.reasons import meaning
from engine.demo.receivers import HttpReceiver
from tests.support.mailbox import Mailbox
from tests.support.outgoing import Sending, deliveries
from tests.support.product import Product
from workers.delivery import Deliveries
from workers.fanout import Fanout
from workers.scheduler import Scheduler
from workers.sending import Sender
from workers.world import DatabaseWorld


class Bells:
    """Bells that a test hears."""

    def __init__(self) -> None:
        self.rung: list[UUID] = []

    def ring(self, job_id: UUID, times: int = 1) -> None:
        self.rung += [job_id] * times

    def ring_again(self, job_ids: Sequence[UUID]) -> None:
        self.rung += job_ids


class Workshop:
    """A product with a worker and a scheduler that do one thing at a time, when they are told to."""

    def __init__(self, product: Product, stay: float = 30.0) -> None:
        self.product = product
        self.bells = Bells()
        system = product.system
        self.deliveries = Deliveries.from_settings(system.settings, system.secrets, system.clock)
        # Stays until all is answered, so that one thing happens at a time.
        self.sender = Sender(system, self.deliveries, lambda c, project: DatabaseWorld(c, system, project), stay=stay)
        self.fanout = Fanout(system, self.sender, self.bells.ring)
        self.scheduler = Scheduler(system, self.bells)  # type: ignore[arg-type]

    def advance(self, job_id: UUID) -> dict[str, Any]:
        """Answer bells until the job needs none; the job as the views show it then."""
        self.bells.ring(job_id)
        while self.bells.rung:
            self.fanout.advance(str(self.bells.rung.pop()))
        return self.product.job(job_id)

    def woken(self, job_id: UUID) -> dict[str, Any]:
        """The job after another hour."""
        self.product.clock.advance(hours=1)
        self.scheduler.wake()
        return self.advance(job_id)


def undocumented(product: Product) -> set[str]:
    """Reasons in the ledger that are not in the catalogue. Of runs that exited an author's own word may be one."""
    said = product.execute(
        "SELECT reason FROM runs WHERE status <> 'exited' UNION "
        "SELECT note ->> 'reason' FROM runs, jsonb_array_elements(steps) AS note"
    )
    return {reason for (reason,) in said if reason is not None and meaning(reason) is None}


def ended_otherwise(product: Product) -> set[str]:
    """The last outcomes of runs that failed with a reason, where they say something else."""
    last = "SELECT steps -> -1 ->> 'outcome' FROM runs WHERE status = 'failed' AND reason IS NOT NULL AND steps <> '[]'"
    return {outcome for (outcome,) in product.execute(last)} - {"failed"}


def uncounted(product: Product) -> int:
    """How many more or fewer runs have failed with a reason than are counted by reason."""
    failed = "SELECT count(*) FROM runs WHERE status = 'failed' AND reason IS NOT NULL"
    counted = "SELECT coalesce(sum(failed), 0) FROM failed_steps"
    return int(product.execute(f"SELECT ({failed}) - ({counted})")[0][0])


def opened(database_url: str, tmp_path: Path, **settings: Any) -> Iterator[Product]:
    """A product. Once its test is over its ledger has documented reasons only, and a run that failed ends with a step
    that failed, and is counted by its reason.
    """
    built = Product(database_url, tmp_path, outbound_allow=("127.0.0.0/8",), **settings)
    yield built
    told = undocumented(built), ended_otherwise(built), uncounted(built)
    built.close()
    assert told == (set(), set(), 0)


@pytest.fixture
def product(database_url: str, tmp_path: Path) -> Iterator[Product]:
    yield from opened(database_url, tmp_path)


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    made = Mailbox()
    with made.smtp:
        yield made


@pytest.fixture
def mailing(database_url: str, tmp_path: Path, mailbox: Mailbox) -> Iterator[Product]:
    """A product that writes to the mailbox, and has one colleague."""
    yield from opened(
        database_url,
        tmp_path,
        send_mode="live",
        smtp_url=f"smtp://127.0.0.1:{mailbox.smtp.port}",
        email_from="us@example.com",
        notify_addresses="ops@example.com",
    )


@pytest.fixture
def workshop(product: Product) -> Iterator[Workshop]:
    built = Workshop(product)
    yield built
    built.deliveries.close()


Again = Callable[[Product], tuple[Product, Workshop]]


@pytest.fixture
def again(database_url: str, tmp_path: Path) -> Iterator[Again]:
    """The same database at the same time, in other processes, which remember nothing."""
    made: list[tuple[Product, Workshop]] = []

    def begin(running: Product) -> tuple[Product, Workshop]:
        other = Product(database_url, tmp_path)
        other.clock.advance(seconds=(running.clock.now() - other.clock.now()).total_seconds())
        made.append((other, Workshop(other)))
        return made[-1]

    yield begin
    for other, workshop in made:
        workshop.deliveries.close()
        other.close()


@pytest.fixture
def live(database_url: str, tmp_path: Path) -> Iterator[Product]:
    yield from opened(database_url, tmp_path, send_mode="live")


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver() as running:
        yield running


@pytest.fixture
def local() -> Iterator[Sending]:
    with deliveries("127.0.0.1") as opened:
        yield opened

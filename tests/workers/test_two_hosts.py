"""Two hosts that share a database, a broker and the secret, and nothing else: both work on one job, and one dies."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.demo.receivers import Answer, HttpReceiver, Received
from engine.failpoints import FILE
from engine.signing import Signing
from projections.run_rows import audit
from tests.support.crew import MODULES, crew
from tests.support.fleet import SECRET
from tests.support.product import Product
from tests.support.wait import until
from workers.sending import FLUSH

PEOPLE = 200
SHARED = {
    "secret_key": SECRET,
    "send_mode": "live",
    "outbound_allow": "127.0.0.0/8",
    "chunk_size": 2 * FLUSH,
    "worker_threads": 1,
    "sweep_seconds": 0.2,
}


@pytest.fixture
def product(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Product]:
    built = Product(database_url, tmp_path / "desk", redis_url, **{**SHARED, "outbound_allow": ("127.0.0.0/8",)})
    built.add_people(PEOPLE)
    yield built
    built.close()


def sending(product: Product) -> list[int]:
    """The chunks that somebody holds to send."""
    return [row[0] for row in product.execute("SELECT number FROM chunks WHERE state = 'sending' ORDER BY number")]


def open_chunks(product: Product) -> list[int]:
    return [row[0] for row in product.execute("SELECT number FROM chunks WHERE state <> 'done' ORDER BY number")]


def reached(home: Path, place: str) -> bool:
    """Whether a process of this host has come to a failpoint."""
    noted = home / FILE
    return noted.exists() and any(line.startswith(f"{place} ") for line in noted.read_text().splitlines())


def test_two_hosts_share_a_job_and_one_dies(
    product: Product, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    opened = threading.Event()

    def keep_waiting(_: Received) -> Answer:
        opened.wait(60)
        return Answer()

    signing = Signing.from_settings(product.system.settings, product.system.secrets)
    with (
        HttpReceiver(signing.secret(product.project_id), keep_waiting) as receiver,
        crew(database_url, redis_url, tmp_path / "desk", **SHARED) as desk,
        # The one that dies does so at the worst place: the world has answered, and nothing of it is stored.
        crew(database_url, redis_url, first, **SHARED, failpoints="answered=kill@1") as doomed,
        crew(database_url, redis_url, second, **SHARED, failpoints="watch") as survivors,
    ):
        for role in ("projector", "scheduler"):
            desk.start(role)
        config = {"url": f"{receiver.url}/hook"}
        job_id = product.run(
            product.workflow(steps=[{"id": "call", "name": "Call", "type": "webhook", "config": config}])
        )

        victim = doomed.start("worker")
        until(lambda: reached(first, "attempt_stored"), seconds=60, what="the first host sends")
        (left_behind,) = sending(product)
        survivors.start("worker")
        until(lambda: reached(second, "attempt_stored"), seconds=60, what="the second host sends")
        assert len(sending(product)) == 2

        opened.set()
        assert victim.wait(60) != 0
        until(lambda: open_chunks(product) == [left_behind], seconds=60, what="the second host does all the rest")
        # A host that says nothing keeps its chunk for a minute; that minute is over.
        product.execute("UPDATE chunks SET leased_until = now() WHERE number = :number", number=left_behind)
        until(lambda: product.job(job_id)["status"] == "completed", seconds=60, what="completion")

        book = receiver.book
        assert (product.job(job_id)["delivered"], audit(product.system.engine, job_id)["delivered"]) == (PEOPLE, PEOPLE)
        assert (book.distinct, book.forged) == (PEOPLE, 0)
        # What the first host had sent and not recorded went out again, under the same keys.
        assert book.duplicates >= 1
        # Neither has made itself a secret of its own, or anything else that the other one would need.
        assert [sorted(path.name for path in home.iterdir()) for home in (first, second)] == [[FILE], [FILE]]


@pytest.mark.parametrize("role", MODULES)
@pytest.mark.usefixtures("product")
def test_a_host_with_another_secret_is_turned_away(
    role: str, database_url: str, redis_url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with crew(database_url, redis_url, tmp_path / "stranger", http_port=0) as strangers:
        assert strangers.start(role).wait(60) == 1
    assert "Set TIDEGATE_SECRET_KEY" in capfd.readouterr().err

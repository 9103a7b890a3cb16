"""The command line in this process, against a real server in a thread and a real database."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from aggregates.batch_job.aggregate import BatchJob
from aggregates.batch_job.standing import COUNTS
from engine.cli.app import run
from engine.store import Store
from tests.support.product import Product
from tests.support.serving import following, serving
from tests.support.terminal import at_terminal

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def rows(self) -> list[list[str]]:
        """What was printed in a pipe, as cells."""
        return [line.split("\t") for line in self.out.splitlines()]


Tidegate = Callable[..., Said]


@pytest.fixture
def tidegate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Tidegate:
    """Runs a command line in a directory of its own; its output is a pipe."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Said:
        capfd.readouterr()
        code = run(arguments)
        out, err = capfd.readouterr()
        return Said(code, out, err)

    return call


@pytest.fixture
def product(database_url: str, tmp_path: Path) -> Iterator[Product]:
    made = Product(database_url, tmp_path / "product")
    with closing(made), following(made.system):
        yield made


@pytest.fixture
def server(product: Product, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a server over the product; the environment names it and its owner key."""
    with serving(product.system) as url:
        monkeypatch.setenv("TIDEGATE_URL", url)
        monkeypatch.setenv("TIDEGATE_API_KEY", str(product.owner_key))
        yield url


def end_job(product: Product, job_id: str, **counts: int) -> None:
    """Let a job come to its end with these counts, as its workers would say it."""
    system = product.system
    with system.engine.begin() as connection:
        store = Store(connection, system.recorder)
        meta = system.meta(product.principal(), via="test")
        job = store.load(BatchJob, UUID(job_id), meta)
        job.enrol(enrolled=job.acknowledged_count, chunks=1, fingerprint=job.fingerprint, meta=meta)
        job.complete(dict.fromkeys(COUNTS, 0) | counts, meta=meta)
        store.save(job)
    product.catch_up()


def on_terminal(*arguments: str, env: Mapping[str, str], typed: str = "") -> tuple[int, str]:
    """The exit code of a command line on a terminal of its own, and all that the terminal shows."""
    return at_terminal("-m", "engine.cli", *arguments, env=env, typed=typed)

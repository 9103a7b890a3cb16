"""The example agent against a real installation: it reaches whom a human confirmed, and nobody otherwise."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest

from commands.grants import SCOPES
from commands.keys import CreateKey
from engine.embedded import Services
from engine.settings import child_environment
from tests.support.brokers import emptied
from tests.support.crew import crew
from tests.support.databases import Databases
from tests.support.processes import ROOT
from tests.support.product import Product
from tests.support.terminal import at_terminal
from tests.support.wait import until

EXAMPLE = str(ROOT / "examples" / "agent.py")
PRO, TEAM, GONE = 12, 5, 3
REACHED = PRO + TEAM


@dataclass(frozen=True)
class Installation:
    """A product with processes at work, and how the example is told of it."""

    product: Product
    environment: dict[str, str]

    def agent(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The example as a script runs it: nobody is there to be asked."""
        return subprocess.run(
            [sys.executable, EXAMPLE, *arguments],
            env=child_environment(**self.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    @property
    def jobs(self) -> int:
        return int(self.product.execute("SELECT count(*) FROM stream_heads WHERE kind = 'batch_job'")[0][0])


@pytest.fixture(scope="module")
def installation(
    databases: Databases, services: Services, worker_id: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """One for all of these tests: each of them sees how many jobs there were before."""
    database_url, tmp_path = databases.create(), tmp_path_factory.mktemp("installation")
    redis_url = emptied(services.redis_url, worker_id)
    with closing(Product(database_url, tmp_path, redis_url)) as product:
        product.add_people(PRO, properties={"plan": "pro"})
        product.add_people(1, distinct_id="free", email="free@example.com", properties={"plan": "free"})
        for number, left in ((TEAM, None), (GONE, product.clock.now())):
            for n in range(number):
                name = f"{'gone' if left else 'team'}{n}"
                product.add_people(
                    1,
                    distinct_id=name,
                    email=f"{name}@example.com",
                    properties={"plan": "team"},
                    opted_out_at=left,
                )
        scopes = tuple(sorted(SCOPES - {"batch:approve", "key:admin"}))
        key = product.ask(CreateKey(name="example", scopes=scopes, agent=True))["key"]
        with crew(database_url, redis_url, tmp_path, http_port=0) as members:
            for role in ("server", "projector", "scheduler", "worker"):
                members.start(role)
            until((tmp_path / "url").exists, seconds=60, what="the address")
            url = (tmp_path / "url").read_text().strip()
            yield Installation(product, {"TIDEGATE_URL": url, "TIDEGATE_API_KEY": key})
    databases.drop(database_url)


def test_the_example_reaches_exactly_whom_a_human_confirmed_and_says_who_got_it(installation: Installation) -> None:
    before = installation.jobs
    wrong = installation.agent("--yes", str(REACHED + 1))
    assert (wrong.returncode, installation.jobs) == (5, before), wrong.stderr
    nobody = installation.agent()
    assert (nobody.returncode, installation.jobs) == (2, before)
    assert "nobody to ask" in nobody.stderr

    right = installation.agent("--yes", str(REACHED))
    assert (right.returncode, installation.jobs) == (0, before + 1), right.stdout + right.stderr
    assert f"{REACHED + GONE} people match; excluded: {GONE} opted_out" in right.stdout
    assert f"delivered: {REACHED}\n" in right.stdout
    assert f"enrolled {REACHED} = {REACHED} delivered\n" in right.stdout
    delivered = "SELECT count(*) FROM runs WHERE status = 'delivered'"
    assert installation.product.execute(delivered) == [(REACHED * (before + 1),)]


@pytest.mark.parametrize(("typed", "code", "jobs"), [(f"{REACHED}\n", 0, 1), ("yes\n", 5, 0)])
def test_on_a_terminal_the_example_asks_and_waits(installation: Installation, typed: str, code: int, jobs: int) -> None:
    before = installation.jobs
    ended, shown = at_terminal(EXAMPLE, env=installation.environment, typed=typed, seconds=90)
    assert (ended, installation.jobs - before) == (code, jobs), shown
    assert f"Type {REACHED} to reach them" in shown

"""A step type in a package of its own: built and installed with pip, found by real processes, and run through."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from engine.settings import child_environment
from tests.support.crew import Crew
from tests.support.distributions import STEP, distribution
from tests.support.processes import ROOT
from tests.support.product import Product
from tests.support.wait import until

PEOPLE = 20
PACKAGE = ROOT / "examples" / "step_package"
EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pip has put the package, built from its source without any network."""
    source, target = tmp_path_factory.mktemp("package") / "source", tmp_path_factory.mktemp("site")
    shutil.copytree(PACKAGE, source)
    offline = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--no-index")
    argv = [sys.executable, "-m", "pip", "install", *offline, "--target", str(target), str(source)]
    subprocess.run(argv, check=True, timeout=120)
    return target


@dataclass(frozen=True)
class Server:
    """A whole installation of processes that all see the package."""

    url: str
    key: str

    def ask(self, method: str, path: str, **request: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx2.request(method, f"{self.url}/api/v1{path}", headers=headers, timeout=30, **request)

    def done(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        answer = self.ask(method, path, **request)
        assert answer.is_success, answer.text
        return dict(answer.json())

    def run(self, config: dict[str, Any]) -> str:
        """The id of a job that takes everybody through the step and then through another."""
        content = {
            "name": "Follow up",
            "trigger": {"type": "batch", "filters": {"properties": []}},
            "steps": [
                {"id": "rest", "type": "business_days", "config": config},
                {"id": "note", "type": "capture", "config": {"message": "Hello"}},
            ],
            "edges": [{"from": "rest", "to": "note"}],
        }
        workflow = self.done("POST", "/workflows", json=content)["workflow_id"]
        self.done("POST", f"/workflows/{workflow}/activate")
        sizing = self.done("POST", f"/workflows/{workflow}/blast-radius")
        body = {"acknowledged_affected_count": sizing["affected"], "confirm_token": sizing["confirm_token"]}
        return str(self.done("POST", f"/workflows/{workflow}/run-batch", json=body)["batch_job_id"])


@pytest.fixture
def server(site: Path, database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Server]:
    with closing(Product(database_url, tmp_path, redis_url)) as product:
        product.add_people(PEOPLE)
        key = str(product.owner_key)
    members = Crew(
        {
            "PYTHONPATH": str(site),
            "TIDEGATE_DATABASE_URL": database_url,
            "TIDEGATE_REDIS_URL": redis_url,
            "TIDEGATE_DATA_DIR": str(tmp_path),
            "TIDEGATE_HTTP_PORT": "0",
            "TIDEGATE_LOG_LEVEL": "warning",
        }
    )
    try:
        for role in ("server", "projector", "scheduler", "worker"):
            members.start(role)
        until((tmp_path / "url").exists, seconds=60, what="the address")
        yield Server((tmp_path / "url").read_text().strip(), key)
    finally:
        members.close()


def test_the_package_is_in_the_catalogue_is_accepted_and_takes_people_through(server: Server) -> None:
    listed = {row["id"]: row for row in server.done("GET", "/components")["data"]}
    assert listed["business_days"]["distribution"] == "tidegate-business-days 0.1.0"
    assert len(listed) > 10
    step = {"id": "rest", "type": "business_days", "config": {"days": -1, "holidays": ["2026-02-30"]}}
    refused = server.ask("POST", "/workflows", json={"name": "W", "steps": [step]}).json()
    found = {(error["pointer"], error["code"]) for error in refused["errors"]}
    assert found >= {
        ("/steps/0/config/days", "config.invalid"),
        ("/steps/0/config/holidays/0", "business_days.holiday_invalid"),
    }

    passing = server.run({"days": 0, "workdays": EVERY_DAY})
    waiting = server.run({"days": 3, "workdays": EVERY_DAY})
    until(lambda: _job(server, passing)["delivered"] == PEOPLE, seconds=60, what="everybody is through")
    until(lambda: _job(server, waiting)["waiting"] == PEOPLE, seconds=60, what="everybody waits")
    assert _job(server, passing)["status"] == "completed"
    runs = server.done("GET", f"/batch-jobs/{waiting}/runs", params={"limit": PEOPLE})["data"]
    in_three_days = datetime.now(UTC) + timedelta(days=3)  # noqa: TID251  # the workers' clock is the real one
    assert {run["at_step"] for run in runs} == {"note"}
    for run in runs:
        assert abs(datetime.fromisoformat(run["wake_at"]) - in_three_days) < timedelta(minutes=10)


def _job(server: Server, id: str) -> dict[str, Any]:
    return server.done("GET", f"/batch-jobs/{id}")


NOT_THERE = ("import no_such_module", ["acme-ping 1.2", "No module named 'no_such_module'"])
TAKEN = (STEP.format(id="business_days"), ["acme-ping 1.2", "tidegate-business-days 0.1.0", "'business_days'"])


@pytest.mark.parametrize(
    ("process", "code", "named"),
    [(("mcp_adapter",), *NOT_THERE), (("workers", "worker"), *TAKEN), (("engine.cli", "migrate"), *TAKEN)],
    ids=["server", "worker", "migrate"],
)
def test_no_process_starts_with_a_package_that_cannot_be_used(
    site: Path, tmp_path: Path, process: tuple[str, ...], code: str, named: list[str]
) -> None:
    distribution(tmp_path, "acme-ping", code)
    environment = child_environment(
        PYTHONPATH=f"{site}:{tmp_path}",
        TIDEGATE_DATABASE_URL="postgresql+psycopg://nobody@127.0.0.1:9/none",
        TIDEGATE_REDIS_URL="redis://127.0.0.1:9",
        TIDEGATE_DATA_DIR=str(tmp_path / "data"),
        TIDEGATE_HTTP_PORT="0",
    )
    argv = [sys.executable, "-m", *process]
    ended = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert all(name in ended.stderr for name in named), ended.stderr
    assert "Traceback" not in ended.stderr

"""`tidegate up`, as a stranger meets it: one command, an agent that connects, a broadcast, and nothing left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from engine.settings import child_environment
from tests.support.agents import Agent
from tests.support.installation import READING, Installation, installed
from tests.support.processes import ROOT, living_in

PEOPLE = 200


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    data_dir = tmp_path_factory.mktemp("up") / "data"
    with installed(data_dir) as installation:
        yield installation
    assert living_in(data_dir) == []


@pytest.fixture(scope="module")
def people(installation: Installation) -> None:
    installation.people(PEOPLE)


CONTENT: dict[str, Any] = {
    "name": "Launch",
    "trigger": {
        "type": "batch",
        "filters": {"properties": [{"type": "person", "key": "plan", "operator": "exact", "value": "pro"}]},
    },
    "steps": [{"id": "note", "name": "Note", "type": "capture", "config": {"message": "Hello"}}],
}


def jobs(agent: Agent, workflow_id: str) -> list[Any]:
    return list(agent.call("workflows-list-batch-jobs", workflow_id=workflow_id)["batch_jobs"])


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_an_agent_sizes_asks_runs_and_watches(installation: Installation, mode: str) -> None:
    agent = installation.agent(mode=mode)
    workflow_id = agent.call("workflows-create", **CONTENT)["workflow_id"]
    draft = {"workflow_id": workflow_id, "acknowledged_affected_count": PEOPLE // 2}
    assert agent.refusal("workflows-run-batch", **draft)["code"] == "workflow.not_active"
    agent.call("workflows-enable", workflow_id=workflow_id)
    sizing = agent.call("workflows-blast-radius", workflow_id=workflow_id)
    assert sizing["affected"] == PEOPLE // 2
    order = {**draft, "confirm_token": sizing["confirm_token"]}
    refused = agent.refusal("workflows-run-batch", **{**order, "acknowledged_affected_count": 1})
    assert refused["code"] == "audience.drift"
    blind = installation.agent(mode=mode, scopes=READING)
    assert blind.refusal("workflows-run-batch", **order)["code"] == "scope.missing"
    assert jobs(agent, workflow_id) == []
    job_id = agent.call("workflows-run-batch", **order)["batch_job_id"]
    other = agent.call("workflows-create", **CONTENT)["workflow_id"]
    agent.call("workflows-enable", workflow_id=other)
    assert agent.refusal("workflows-run-batch", **{**order, "workflow_id": other})["code"] == "confirm.used"
    assert jobs(agent, other) == []
    job = agent.call("batch-jobs-get", batch_job_id=job_id, wait_seconds=25)
    assert (job["status"], job["enrolled"], job["counts"]["delivered"]) == ("completed", PEOPLE // 2, PEOPLE // 2)
    assert len(jobs(agent, workflow_id)) == 1


def test_a_second_start_on_the_same_data_is_refused_and_harms_nothing(installation: Installation) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "engine.cli", "up", "--port", "0"],
        cwd=ROOT,
        env=child_environment(TIDEGATE_DATA_DIR=str(installation.data_dir)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode not in {0, -signal.SIGKILL}
    assert str(installation.data_dir) in second.stderr
    assert httpx2.get(f"{installation.url}/health/ready", timeout=30).status_code == 200


def test_what_must_stay_secret_is_readable_by_its_owner_only(installation: Installation) -> None:
    for name in ("owner-key", "secret"):
        assert (installation.data_dir / name).stat().st_mode & 0o077 == 0

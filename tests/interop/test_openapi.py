"""Schemathesis against the running server's whole OpenAPI document, with the keys of two projects.

`make interop ARGS="--http-seed=7 --cases=20"` runs another seed and more; `make nightly` does so.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from commands.grants import SCOPES
from tests.interop.conftest import HERE, Bench
from tests.support.installation import Installation
from tests.support.wait import until

pytestmark = pytest.mark.interop

STEP = {"id": "note", "name": "Note", "type": "capture", "config": {"message": "Hello"}}
BATCH = {"name": "Batch", "trigger": {"type": "batch", "filters": {"properties": []}}, "steps": [STEP]}
MANUAL = {"name": "Manual", "trigger": {"type": "manual"}, "steps": [STEP]}
RULE = {"rrule": "FREQ=DAILY;BYHOUR=9", "starts_at": "2027-01-01T09:00:00", "timezone": "Europe/Berlin"}

# 422 is how the guards refuse, whatever the form; `openapi_hooks` tells these refusals from those of the form.
ACCEPTED = ["2xx", "401", "403", "404", "409", "422", "429", "503"]

CONFIG = """\
hooks = "{hooks}"
continue-on-failure = true

[auth.wfc]
path = "{keys}"
peers = ["ann", "ben"]

[checks.positive_data_acceptance]
expected-statuses = {accepted}
"""


@pytest.fixture(scope="module")
def keys(installation: Installation) -> list[dict[str, Any]]:
    """Who asks, in this order: somebody who may do everything but with keys, somebody who may, and a stranger.

    Whoever may revoke keys would sooner or later revoke their own, so that one has a project to themselves.
    """
    owner = installation.project("ann")
    made = {"name": "ann", "scopes": sorted(SCOPES - {"key:admin"})}
    ann = installation.post("keys", key=owner, json=made)["key"]
    found = {"ann": ann, "key-keeper": installation.project("key-keeper"), "ben": installation.project("ben")}
    for name in ("ann", "ben"):
        furnish(installation, found[name])
    return [
        {"name": name, "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {key}"}]}
        for name, key in found.items()
    ]


def furnish(installation: Installation, key: str) -> None:
    """Something of everything: people, a cohort, workflows that run and one with a schedule, a job, a run."""

    def post(path: str, **body: Any) -> dict[str, Any]:
        return installation.post(path, key=key, json=body)

    installation.people(10, key=key)
    post("cohorts", name="Some", kind="static", members=["p1", "p2"])
    post("workflows", **{**BATCH, "name": "Draft"})
    batch, manual = (post("workflows", **content)["workflow_id"] for content in (BATCH, MANUAL))
    for workflow_id in (batch, manual):
        post(f"workflows/{workflow_id}/activate")
    post(f"workflows/{manual}/run")
    sized = post(f"workflows/{batch}/blast-radius")
    yes = {"acknowledged_affected_count": sized["affected"]}
    post(f"workflows/{batch}/schedules", **RULE, **yes)
    job = post(f"workflows/{batch}/run-batch", **yes)
    path = f"batch-jobs/{job['batch_job_id']}?min_position={job['position']}"
    until(lambda: installation.get(path, key=key)["status"] == "completed", seconds=60)


def test_the_server_is_what_its_document_says(
    bench: Bench,
    installation: Installation,
    keys: list[dict[str, Any]],
    tmp_path: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wfc, config = tmp_path / "keys.json", tmp_path / "schemathesis.toml"
    wfc.write_text(json.dumps({"auth": keys}))
    config.write_text(CONFIG.format(hooks=HERE / "openapi_hooks.py", keys=wfc, accepted=json.dumps(ACCEPTED)))
    seed, cases = (str(request.config.getoption(name)) for name in ("--http-seed", "--cases"))
    ran = bench.run(
        "st",
        *("--config-file", str(config), "run", f"{installation.url}/openapi.json", "--checks", "all"),
        *("--phases", "examples,coverage,fuzzing,stateful", "--seed", seed, "--max-examples", cases),
        cwd=tmp_path,
        seconds=3600,
    )
    with capsys.disabled():
        sys.stdout.write(f"\n{summary(ran.stdout)}\n")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    generated = re.search(r"(\d+) generated", ran.stdout)
    assert generated and int(generated[1]) >= request.config.getoption("--least")


def summary(said: str) -> str:
    """The version, the seed, and what was counted."""
    return "\n".join([said.partition("\n")[0], *said.rpartition("= SUMMARY =")[2].splitlines()[1:]])

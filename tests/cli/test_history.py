"""`tidegate log` and `tidegate replay` against a real server and a real database."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from commands.workflow import DisableWorkflow
from engine.settings import child_environment
from tests.cli.conftest import ROOT, Tidegate
from tests.support.product import Product

pytestmark = pytest.mark.usefixtures("server")


def test_the_log_is_shown_newest_first_with_what_was_refused(tidegate: Tidegate, product: Product) -> None:
    workflow_id = product.workflow()
    assert tidegate("batch", "run", str(workflow_id), "--confirm", "1").code != 0
    said = tidegate("log", "show", "--stream", str(workflow_id))
    assert [row[2] for row in said.rows] == ["call.refused.v1", "workflow.activated.v1", "workflow.created.v1"]
    assert {row[3] for row in said.rows} == {str(workflow_id)}
    (refused,) = tidegate("log", "show", "--refused", "--json").json["data"]
    assert (refused["data"]["name"], refused["data"]["subject_id"]) == ("RunBatch", str(workflow_id))
    assert refused["client"] == "tidegate-cli"
    onwards = tidegate("log", "show", "--from", "1", "--limit", "2")
    assert [row[0] for row in onwards.rows] == ["1", "2"]


def test_one_event_is_shown_whole(tidegate: Tidegate, product: Product) -> None:
    product.empty_log()
    product.workflow(active=False)
    shown = dict(tidegate("log", "show", "1").rows)
    assert shown["topic"] == "workflow.created.v1"
    assert json.loads(shown["data"])["name"] == "Launch"
    missing = tidegate("log", "show", "7")
    assert missing.code == 3
    assert "event.not_found" in missing.err


@contextmanager
def tailing(server: str, product: Product, *options: str) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-m", "engine.cli", "log", "tail", "--json", *options]
    environment = child_environment(TIDEGATE_URL=server, TIDEGATE_API_KEY=str(product.owner_key))
    process = subprocess.Popen(
        argv, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_tail_shows_what_comes_and_ends_when_it_is_interrupted(server: str, product: Product) -> None:
    product.workflow()
    with tailing(server, product, "--topic", "workflow.dis") as process:
        assert process.stderr is not None and process.stdout is not None
        assert "Ctrl-C" in process.stderr.readline()  # it has seen the end of the log
        for _ in range(2):
            product.ask(DisableWorkflow(product.workflow()))
            row = json.loads(process.stdout.readline())
            assert (row["topic"], row["position"]) == ("workflow.disabled.v1", product.log_position())
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
        assert process.stdout.read() == ""


def test_a_state_is_shown_as_it_was_and_compared(tidegate: Tidegate, product: Product) -> None:
    workflow_id = str(product.workflow())
    began = str(product.log_position() - 1)
    assert dict(tidegate("replay", "state-at", workflow_id).rows)["status"] == "active"
    then = tidegate("replay", "state-at", workflow_id, "--position", began, "--json").json
    assert (then["version"], then["state"]["status"]) == (1, "draft")
    assert tidegate("replay", "state-at", workflow_id, "--time", then["recorded_at"], "--json").json == then
    changes = tidegate("replay", "diff", workflow_id, "--from", began).rows
    assert ["/status", "draft", "active"] in changes
    assert tidegate("replay", "state-at", workflow_id, "--time", "2020-01-01T00:00:00Z").code == 3


def test_a_check_is_quiet_when_everything_folds_and_names_what_does_not(
    tidegate: Tidegate, product: Product, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = product.system.settings
    monkeypatch.setenv("TIDEGATE_DATABASE_URL", str(settings.database_url))
    monkeypatch.setenv("TIDEGATE_DATA_DIR", str(settings.data_dir.absolute()))
    workflow_id = product.workflow()
    said = tidegate("replay", "check")
    assert (said.code, said.out) == (0, "")
    assert "3 streams of 4 events; 0 do not fold" in said.err  # the project and its owner key among them
    product.execute("UPDATE stream_heads SET status = 'archived' WHERE kind = 'workflow'")
    wrong = tidegate("replay", "check")
    assert (wrong.code, wrong.rows) == (1, [[str(workflow_id), "workflow", "status", "archived", "active"]])
    found = tidegate("replay", "check", "--json").json
    assert (found["streams"], found["events"], [row["field"] for row in found["mismatches"]]) == (3, 4, ["status"])

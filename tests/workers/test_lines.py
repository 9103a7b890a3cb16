"""What an operator reads in the logs of workers, projector and scheduler: every occurrence, and of no single person."""

from __future__ import annotations

import io
import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from commands.batch_job import CancelBatchJob, PauseBatchJob
from engine.cli.tree import environment_of
from engine.demo.receivers import Answer, HttpReceiver
from engine.logs import configure, connected_to
from engine.settings import load_settings
from projections.runner import Runner
from tests.support.product import CAPTURE, Json, Product
from tests.support.walks import step
from tests.workers.conftest import Workshop
from workers.delivery.places import Place
from workers.lines import LINES
from workers.reactions import Reactions
from workers.telling import EVERY_SECONDS, Telling

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "logs.md").read_text(encoding="utf-8")


@pytest.fixture
def product(live: Product) -> Product:
    return live


@pytest.fixture
def away() -> Iterator[HttpReceiver]:
    with HttpReceiver(respond=lambda _: Answer(500)) as receiver:
        yield receiver


def lines(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records if record.getMessage() == event]


def test_people_whose_sends_fail_alike_are_one_line_with_their_number_and_nobody_is_named(
    product: Product, workshop: Workshop, away: HttpReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    product.add_people(60)
    job_id = product.run(product.workflow(steps=[step("call", "webhook", {"url": away.url, "max_attempts": 1})]))
    with caplog.at_level(logging.INFO):
        assert workshop.advance(job_id)["failed"] == 60
        workshop.sender.telling.write(at_once=True)
    said = lines(caplog, "step.failed")
    assert len(said) == 2 and sum(line["count"] for line in said) == 60
    facts = {name: said[0][name] for name in ("job_id", "project_id", "step_id", "reason", "host", "then", "levelname")}
    about = {"job_id": str(job_id), "project_id": str(product.project_id), "step_id": "call", "levelname": "WARNING"}
    assert facts == {**about, "reason": "http.500", "host": "127.0.0.1", "then": "failed"}
    assert "example.com" not in caplog.text and "p60" not in caplog.text


def test_what_goes_on_is_said_once_a_minute(product: Product, caplog: pytest.LogCaptureFixture) -> None:
    telling, place = Telling(product.system), Place("webhook", "a.example")
    product.clock.stop()
    for _ in range(3):
        for _ in range(5):
            telling.rests(place, "silent", 60.0)
        telling.write()
        product.clock.advance(seconds=EVERY_SECONDS)
    telling.write()
    said = lines(caplog, "destination.rests")
    assert sum(line["count"] for line in said) == 15 and len(said) <= 4
    assert {line["host"] for line in said} == {"a.example"}


def test_a_destination_that_goes_to_rest_is_named_once(
    product: Product, workshop: Workshop, caplog: pytest.LogCaptureFixture
) -> None:
    product.add_people(1)
    with HttpReceiver(respond=lambda _: Answer(429)) as busy:
        workshop.advance(product.run(product.workflow(steps=[step("call", "webhook", {"url": busy.url})])))
    (said,) = lines(caplog, "destination.rests")
    assert (said["channel"], said["host"], said["why"], said["count"]) == ("webhook", "127.0.0.1", "later", 1)


def told(product: Product, workshop: Workshop) -> None:
    reactions = Runner(product.system.engine, [Reactions(workshop.bells, 1)])  # type: ignore[arg-type]
    reactions.register()
    reactions.catch_up()


def test_what_was_decided_about_a_job_is_a_line_with_its_place_in_the_log(
    product: Product, workshop: Workshop, caplog: pytest.LogCaptureFixture
) -> None:
    product.add_people(3)
    ended = product.run(product.workflow(steps=[CAPTURE]))
    workshop.advance(ended)
    stopped = product.run(product.workflow(steps=[CAPTURE]))
    product.ask(PauseBatchJob(stopped, "Ann Miller does not want it"))
    product.ask(CancelBatchJob(stopped, "Ann Miller does not want it"))
    with caplog.at_level(logging.INFO):
        told(product, workshop)
        told(product, workshop)
    names = {
        job: [r.getMessage() for r in caplog.records if getattr(r, "job_id", "") == str(job)]
        for job in (ended, stopped)
    }
    assert names[ended] == ["job.requested", "job.begun", "job.completed"]
    assert names[stopped][:3] == ["job.requested", "job.paused", "job.cancelling"]
    (line,) = lines(caplog, "job.completed")
    assert (line["counts"]["delivered"], line["failures"], line["levelname"]) == (3, False, "INFO")
    assert 0 < line["position"] <= product.log_position()
    assert "Ann" not in str([vars(record) for record in caplog.records])


def test_a_line_is_json_with_its_fields_whatever_thread_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "postgresql://user:secret@db.example:5433/tidegate"
    settings = load_settings(
        data_dir=tmp_path, directory=tmp_path, log_format="json", database_url=url, redis_url="redis://:pw@mq.example/0"
    )
    written, root = io.StringIO(), logging.getLogger()
    before, level = root.handlers, root.level
    monkeypatch.setattr("sys.stderr", written)
    try:
        configure(settings, process="worker")
        logging.getLogger("workers").info("process.ready", extra=connected_to(settings))
    finally:
        root.handlers = before
        root.setLevel(level)
    line: Json = json.loads(written.getvalue())
    assert (line["event"], line["process"], line["level"]) == ("process.ready", "worker", "info")
    assert (line["database"], line["broker"]) == ("db.example:5433/tidegate", "mq.example/0")
    assert "secret" not in written.getvalue() and "pw" not in written.getvalue()


def test_every_line_is_documented() -> None:
    named = {name for name, _ in LINES.values()} | {"process.ready", "process.stopped", "step.failed"}
    named |= {"destination.rests", "job.tripped"}
    rows = [row for row in PAGE.splitlines() if row.startswith("| `")]
    assert named == {name for row in rows for name in re.findall(r"`([a-z]+\.[a-z]+)`", row.split("|")[1])}
    for name, fields in LINES.values():
        row = next(row for row in rows if f"`{name}`" in row.split("|")[1])
        assert {field for field in fields if f"`{field}`" not in row} == set()


def test_a_process_says_that_it_is_ready_with_what_and_that_it_has_stopped(product: Product, redis_url: str) -> None:
    settings = product.system.settings.model_copy(update={"redis_url": redis_url, "log_format": "json"})
    argv = [sys.executable, "-P", "-m", "workers", "worker"]
    process = subprocess.Popen(argv, cwd=ROOT, env=environment_of(settings), stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        first: Json = json.loads(process.stderr.readline())
        process.terminate()
        rest = [json.loads(line)["event"] for line in process.stderr]
    finally:
        process.kill()
        process.communicate()
    assert (first["event"], first["process"], first["pid"]) == ("process.ready", "worker", process.pid)
    assert first["database"] and first["broker"] and rest[-1] == "process.stopped"

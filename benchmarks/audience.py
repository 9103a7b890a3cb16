"""Sizing and run-batch over HTTP among very many people."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx2

from benchmarks.result import Line, percentile, spread
from benchmarks.stack import Stack

TIMES = 30
PART = 5_000


def large(running: Stack, people: int) -> Iterator[Line]:
    headers = {"Authorization": f"Bearer {running.key}"}
    with httpx2.Client(base_url=f"{running.url}/api/v1", headers=headers, trust_env=False, timeout=60) as client:
        yield _run_batch(running, client, people)
        yield _sizing(running, client, people)


def _run_batch(running: Stack, client: httpx2.Client, people: int) -> Line:
    workflow = running.workflow([{"type": "person", "key": "part", "operator": "exact", "value": 3}])
    seconds = []
    for _ in range(TIMES):
        sizing = _answer(client.post(f"/workflows/{workflow}/blast-radius"))
        body = {"acknowledged_affected_count": sizing["affected"], "confirm_token": sizing["confirm_token"]}
        started = time.perf_counter()
        job = _answer(client.post(f"/workflows/{workflow}/run-batch", json=body))
        seconds.append(time.perf_counter() - started)
        running.wait_for(UUID(job["batch_job_id"]), "completed")
    assert sizing["affected"] == min(PART, people), sizing
    milliseconds = [1000 * each for each in seconds]
    return Line(
        f"run-batch answer, {sizing['affected']:,} of {people:,} by an indexed exact, p95",
        percentile(milliseconds, 0.95),
        "ms",
        100,
        note=spread(milliseconds),
    )


def _sizing(running: Stack, client: httpx2.Client, people: int) -> Line:
    workflow = running.workflow([{"type": "person", "key": "n", "operator": "gt", "value": people // 2}])
    seconds = []
    for _ in range(TIMES):
        started = time.perf_counter()
        sizing = _answer(client.post(f"/workflows/{workflow}/blast-radius"))
        seconds.append(time.perf_counter() - started)
    assert sizing["affected"] == people - people // 2, sizing
    return Line(
        f"sizing without an index over {people:,}, p95", percentile(seconds, 0.95), "s", 1.5, note=spread(seconds)
    )


def _answer(response: httpx2.Response) -> dict[str, Any]:
    assert response.is_success, response.text
    return dict(response.json())

"""Seconds from asking for a cancel until the job is `cancelled`: then no chunk is at work and none begins."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.result import Line
from benchmarks.stack import Stack
from commands.batch_job import CancelBatchJob

SECONDS = 1.0
SHARE = 0.1


def large(running: Stack, people: int) -> Iterator[Line]:
    job_id = running.begin(running.workflow())
    running.until(lambda: running.delivered(job_id) >= people * SHARE, "a tenth delivered", 120)
    started = time.perf_counter()
    running.ask(CancelBatchJob(job_id, reason="measured"))
    answered = time.perf_counter() - started
    running.until(lambda: running.scalar(_HEAD, id=job_id) == "cancelled", "cancelled", 60)
    seconds = time.perf_counter() - started
    reached = running.delivered(job_id)
    yield Line(
        f"cancel, N = {people:,}, until the last chunk stops",
        seconds,
        "s",
        SECONDS,
        note=f"answered after {answered * 1000:.0f} ms, {reached / people:.0%} reached",
    )


_HEAD = "SELECT status FROM stream_heads WHERE id = :id"

"""Persons per second of a capture job, from the run-batch call to `completed`; how long enrolling takes; memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from benchmarks.limits import rows_per_second
from benchmarks.processes import memory_of
from benchmarks.result import Line, number, spread
from benchmarks.stack import Stack

SMALL, ROUNDS, SPEED = 5_000, 7, 20_000
RATIO, ENROLLING_SECONDS, MEMORY_MIB = 0.4, 5.0, 300


def small(running: Stack, people: int = SMALL) -> Iterator[Line]:
    """Many jobs over the same few people."""
    workflow = running.workflow()
    rounds = [running.run(workflow) for _ in range(ROUNDS)]
    assert all(reached == people for reached, _ in rounds), rounds
    speeds = [reached / seconds for reached, seconds in rounds]
    raw = rows_per_second(running.database, people)
    yield Line(
        f"fan-out, capture, N = {people:,}",
        statistics.median(speeds),
        "persons/s",
        SPEED,
        at_least=True,
        beside=f"raw {number(raw)} rows/s",
        note=spread(speeds),
    )


def large(running: Stack, people: int) -> Iterator[Line]:
    """One job over everybody, watched; then the raw limit over as many rows."""
    with memory_of(running.names) as memory:
        started = time.perf_counter()
        job_id = running.begin(running.workflow())
        asked = time.perf_counter() - started
        enrolling = running.until(lambda: running.scalar(_HEAD, id=job_id) != "queued", "enrolled", 120)
        running.wait_for(job_id, "completed")
        seconds = time.perf_counter() - started - asked
    assert running.delivered(job_id) == people
    raw = rows_per_second(running.database, people)
    yield Line(
        f"fan-out, capture, N = {people:,}",
        people / seconds / raw,
        "of raw",
        RATIO,
        at_least=True,
        beside=f"raw {number(raw)} rows/s",
        note=f"{number(people / seconds)} persons/s, {seconds:.1f} s",
    )
    yield Line(f"enrolling {people:,} people", enrolling, "s", ENROLLING_SECONDS)
    yield Line(
        f"memory of every process, N = {people:,}", memory.largest, "MiB", MEMORY_MIB, note=f"MiB: {memory.told()}"
    )


_HEAD = "SELECT status FROM stream_heads WHERE id = :id"

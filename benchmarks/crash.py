"""Seconds from `kill -9` of one of two workers to `completed`. Nobody starts the dead one again."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from sqlalchemy import text

from benchmarks.result import Line, spread
from benchmarks.stack import Stack

SECONDS = 5.0
SHARE = 0.4
"""How many of the people have an outcome when the worker is killed."""

SIZES = {5_000: 5, 50_000: 3}


def small(running: Stack, sizes: dict[int, int] | None = None) -> Iterator[Line]:
    for people, times in (sizes or SIZES).items():
        condition = {"type": "person", "key": "n", "operator": "lte", "value": people}
        workflow = running.workflow([condition])
        seconds, done = zip(*(_once(running, workflow, people) for _ in range(times)), strict=True)
        yield Line(
            f"kill -9 of one of two workers, N = {people:,}",
            max(seconds),
            "s",
            SECONDS,
            note=f"{spread(seconds)}; killed at {statistics.median(done) / people:.0%}",
        )


def _once(running: Stack, workflow: object, people: int) -> tuple[float, int]:
    job_id = running.begin(workflow)  # type: ignore[arg-type]
    # A small job is over in a tenth of a second: the last look before the kill has to be the one that decides.
    with running.system.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        parameters = {"id": job_id, "least": people * SHARE}
        while not (done := connection.execute(_REACHED, parameters).scalar()):
            pass
    killed = running.kill("worker")
    running.wait_for(job_id, "completed", 180)
    seconds = time.perf_counter() - killed
    rows = running.scalar("SELECT count(*) FROM runs WHERE job_id = :id AND status = 'delivered'", id=job_id)
    assert rows == people, f"{people - rows} people are lost"
    running.start("worker")
    return seconds, int(done)


_REACHED = text("SELECT sum(delivered) FROM chunks WHERE job_id = :id HAVING sum(delivered) >= CAST(:least AS float8)")

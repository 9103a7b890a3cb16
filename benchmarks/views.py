"""How far the views are behind the log while people are being reached, and how fast one is built again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

from sqlalchemy import text

from benchmarks.result import Line, number, percentile, spread
from benchmarks.stack import CAPTURE, POLL_SECONDS, Stack, stack
from commands.workflow import CreateWorkflow
from projections.batch_jobs import BatchJobsView
from projections.rebuilding import rebuild

LAG_MILLISECONDS, EVENTS_A_SECOND = 200, 20_000

PEOPLE = 20_000
COMMANDS, EVERY_SECONDS = 600, 0.02

# Every event of a job again, in streams of their own, in the order in which the first ones came.
_AGAIN = """
INSERT INTO log (originator_id, originator_version, topic, state, project_id, command_id, actor, source, recorded_at)
SELECT md5(l.originator_id::text || n)::uuid, originator_version, topic, state, project_id, command_id, actor, source,
       recorded_at
FROM generate_series(1, :times) AS n, log l WHERE l.topic LIKE 'batch_job.%' ORDER BY n, notification_id
"""
_LOWEST = "SELECT min(position) FROM view_positions WHERE name <> 'reactions'"


def alone(events: int = 100_000) -> Iterator[Line]:
    with stack(max_audience=PEOPLE) as running:
        running.add_people(PEOPLE)
        running.warm()
        yield _lag(running)
        # The log that is rebuilt from is made up: nobody may take its jobs for real ones, and follow them meanwhile.
        for role in [role for role, _ in running.processes]:
            running.kill(role)
        yield _rebuild(running, events)


def _lag(running: Stack) -> Line:
    """Commands at a steady pace while one job follows the other; each until every view shows it."""
    over = threading.Event()
    load = threading.Thread(target=_load, args=(running, over))
    load.start()
    recorded: list[tuple[int, float]] = []
    shown: list[tuple[int, float]] = []
    watch = threading.Thread(target=_watch, args=(running, over, shown))
    watch.start()
    for _ in range(COMMANDS):
        answer = running.ask(CreateWorkflow(name="Lag", trigger=_EVERYONE, steps=CAPTURE))
        recorded.append((answer["position"], time.perf_counter()))
        time.sleep(EVERY_SECONDS)
    running.until(lambda: shown and shown[-1][0] >= recorded[-1][0], "the views are at the end")
    over.set()
    load.join()
    watch.join()
    lags = [1000 * lag for lag in _lags(recorded, shown)]
    return Line(
        "view lag under load, p99",
        percentile(lags, 0.99),
        "ms",
        LAG_MILLISECONDS,
        note=f"{spread(lags)}; capture jobs of {PEOPLE:,} meanwhile",
    )


_EVERYONE: dict[str, Any] = {"type": "batch", "filters": {"properties": []}}


def _load(running: Stack, over: threading.Event) -> None:
    workflow = running.workflow()
    while not over.is_set():
        running.run(workflow)


def _watch(running: Stack, over: threading.Event, shown: list[tuple[int, float]]) -> None:
    """When the slowest view reached which position."""
    with running.system.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not over.wait(POLL_SECONDS / 2):
            position = int(connection.execute(text(_LOWEST)).scalar() or 0)
            if not shown or position > shown[-1][0]:
                shown.append((position, time.perf_counter()))


def _lags(recorded: list[tuple[int, float]], shown: list[tuple[int, float]]) -> Iterator[float]:
    """Seconds from each answer until its position was shown; 0 for what was shown before it was answered."""
    place = 0
    for position, answered in recorded:
        while shown[place][0] < position:
            place += 1
        yield max(shown[place][1] - answered, 0.0)


def _rebuild(running: Stack, events: int) -> Line:
    """The log of a few real jobs, many times over."""
    there = int(running.scalar("SELECT count(*) FROM log WHERE topic LIKE 'batch_job.%'"))
    running.scalar(_AGAIN, times=max(events // there, 1))
    running.tend("log")
    folded, seconds = 0, []
    for _ in range(3):
        started = time.perf_counter()
        folded = rebuild(running.system.engine, BatchJobsView())
        seconds.append(time.perf_counter() - started)
    speeds = [folded / each for each in seconds]
    own = running.scalar("SELECT count(*) FROM log WHERE topic LIKE 'batch_job.%'")
    return Line(
        "rebuilding a view",
        percentile(speeds, 0.5),
        "events/s",
        EVENTS_A_SECOND,
        at_least=True,
        note=f"{number(folded)} events, {own / folded:.0%} of them its own; {spread(speeds)}",
    )

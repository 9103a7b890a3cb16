"""List and get over HTTP with many callers at once, each asking again as soon as it has its answer, or once a second.

The raw limit is a bare endpoint of the same framework with one SELECT, asked by the same callers in the same run.
They run on the same cores, so beside each time stands the CPU of an answer: what a busy machine blurs least.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from benchmarks.callers import Called, call
from benchmarks.result import Line, number, percentile
from benchmarks.stack import Stack, stack

MILLISECONDS = 50
WORKFLOWS = 200
REQUESTS = {50: 60, 500: 8}
AIMED = 50
EVERY_SECOND = 20
"""How often a caller asks who asks once a second."""


def alone() -> Iterator[Line]:
    with stack(("projector", "server")) as running, _bare(running) as (bare, limit):
        workflows = [running.workflow() for _ in range(WORKFLOWS)]
        running.until(lambda: running.scalar("SELECT count(*) FROM workflows") == WORKFLOWS, "all are in the view")
        server = next(pid for pid, name in running.names.items() if name.startswith("server"))
        api = f"{running.url}/api/v1/workflows"
        asked = {
            "a bare SELECT 1": (f"{limit}/one", bare, None),
            "list": (f"{api}?limit=20", server, MILLISECONDS),
            "get": (f"{api}/{workflows[-1]}", server, MILLISECONDS),
        }
        for url, _, _ in asked.values():
            _called(running, url, 10, 20)
        # What callers see who do something with an answer before they ask again; nobody asked for a bound.
        for name in ("list", "get"):
            url, pid, _ = asked[name]
            before = _cpu(pid)
            called = _called(running, url, AIMED, EVERY_SECOND, every=1)
            yield _line(f"{name} over HTTP, {AIMED} callers, each once a second, p95", called, _cpu(pid) - before)
        for callers in REQUESTS:
            for name, (url, pid, least) in asked.items():
                before = _cpu(pid)
                called = _called(running, url, callers)
                # The specification speaks of 50; the others show what a server does beyond what it can serve.
                target = least if callers == AIMED else None
                yield _line(f"{name} over HTTP, {callers} callers, p95", called, _cpu(pid) - before, target)


def _called(running: Stack, url: str, callers: int, requests: int = 0, every: float = 0) -> Called:
    return call(
        {
            "urls": [url],
            "callers": callers,
            "raw": True,
            "requests": requests or REQUESTS[callers],
            "every": every,
            "headers": {"Authorization": f"Bearer {running.key}"},
        }
    )


@contextmanager
def _bare(running: Stack) -> Iterator[tuple[int, str]]:
    """The raw limit as a process of its own: its pid and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.bare"],
        env={**os.environ, "BARE_DATABASE": running.database},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process.pid, f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait()


def _cpu(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _line(what: str, called: Called, cpu: float, least: float | None = None) -> Line:
    times = [1000 * each for each in called.of(200)] or [float("inf")]
    refused = called.others() or "every answer 200"
    each = [f"{1000 * seconds / called.answers:.1f}" for seconds in (cpu, called.cpu)]
    return Line(
        what,
        percentile(times, 0.95),
        "ms",
        least,
        beside=f"{number(called.answers / called.took)} answers/s",
        note=f"median {number(percentile(times, 0.5))} ms; {refused}; CPU an answer: server {each[0]} ms, "
        f"caller {each[1]} ms",
    )

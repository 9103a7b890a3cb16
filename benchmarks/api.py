"""List and get over HTTP with many callers at once, each asking again as soon as it has its answer."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.callers import Called, call
from benchmarks.result import Line, number, percentile
from benchmarks.stack import Stack, stack

MILLISECONDS = 50
WORKFLOWS = 200
REQUESTS = {50: 60, 500: 8}


def alone() -> Iterator[Line]:
    with stack(("projector", "server")) as running:
        workflows = [running.workflow() for _ in range(WORKFLOWS)]
        running.until(lambda: running.scalar("SELECT count(*) FROM workflows") == WORKFLOWS, "all are in the view")
        paths = {"list": "workflows?limit=20", "get": f"workflows/{workflows[-1]}"}
        _called(running, paths["get"], 10, 20)
        for callers in REQUESTS:
            for name, path in paths.items():
                yield _line(f"{name} over HTTP, {callers} callers, p95", _called(running, path, callers))


def _called(running: Stack, path: str, callers: int, requests: int = 0) -> Called:
    return call(
        {
            "urls": [f"{running.url}/api/v1/{path}"],
            "callers": callers,
            "requests": requests or REQUESTS[callers],
            "headers": {"Authorization": f"Bearer {running.key}"},
        }
    )


def _line(what: str, called: Called) -> Line:
    times = [1000 * each for each in called.of(200)] or [float("inf")]
    refused = called.others() or "every answer 200"
    return Line(
        what,
        percentile(times, 0.95),
        "ms",
        MILLISECONDS,
        beside=f"{number(called.answers / called.took)} answers/s",
        note=f"median {number(percentile(times, 0.5))} ms; {refused}",
    )

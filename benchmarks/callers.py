"""`python -m benchmarks.callers`: callers of HTTP endpoints in a process of their own, each with one request in flight.

What to do comes as JSON on standard input; what came of it goes out as JSON: seconds of each answer by status, and
the seconds that everything took.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpcore2

from benchmarks.raw_callers import UNANSWERED, call_raw


@dataclass(frozen=True)
class Called:
    """What some callers saw. `seconds` has the time of each answer by status; `none` is for no answer at all. `cpu` is
    what raw callers themselves used, in seconds."""

    took: float
    seconds: dict[str, list[float]] = field(default_factory=dict)
    cpu: float = 0

    @property
    def answers(self) -> int:
        return sum(len(times) for times in self.seconds.values())

    def of(self, status: int) -> list[float]:
        return self.seconds.get(str(status), [])

    def others(self) -> str:
        """Every status but 200, with how often it was answered."""
        found = {status: len(times) for status, times in sorted(self.seconds.items()) if status != "200"}
        return ", ".join(f"{many} answers {status}" for status, many in found.items())


def call(task: dict[str, Any], processes: int = 1) -> Called:
    """Let processes do a task at the same time: `urls`, `callers`, `requests` (each caller's), `headers`, `body`.

    With `raw` they do without an HTTP client, which would cost as much as what is measured, and may leave time between
    their requests: `every` so many seconds one is due, whether or not the last has been answered in time.
    """
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.callers"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(processes)
    ]
    for process in running:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write(json.dumps(task) + "\n")
        process.stdin.flush()
    reports = [json.loads(process.communicate()[0]) for process in running]
    seconds: dict[str, list[float]] = defaultdict(list)
    for report in reports:
        for status, times in report["seconds"].items():
            seconds[status] += times
    return Called(
        max(report["took"] for report in reports), dict(seconds), sum(report.get("cpu", 0) for report in reports)
    )


async def _call(task: dict[str, Any]) -> dict[str, Any]:
    seconds: dict[str, list[float]] = defaultdict(list)
    callers: int = task["callers"]
    headers = list(task.get("headers", {}).items())
    body = task.get("body")
    method, content = ("GET", None) if body is None else ("POST", json.dumps(body).encode())
    async with httpcore2.AsyncConnectionPool(max_connections=callers, max_keepalive_connections=callers) as pool:

        async def ask(urls: Sequence[str]) -> None:
            for place in range(task["requests"]):
                started = time.perf_counter()
                try:
                    answer = await pool.request(method, urls[place % len(urls)], headers=headers, content=content)
                    status = str(answer.status)
                except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException):
                    status = UNANSWERED
                seconds[status].append(time.perf_counter() - started)

        started = time.perf_counter()
        await asyncio.gather(*(ask(task["urls"]) for _ in range(callers)))
        return {"took": time.perf_counter() - started, "seconds": seconds}


if __name__ == "__main__":
    print("ready", flush=True)
    asked = json.loads(sys.stdin.readline())
    print(json.dumps(asyncio.run(call_raw(asked) if asked.get("raw") else _call(asked))), flush=True)

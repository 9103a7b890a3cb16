"""Webhooks a second, beside a bare loop: the same receiver, HTTP client, processes and concurrency, and nothing else.

The bare loop neither signs nor records: what the product adds is a durable attempt and outcome for each person.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from benchmarks.callers import call
from benchmarks.receiver import received, receiving
from benchmarks.result import Line, number, spread
from benchmarks.stack import Stack, stack
from engine.settings import Settings

RATIO = 0.7
ROUNDS = 3
PROCESSES = 2
LOOK_SECONDS = 0.02
CALLERS = Settings.model_fields["outbound_per_host"].default
"""Requests that one process makes to a host at a time."""

BODY = {"person": "p12345", "plan": "pro"}


def alone(people: int = 5_000) -> Iterator[Line]:
    with receiving() as url, stack(max_audience=people, send_mode="live", outbound_allow=("127.0.0.0/8",)) as running:
        running.add_people(people)
        bare, ours = [], []
        _jobs(running, url, 1)
        for _ in range(ROUNDS):  # in turn, so that both meet the same machine
            bare.append(_bare(url, people))
            ours += _jobs(running, url, 1)
        ratio = statistics.median(ours) / statistics.median(bare)
        yield Line(
            f"webhook fan-out, N = {people:,}",
            ratio,
            "of a bare loop",
            RATIO,
            at_least=True,
            beside=f"bare loop {number(statistics.median(bare))} requests/s",
            note=f"requests/s: {spread(ours)}",
        )


def _jobs(running: Stack, url: str, times: int) -> list[float]:
    body: dict[str, Any] = {"person": "{{ person.distinct_id }}", "plan": "{{ person.properties.plan }}"}
    step = {"id": "call", "name": "Call", "type": "webhook", "config": {"url": f"{url}/hook", "body": body}}
    workflow = running.workflow(steps=[step])
    speeds = []
    for _ in range(times):
        before = received(url)
        people, seconds = running.run(workflow, LOOK_SECONDS)
        assert received(url) - before == people, "not one request a person"
        speeds.append(people / seconds)
    return speeds


def _bare(url: str, people: int) -> float:
    each = people // (PROCESSES * CALLERS)
    task = {"urls": [f"{url}/hook"], "callers": CALLERS, "requests": each, "headers": {}, "body": BODY}
    called = call(task, PROCESSES)
    assert len(called.of(200)) == called.answers, called.others()
    return called.answers / called.took

"""Persons per second of a capture job, from the run-batch call to `completed`, beside the raw limit.

`python -m benchmarks.fanout [N ...]`; without arguments 5,000 and 100,000 people.
"""

from __future__ import annotations

import statistics
import sys

from benchmarks.limits import rows_per_second
from benchmarks.stack import Stack, stack

ROUNDS = {5_000: 7, 100_000: 3}
TARGETS = {5_000: "10,000 persons/s", 100_000: "0.4 of the raw limit"}


def main(sizes: list[int]) -> None:
    print(f"{'N':>9}  {'persons/s':>10} {'(min-max)':>19}  {'raw rows/s':>10}  {'ratio':>6}  target")
    for size in sizes:
        # Each size has a product of its own, so that no job sizes its audience among another's people.
        with stack(max_audience=size) as running:
            running.add_people(size)
            print(_measured(running, size))


def _measured(running: Stack, size: int) -> str:
    _warm(running)
    workflow = running.workflow([])
    rounds = [running.run(workflow) for _ in range(ROUNDS.get(size, 1))]
    assert all(people == size for people, _ in rounds), rounds
    speeds = [people / seconds for people, seconds in rounds]
    raw = rows_per_second(running.system.settings.database_url or "", size)
    median = statistics.median(speeds)
    spread = f"({min(speeds):,.0f}-{max(speeds):,.0f})"
    figures = f"{size:>9,}  {median:>10,.0f} {spread:>19}  {raw:>10,.0f}  {median / raw:>6.2f}"
    return f"{figures}  {TARGETS.get(size, '')}"


def _warm(running: Stack) -> None:
    """One small job, so that no process meets its first."""
    running.run(running.workflow([{"type": "person", "key": "n", "operator": "lte", "value": 500}]))


if __name__ == "__main__":
    main([int(word.replace(",", "")) for word in sys.argv[1:]] or list(TARGETS))

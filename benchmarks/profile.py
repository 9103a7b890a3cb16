"""`python -m benchmarks.profile [N]`: where a fan-out's time goes: CPU by process, and time by statement.

CPU is what a busy machine cannot blur, so it is what a change is judged by; statements come from pg_stat_statements.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil

from benchmarks.stack import Stack, stack
from engine.embedded import POSTGRES_SETTINGS

STATEMENTS = """
SELECT calls, total_exec_time, total_plan_time, wal_bytes, rows,
       left(regexp_replace(query, '\\s+', ' ', 'g'), 110)
FROM pg_stat_statements ORDER BY total_exec_time + total_plan_time DESC LIMIT 16
"""


def main(people: int) -> None:
    # Once so much WAL is enough, no checkpoint falls into the job.
    POSTGRES_SETTINGS.update(
        {
            "shared_preload_libraries": "pg_stat_statements",
            "pg_stat_statements.track_planning": "on",
            "max_wal_size": "8GB",
        }
    )
    with stack(max_audience=people) as running:
        running.add_people(people)
        for _ in range(3):
            running.warm()
        running.scalar("CREATE EXTENSION pg_stat_statements")
        workflow = running.workflow()
        running.scalar("SELECT pg_stat_statements_reset()")
        before = _cpu(running)
        with _spied(running):
            reached, seconds = running.run(workflow)
        after = _cpu(running)
        print(f"{reached:,} people in {seconds:.2f} s: {reached / seconds:,.0f} persons/s")
        for name, used in sorted((after - before).items(), key=lambda item: -item[1]):
            print(f"  {name:<12} {used:6.2f} s of CPU, {1e6 * used / reached:6.1f} µs a person")
        _statements(running, reached)


def _statements(running: Stack, people: int) -> None:
    print(f"{'calls':>7} {'exec ms':>9} {'plan ms':>8} {'µs/person':>9} {'WAL B/person':>12}  statement")
    with running.system.engine.connect() as connection:
        for calls, execution, planning, wal, _, query in connection.exec_driver_sql(STATEMENTS):
            each = 1000 * (execution + planning) / people
            print(f"{calls:>7} {execution:>9.0f} {planning:>8.1f} {each:>9.2f} {wal / people:>12.1f}  {query}")


def _cpu(running: Stack) -> Counter[str]:
    """Seconds of CPU so far, by kind of process."""
    used: Counter[str] = Counter()
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            name = running.names.get(process.pid, process.name()).split()[0]
            times = process.cpu_times()
            used[name] += times.user + times.system
    return used


class _spied:  # noqa: N801  # a block
    """With `py-spy` named as the second argument, a worker's stacks are sampled too."""

    def __init__(self, running: Stack) -> None:
        self._worker = next(pid for pid, name in running.names.items() if name.startswith("worker"))
        self._spy: subprocess.Popen[bytes] | None = None
        self._out = Path(tempfile.gettempdir()) / "fanout.stacks"

    def __enter__(self) -> None:
        if len(sys.argv) > 2:
            options = ["record", "--native", "-r", "200", "-f", "raw", "-o", str(self._out), "-p", str(self._worker)]
            self._spy = subprocess.Popen([sys.argv[2], *options], stdout=subprocess.DEVNULL)

    def __exit__(self, *_: object) -> None:
        if self._spy:
            self._spy.send_signal(2)
            self._spy.wait()
            print(f"stacks in {self._out}")


if __name__ == "__main__":
    main(int(sys.argv[1].replace(",", "")) if len(sys.argv) > 1 else 100_000)

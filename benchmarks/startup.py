"""How long `tidegate --help` takes, from the shell's point of view."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.result import Line, percentile, spread

TIMES = 21
MILLISECONDS = 200


def alone() -> Iterator[Line]:
    command = [str(Path(sys.executable).with_name("tidegate")), "--help"]
    bare = [sys.executable, "-c", "pass"]
    helped, nothing = [_milliseconds(command) for _ in range(TIMES)], [_milliseconds(bare) for _ in range(TIMES)]
    yield Line(
        "tidegate --help, median",
        percentile(helped, 0.5),
        "ms",
        MILLISECONDS,
        beside=f"python -c pass {percentile(nothing, 0.5):.0f} ms",
        note=spread(helped),
    )


def _milliseconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return 1000 * (time.perf_counter() - started)

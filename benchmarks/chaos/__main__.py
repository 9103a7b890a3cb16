"""`python -m benchmarks.chaos [--seconds N] [--seed N] [--people N] [--rounds N]`: break the product, and check it."""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

from benchmarks.chaos.drain import StuckError
from benchmarks.chaos.rounds import long_round
from benchmarks.chaos.table import table


def main() -> int:
    """0 when every round passed."""
    parser = argparse.ArgumentParser(prog="make chaos ARGS=", description=__doc__)
    parser.add_argument("--seconds", type=float, default=180, help="how long faults are injected, in each round")
    parser.add_argument("--seed", type=int, default=None, help="the first round's; each next one has the next seed")
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--no-drill", action="store_true", help="only random faults: no walk through the failpoints")
    parser.add_argument("--keep", type=Path, default=None, help="an empty folder for everything that the round leaves")
    asked = parser.parse_args()
    first = asked.seed if asked.seed is not None else random.SystemRandom().randrange(1_000_000)
    passed = True
    for seed in range(first, first + asked.rounds):
        print(f"seed {seed}", flush=True)
        began = time.monotonic()
        try:
            outcome = long_round(seed, asked.seconds, asked.people, asked.keep, drill=not asked.no_drill)
        except StuckError as stuck:
            print(f"STUCK\n{stuck}", flush=True)
            passed = False
            continue
        print(f"{table(outcome)}\n{time.monotonic() - began:.0f} s in all", flush=True)
        passed &= outcome.passed
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())

"""The failpoints, armed one after another until each has killed a process that had work in hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import psycopg

from benchmarks.chaos.evidence import VIEWS
from benchmarks.chaos.load import Load
from benchmarks.chaos.nemesis import REACHED_BY, Nemesis, expire_leases
from benchmarks.chaos.stage import Stage

PATIENCE_SECONDS = 120.0
LOOK_SECONDS = 0.1


class Drill:
    """Brings a failpoint about: arms it, and asks for work that leads there, until it has struck."""

    def __init__(self, stage: Stage, load: Load, nemesis: Nemesis, *, hurry: bool) -> None:
        self._stage = stage
        self._load = load
        self._nemesis = nemesis
        self._hurry = hurry

    def walk(self, points: Sequence[str], act: str = "kill") -> list[str]:
        """Strike at each of some failpoints; those that were not reached in time."""
        return [point for point in points if not self.strike(point, act)]

    def strike(self, point: str, act: str = "kill") -> bool:
        """Whether a process has done it to itself at this point."""
        before = self._struck(point, act)
        if point == "rebuild_ready":
            self._stage.by_hand("views", "rebuild", VIEWS[-1], arming=f"{point}={act}@1")
        else:
            for member in self._stage.of(REACHED_BY[point]):
                # The next life of each of them: whoever gets there first dies there.
                self._nemesis.arm(point, act, 1, member)
            self._until(lambda: self._struck(point, act) > before, point)
        struck = self._struck(point, act) > before
        if struck:
            self._nemesis.note(f"failpoint {point}")
        if self._hurry:
            with suppress(psycopg.Error):
                expire_leases(self._stage)
        return struck

    def _until(self, struck: Callable[[], bool], point: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        asked = 0.0
        while not struck() and time.monotonic() < deadline:
            if time.monotonic() - asked > 5:
                self._work(point)
                asked = time.monotonic()
            time.sleep(LOOK_SECONDS)

    def _work(self, point: str) -> None:
        if point in {"instant_claimed", "job_made"}:
            self._load.attach([0], 2.0)
        else:
            self._load.start("webhook", None)

    def _struck(self, point: str, act: str) -> int:
        return sum(place == point and what == act for place, what, _ in self._stage.reached())

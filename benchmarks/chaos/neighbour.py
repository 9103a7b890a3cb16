"""A small job in a project of its own, again and again: how long it takes while others are in trouble.

A job's time runs from just before it is asked for to the event of its end. What it needs and what is away on purpose
(the database, the broker, or every process of a kind) does not count: `Absences` writes down when that was.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

import psycopg
from redis.exceptions import RedisError

from benchmarks.chaos.client import PATIENCE_SECONDS, NoAnswerError
from benchmarks.chaos.evidence import Small
from benchmarks.chaos.load import ENDED, Load
from benchmarks.chaos.stage import Member, Stage

PEOPLE = 10
ALONE = 5
"""Jobs that are measured before anything is broken."""

LOOK_SECONDS = 0.2
NEEDED = ("server", "scheduler", "worker")
"""Roles without which no job begins or ends."""


@dataclass
class Neighbour:
    load: Load
    jobs: list[Small] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def measure_alone(self) -> None:
        self.load.import_people()
        for _ in range(ALONE):
            self._one(alone=True)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="neighbour", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopped.wait(LOOK_SECONDS):
                self._one(alone=False)
        except BaseException as error:  # noqa: BLE001 - it is the round's to raise
            self.failures.append(error)

    def _one(self, *, alone: bool) -> None:
        began = time.monotonic()
        job = self.load.start("capture", None)
        if job is None:
            return
        self.jobs.append(Small(job, self.load.acknowledged[-1].asked, alone))
        while self.load.client.status_of(job) not in ENDED:
            if time.monotonic() - began > PATIENCE_SECONDS:
                raise NoAnswerError(f"the job {job} of the neighbour does not end")
            time.sleep(LOOK_SECONDS)


class Absences:
    """Looks all the time whether what every job needs is there."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._known: set[int] = set()
        self._found: list[tuple[float, float]] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="absences", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> list[tuple[float, float]]:
        """Stretches of time in which something that every job needs was away."""
        self._stopped.set()
        self._thread.join()
        return self._found

    def _run(self) -> None:
        away: float | None = None
        while not self._stopped.is_set():
            looked = time.time()
            if not self._all_there():
                away = looked if away is None else away
            elif away is not None:
                self._found.append((away, time.time()))
                away = None
            self._stopped.wait(LOOK_SECONDS)
        if away is not None:
            self._found.append((away, time.time()))

    def _all_there(self) -> bool:
        with suppress(psycopg.Error, RedisError, OSError):
            with self._stage.valkey() as valkey:
                valkey.ping()
            with self._stage.connect() as connection:
                # A process that is still starting has not said that it is there.
                self._known |= {row[0] for row in connection.execute("SELECT pid FROM processes")}
            return all(any(self._works(member) for member in self._stage.of(role)) for role in NEEDED)
        return False

    def _works(self, member: Member) -> bool:
        return member.pid in self._known and member.alive and not member.frozen

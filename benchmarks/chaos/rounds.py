"""One round: set the stage, load it, break it, heal it, wait for the end, gather the evidence, check."""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.chaos.checker import Verdict, check
from benchmarks.chaos.client import Json
from benchmarks.chaos.drain import drain
from benchmarks.chaos.drill import Drill
from benchmarks.chaos.evidence import Evidence, read_book, read_facts, read_jobs, read_runs, read_views
from benchmarks.chaos.lives import Forked
from benchmarks.chaos.load import Load, keep_loading
from benchmarks.chaos.neighbour import PEOPLE, Absences, Neighbour
from benchmarks.chaos.nemesis import Nemesis
from benchmarks.chaos.probe import Probe
from benchmarks.chaos.stage import SMALL_CREW, Stage, stage
from projections.failpoints import POINTS

NO_PROGRESS_SECONDS = 180.0
"""Longer than a lease, and than the longest pause before another try."""


@dataclass
class Outcome:
    """What a round came to."""

    seed: int
    people: int
    faults: Counter[str]
    verdict: Verdict
    recoveries: list[float]
    drained_seconds: float
    refused: int
    killed_at: set[str]
    reached: set[str]
    evidence: Evidence
    drilled: Sequence[str] = ()
    problems: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.problems

    @property
    def recovery(self) -> tuple[float, float]:
        """Median and worst."""
        found = self.recoveries or [0.0]
        return statistics.median(found), max(found)


def long_round(seed: int, seconds: float, people: int, folder: Path | None = None, *, drill: bool = True) -> Outcome:
    """Random faults for some time, then every failpoint in turn, under a load that never stops."""
    points = tuple(POINTS) if drill else ()
    with stage(folder) as made:
        load, nemesis = _ready(made, seed, people)
        probe, failures = Probe(load), list[BaseException]()
        beside = Beside(made, random.Random(seed))
        beside.start()
        until = time.monotonic() + seconds
        loader = threading.Thread(target=keep_loading, args=(load, until, failures), name="load", daemon=True)
        probe.start()
        loader.start()
        while time.monotonic() < until and loader.is_alive():
            time.sleep(nemesis.chance.uniform(0.5, 4.0))
            nemesis.strike()
        loader.join()
        made.receiver_mode("ok")
        if not failures:
            Drill(made, load, nemesis, hurry=False).walk([point for point in points if point not in _killed(made)])
        for failure in failures:
            raise failure
        beside.stop()
        return _end(seed, made, load, nemesis, probe, hurry=False, points=points, beside=beside)


def short_round(seed: int, people: int, points: Sequence[str], folder: Path | None = None) -> Outcome:
    """Some failpoints in turn and one death of each server. What a dead sender holds is set free at once."""
    with stage(folder, SMALL_CREW, Forked) as made:
        load, nemesis = _ready(made, seed, people)
        for kind in ("journey", "mail", "poison"):
            load.start(kind, [0])
        Drill(made, load, nemesis, hurry=True).walk(points)
        for kind in ("kill server", "valkey back empty", "kill postgres"):
            load.start("webhook", [1, 2])
            nemesis.faults[kind][1]()
            nemesis.note(kind)
        probe = Probe(load)
        probe.start()
        load.start("capture", None)
        return _end(seed, made, load, nemesis, probe, hurry=True, points=tuple(points))


class Beside:
    """What goes on in another project, and when it could not."""

    def __init__(self, made: Stage, chance: random.Random) -> None:
        self.load = Load(made.neighbour, made.neighbour, made.receiver_port, PEOPLE, chance, prefix="neighbour")
        self.neighbour = Neighbour(self.load)
        self.away: list[tuple[float, float]] = []
        self._absences = Absences(made)

    def start(self) -> None:
        self.neighbour.measure_alone()
        self._absences.start()
        self.neighbour.start()

    def stop(self) -> None:
        self.neighbour.stop()
        self.away = self._absences.stop()
        for failure in self.neighbour.failures:
            raise failure


def _ready(made: Stage, seed: int, people: int) -> tuple[Load, Nemesis]:
    chance = random.Random(seed)
    load = Load(made.client, made.another, made.receiver_port, people, random.Random(chance.random()))
    load.import_people()
    return load, Nemesis(made, load, random.Random(chance.random()))


def _end(
    seed: int,
    made: Stage,
    load: Load,
    nemesis: Nemesis,
    probe: Probe,
    *,
    hurry: bool,
    points: tuple[str, ...],
    beside: Beside | None = None,
) -> Outcome:
    nemesis.heal()
    healed = time.monotonic()
    probe.stop(nemesis.injected)
    for failure in probe.failures:
        raise failure
    drain(made, load, patience=NO_PROGRESS_SECONDS, hurry=hurry)
    drained = time.monotonic() - healed
    evidence = _gathered(made, load, beside)
    verdict = check(evidence)
    outcome = Outcome(
        seed,
        load.people,
        nemesis.counts,
        verdict,
        probe.recoveries(nemesis.injected),
        drained,
        len(load.refused),
        _killed(made),
        {place for place, _, _ in made.reached()},
        evidence,
        points,
    )
    outcome.problems = list(verdict.problems)
    if missed := sorted(set(points) - outcome.killed_at):
        outcome.problems.append(f"no process was killed at {', '.join(missed)}")
    return outcome


def _killed(made: Stage) -> set[str]:
    return {place for place, what, _ in made.reached() if what == "kill"}


def _gathered(made: Stage, load: Load, beside: Beside | None) -> Evidence:
    loads = [load, *([beside.load] if beside else [])]
    again = {key: job for each in loads for key, job in each.repeat_all().items()}
    drain(made, load, patience=NO_PROGRESS_SECONDS)
    jobs, runs = dict[str, Json](), dict[str, list[Json]]()
    for each in loads:
        theirs = read_jobs(each.client)
        jobs |= theirs
        runs |= read_runs(each.client, list(theirs))
    with made.connect() as connection:
        views = read_views(connection)
    made.rebuild_all()
    with made.connect() as connection:
        rebuilt, facts = read_views(connection), read_facts(connection)
    return Evidence(
        [promise for each in loads for promise in each.acknowledged],
        load.attached,
        again,
        read_book(made.book),
        facts,
        jobs,
        runs,
        views,
        rebuilt,
        made.by_hand("replay", "check"),
        beside.neighbour.jobs if beside else [],
        beside.away if beside else [],
    )

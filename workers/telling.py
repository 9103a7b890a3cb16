"""What a worker tells the operator: failed sends in its log, counted and never one by one; results for the metrics.

Of sends that fail alike (one job, host and reason) there is a line at once and then at most one a minute, with how many
there were since the line before. No line and no counter says anything about a person.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from aggregates.steps.base import Deliver
from engine.bootstrap import System
from projections.results import Result, add
from workers.attempts import Effect
from workers.delivery import Outcome
from workers.delivery.places import Place
from workers.jobs import WorkingJob
from workers.noted import Noted, failures

logger = logging.getLogger(__name__)

EVERY_SECONDS = 60.0
"""Least time between two lines about the same."""

WRITTEN_EVERY_SECONDS = 5.0
"""Between two writes of the counters."""

Sent = tuple[Effect, Deliver, Outcome]
Alike = tuple[tuple[str, object], ...]
"""What a line is about, besides how many there were."""


@dataclass
class Lately:
    """When there was a line about something last, and how many there were since."""

    said_at: float
    since: int = 0


class Telling:
    """Of one process; used from any thread."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._lock = threading.Lock()
        self._lately: dict[tuple[str, Alike], Lately] = {}
        self._results: Counter[Result] = Counter()

    def notes(self, job: WorkingJob, found: Mapping[Noted, int], hosts: Mapping[str, str]) -> None:
        """These notes were written; `hosts` says where steps have sent to."""
        types = {step.id: step.type.id for step in job.route.definition.steps}
        with self._lock:
            for note, many in found.items():
                self._results["steps", types.get(note.step, ""), note.outcome] += many
        for (step, reason, host, how), many in failures(found, hosts).items():
            about = {"job_id": str(job.id), "project_id": str(job.project_id), "step_id": step}
            self._count("step.failed", {**about, "reason": reason, "host": host or None, "then": how}, many)

    def calls(self, job: WorkingJob, sent: Iterable[Sent]) -> None:
        """These calls were made, or turned out not to be needed."""
        with self._lock:
            for effect, _, outcome in sent:
                # A receiver that asks for patience was called, although that cost no attempt.
                if outcome.begun and outcome.state != "skipped" and (outcome.tries or outcome.asked):
                    type = job.route.definition.step(effect.step_id).type.id
                    self._results["attempts", type, outcome.state] += 1

    def rests(self, place: Place, why: str, seconds: float) -> None:
        """A destination is left alone for a while."""
        self._count("destination.rests", {"channel": place.channel, "host": place.host or None, "why": why}, 1, seconds)

    def write(self, *, at_once: bool = False) -> None:
        """Say what was held back for a minute, and add what was counted. What cannot be written is kept."""
        now = self._system.clock.monotonic()
        with self._lock:
            due = {key: last for key, last in self._lately.items() if at_once or now - last.said_at >= EVERY_SECONDS}
            for key in due:
                del self._lately[key]
            counted, self._results = self._results, Counter()
        for (event, about), last in due.items():
            if last.since:
                logger.warning(event, extra={**dict(about), "count": last.since})
        if not counted:
            return
        try:
            with self._system.engine.begin() as connection:
                add(connection, counted)
        except SQLAlchemyError as error:
            logger.debug("what steps came to is told later: %s", type(error).__name__)
            with self._lock:
                self._results.update(counted)

    def _count(self, event: str, about: Mapping[str, object], many: int, seconds: float | None = None) -> None:
        key, now = (event, tuple(about.items())), self._system.clock.monotonic()
        with self._lock:
            last = self._lately.get(key)
            if last is not None and now - last.said_at < EVERY_SECONDS:
                last.since += many
                return
            many += last.since if last else 0
            self._lately[key] = Lately(now)
        more = {} if seconds is None else {"seconds": round(seconds, 1)}
        logger.warning(event, extra={**about, "count": many, **more})

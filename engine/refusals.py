"""Refused calls in the log, each in a short transaction of its own after the call's was rolled back."""

from __future__ import annotations

import logging
import threading
from uuid import UUID

from sqlalchemy import Engine

from aggregates.base import Meta
from aggregates.errors import DomainError
from aggregates.refusal.aggregate import Refusal
from commands.refusals import is_recorded
from engine.clock import Clock
from engine.ids import new_id
from engine.store import LogRecorder, Store

logger = logging.getLogger(__name__)

QUIET_SECONDS = 60.0
"""How long what comes in floods is told once: too many requests of one key, and what the scheduler tries again."""

MOST_TOLD = 10_000
"""From so many on, those that are older than that are forgotten."""


class Refusals:
    """Records refused calls for one process."""

    def __init__(self, engine: Engine, recorder: LogRecorder, clock: Clock) -> None:
        self._engine = engine
        self._recorder = recorder
        self._clock = clock
        self._lock = threading.Lock()
        self._told: dict[tuple[object, ...], float] = {}
        self._strangers = 0

    def record(self, refusal: DomainError, meta: Meta, name: str, subject_id: UUID | None = None) -> None:
        """Write a refused call of a principal down. An outage is logged: the caller is answered in any case."""
        if not is_recorded(refusal) or not self._is_due(refusal, meta, name, subject_id):
            return
        try:
            made = Refusal.record(new_id(), refusal, name=name, subject_id=subject_id, meta=meta)
            with self._engine.begin() as connection:
                Store(connection, self._recorder).save(made)
        except Exception as error:  # noqa: BLE001  # the answer is no, whether it can be written down or not
            logger.warning(
                "%s was refused with %s, and that could not be recorded: %s",
                name,
                refusal.code,
                type(error).__name__,
                extra={"request_id": meta.request_id},
            )

    def stranger(self) -> None:
        """Count a request without a valid key. It belongs to no project, so it is only logged, once a minute."""
        with self._lock:
            self._strangers += 1
            count = self._strangers
            if not self._first_in_a_while("stranger"):
                return
            self._strangers = 0
        logger.info("refused without a valid key: %d since the last such line", count)

    def _is_due(self, refusal: DomainError, meta: Meta, name: str, subject_id: UUID | None) -> bool:
        principal = meta.principal
        if refusal.code == "rate.limited":
            what: tuple[object, ...] = (refusal.code, principal.project_id, principal.id)
        elif principal.source in {"scheduler", "system"}:
            what = (refusal.code, principal.project_id, principal.source, principal.id, name, subject_id)
        else:
            return True
        with self._lock:
            return self._first_in_a_while(*what)

    def _first_in_a_while(self, *what: object) -> bool:
        now = self._clock.monotonic()
        if len(self._told) >= MOST_TOLD:
            self._told = {told: at for told, at in self._told.items() if now - at < QUIET_SECONDS}
        if what in self._told and now - self._told[what] < QUIET_SECONDS:
            return False
        self._told[what] = now
        return True

"""Time: due occurrences, parked runs whose time has come, and the sweep that makes the broker disposable.

All of it may run in any number of processes at once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from engine.bootstrap import System
from engine.supervise import StopSignals
from workers import waking
from workers.broker import Bells
from workers.due import Due, Pass, is_held
from workers.pace import PATIENCE_SECONDS
from workers.skew import ClockWatch
from workers.tally import Tally

logger = logging.getLogger(__name__)

# Work without a worker: jobs that wait for enrolment or for the end of a cancel, and jobs with a free chunk.
_SILENT = text(
    "SELECT h.id FROM stream_heads h WHERE h.kind = 'batch_job' AND ("
    "h.status IN ('queued', 'cancelling') OR (h.status = 'running' AND ("
    "EXISTS (SELECT 1 FROM chunks c WHERE c.job_id = h.id AND (c.state = 'ready' "
    "OR (c.state = 'sending' AND c.leased_until < now() AND NOT EXISTS (SELECT 1 FROM sending_pace p "
    "WHERE p.job_id = c.job_id AND p.free_at > now() + make_interval(secs => :patience))))) "
    "OR NOT EXISTS (SELECT 1 FROM chunks c WHERE c.job_id = h.id AND c.state IN ('ready', 'sending')) "
    "AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.job_id = h.id AND r.status = 'waiting')))) LIMIT 1000"
)


# Frozen people of tokens that bought nothing in time. The margin is longer than any command takes.
_COLLECT = text(
    "WITH gone AS (DELETE FROM frozen_sizings f WHERE f.expires_at < CAST(:now AS timestamptz) - interval '5 minutes' "
    "AND NOT EXISTS (SELECT 1 FROM stream_heads h WHERE h.id = f.job_id AND h.status IN ('held', 'queued', 'paused')) "
    "RETURNING f.job_id) DELETE FROM chunks c USING gone WHERE c.job_id = gone.job_id"
)
_FORGET = text("DELETE FROM spent_tokens WHERE spent_at < CAST(:now AS timestamptz) - interval '1 day'")
# An expired token is told from an unknown one for a day.
_FORGET_SIZINGS = text("DELETE FROM sizings WHERE expires_at < CAST(:now AS timestamptz) - interval '1 day'")
_FORGET_REACH = text("DELETE FROM reach WHERE at < CAST(:now AS timestamptz) - interval '2 days'")
_FORGET_PACE = text(
    "DELETE FROM sending_pace p WHERE NOT EXISTS "
    "(SELECT 1 FROM stream_heads h WHERE h.id = p.job_id AND h.status IN ('running', 'paused', 'cancelling'))"
)
# A row that is not there says that a message may go now, as one of yesterday does.
_FORGET_RATES = text("DELETE FROM shared_rates WHERE free_at < clock_timestamp() - interval '1 day'")
# A session that is too old is unknown without its row; the margin is more than clocks differ by.
_FORGET_ENDED = text("DELETE FROM ended_sessions WHERE expires_at < CAST(:now AS timestamptz) - interval '1 hour'")


class Scheduler:
    """Fires, wakes and sweeps until told to stop."""

    def __init__(self, system: System, bells: Bells) -> None:
        self._system = system
        self._bells = bells
        self._due = Due(system)

    def run(self, stopped: StopSignals) -> None:
        """One tick each `sweep_seconds`; a tick that fails is logged and the next one tries again.

        Firing has a thread of its own: it sizes audiences, and nobody's wake or lost work waits for that.
        """
        firing = threading.Thread(target=self._tick, args=(stopped, self.fire), name="firing")
        firing.start()
        self._tick(stopped, self.wake, self.sweep, self.collect)
        firing.join()

    def _tick(self, stopped: StopSignals, *works: Callable[[], int | Pass]) -> None:
        tally, watch = Tally(self._system), ClockWatch(self._system)
        while not stopped.is_set():
            for work in works if self._agrees(watch) else ():
                self._guarded(work, tally)
            tally.write()
            stopped.wait(self._system.settings.sweep_seconds)
        tally.write(at_once=True)

    def fire(self) -> Pass:
        """Decide about everything that is due at this moment."""
        return self._due.decide()

    def collect(self) -> int:
        """Drop frozen people, sizings, spent tokens and ended sessions that nobody can ask for any more."""
        with self._system.engine.begin() as connection:
            now = {"now": self._system.clock.now()}
            connection.execute(_FORGET, now)
            connection.execute(_FORGET_ENDED, now)
            connection.execute(_FORGET_SIZINGS, now)
            connection.execute(_FORGET_REACH, now)
            connection.execute(_FORGET_PACE)
            connection.execute(_FORGET_RATES)
            return connection.execute(_COLLECT, now).rowcount

    def wake(self) -> int:
        """Turn parked runs whose time has come into chunks; how many jobs were touched. None while the fence is up."""
        if is_held(self._system):
            return 0
        with self._system.engine.connect() as connection:
            jobs = waking.due_jobs(connection, self._system.clock.now())
        for job_id in jobs:
            with self._system.engine.begin() as connection:
                now, size = self._system.clock.now(), self._system.settings.chunk_size
                waking.wake(connection, job_id, now, chunk_size=size)
            self._bells.ring(job_id, self._system.settings.drainers)
        return len(jobs)

    def sweep(self) -> int:
        """Ring again for every job that has work and perhaps no bell; how many such jobs there were."""
        with self._system.engine.connect() as connection:
            silent = list(connection.execute(_SILENT, {"patience": PATIENCE_SECONDS}).scalars())
        self._bells.ring_again(silent)
        return len(silent)

    def _agrees(self, watch: ClockWatch) -> bool:
        """Whether this clock is the database's; a database that cannot be asked is met by the works, which say so."""
        try:
            return watch.agrees()
        except SQLAlchemyError:
            return True

    def _guarded(self, work: Callable[[], int | Pass], tally: Tally) -> None:
        began = self._system.clock.monotonic()
        try:
            found = work()
            came_to = found if isinstance(found, Pass) else Pass(found, 0)
        except Exception:
            logger.exception("the scheduler's %s failed; it is tried again", work.__name__)
            came_to = Pass(0, 1)
        tally.add(work.__name__, came_to.processed, came_to.failed, self._system.clock.monotonic() - began)

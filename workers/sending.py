"""Effects outside: the attempt is recorded, then it is made, then its outcome is recorded.

People are taken in sub-batches, so that a crash repeats few. Before one a transaction looks at the job's status and the
installation's fence, renews the lease and records the attempts, of no more people than their destinations take at this
moment. After it another one, under the lease, records the outcomes and walks people on. A worker that lost its lease
finds another one there and writes nothing.

A thread stays with a sub-batch for about a second, and not at all while others of the same project are slow; what has
not been answered by then is an errand. It stays with a chunk for about as long.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from aggregates.pace import UNHINDERED
from aggregates.secrets import NONE_IN_USE
from aggregates.steps.base import Deliver
from engine.bootstrap import System
from projections import failpoints, failures
from projections.outage import is_outage
from workers import bounces, caps, ledger, noted, outcomes, splitting
from workers.attempts import SubBatch, attempt
from workers.delivery import Deliveries, Outcome
from workers.delivery.places import BURST_SECONDS
from workers.errands import Errand, Errands
from workers.jobs import WorkingJob
from workers.leases import Lease
from workers.making import Making, masked
from workers.pace import take_turn
from workers.policies import Policies
from workers.rates import Rates
from workers.recipients import addressed
from workers.rooms import Rooms, hosts
from workers.stay import Again, Landed, Stay
from workers.telling import Telling

logger = logging.getLogger(__name__)

FLUSH = 25
"""Effects between two records of outcomes: at most so many are repeated after a crash."""

STAY_SECONDS = 1.0
"""How long a thread waits for a sub-batch, and how long it stays with a chunk, before others get their turn."""

LATE_SECONDS = 0.02
"""How long after its turn is due a job is rung for: by then the chunk that was let go may be taken."""

FRESH_SECONDS = 0.5
"""With an older look at the status and the lease, both are looked at once more before anything is sent."""


class Sender:
    """Carries a leased chunk's effects out, for one process. A thread waits `stay` seconds for a sub-batch at most."""

    def __init__(self, system: System, deliveries: Deliveries, world: Any, stay: float = STAY_SECONDS) -> None:
        self._system = system
        self._deliveries = deliveries
        self._world = world
        self._stay = stay
        self._making = Making(system)
        self._pause = threading.Event()
        self._policies = Policies(system.policy, deliveries.monotonic)
        self._rates = Rates(system.settings, self._policies, deliveries.monotonic)
        self._landed: Landed = lambda _job, _trips, _let_go: None
        self._again: Again = lambda _job, _seconds: None
        self.telling = Telling(system)
        deliveries.places.watch(self.telling.rests)
        self.errands = Errands(system.engine, self._record_errand)

    def tell(self, landed: Landed, again: Again) -> None:
        """Whom to tell of what is recorded, and of jobs that are left until their next turn."""
        self._landed, self._again = landed, again

    @property
    def stopped(self) -> bool:
        """Whether nothing more may begin."""
        return self._pause.is_set()

    def stop(self) -> None:
        """Begin nothing more; what is under way goes on."""
        self._deliveries.stop()
        self._pause.set()

    def is_busy(self, job: WorkingJob) -> bool:
        """Whether there is nothing to take up of a job here: it has its share of errands, or its destinations rest."""
        if self.errands.of_job(job.id) >= self._system.settings.worker_threads:
            return True
        rooms = self._rooms(job)
        if rests := rooms.all_rest():
            self._come_again(rooms)
        return rests

    def send(self, connection: Connection, job: WorkingJob, chunk: Row[Any], lease: Lease) -> None:
        """Sub-batch after sub-batch, until nobody of the chunk stands before an effect, or somebody else goes on."""
        with self._rooms(job).given_back() as rooms:
            stay = Stay(connection, job, chunk, lease, rooms, self._system.clock.monotonic())
            batch, looked_at = self._next(stay)
            while batch is not None:
                failpoints.reach("attempt_stored")
                errand = self._depart(stay, batch, looked_at)
                if errand is None:
                    return
                _heard(errand.flight.wait(0.0 if self.errands.of_project(job.project_id) else self._stay))
                looked_at = self._deliveries.monotonic()
                goes_on, batch = self._arrived(stay, errand)
                if not goes_on:
                    return
                if batch is None:
                    batch, looked_at = self._next(stay)

    def _next(self, stay: Stay) -> tuple[SubBatch | None, float]:
        """The next people, their attempts recorded; None when they are somebody else's, or nobody's now.

        Also when the job's status and the lease were looked at.
        """
        connection, job, lease = stay.connection, stay.job, stay.lease
        turn, full = job.pace.rate is None, 0.0
        while True:
            looked_at = self._deliveries.monotonic()
            with connection.begin():
                if not self._renewed(stay):
                    return None, looked_at
                wait = None if self._is_over(stay) else 0.0 if turn else take_turn(connection, job.id, job.pace)
                if wait == 0.0:
                    batch = self._attempt(stay)
                    if batch is not None:
                        return batch, looked_at
                    full = stay.rooms.wait()
                    # A thread waits for room that may come at any moment, never for a turn: others need it meanwhile.
                    if full > BURST_SECONDS or stay.rooms.is_at_rate() or self.errands.of_project(job.project_id):
                        lease.release(connection, full)
                        self._come_again(stay.rooms)
                        return None, looked_at
                if wait is None:
                    lease.release(connection)
                    return None, looked_at
            # The job may be paused meanwhile, so its status is read again before anything is sent.
            if wait:
                self._pause.wait(wait)
            else:
                self._deliveries.places.await_room(full)
            turn = True

    def _renewed(self, stay: Stay) -> bool:
        return stay.lease.renew(stay.connection, self._system.fence.parameters)

    def _is_over(self, stay: Stay) -> bool:
        """Whether a thread should leave this chunk: one that waits for its turn is no use to other jobs."""
        return self._pause.is_set() or self._system.clock.monotonic() - stay.begun > STAY_SECONDS

    def _attempt(self, stay: Stay, standing: Sequence[Row[Any]] | None = None) -> SubBatch | None:
        """Record attempts for the people whose destinations have room now; None when none has. Nobody is an answer too.

        `standing` are people who stand before an effect, if they were read in this transaction.
        """
        connection, job, rooms = stay.connection, stay.job, stay.rooms
        down = rooms.down()
        shut = rooms.shut(down)
        if standing is None or shut:
            standing = ledger.in_progress(connection, job.id, stay.chunk, _at_once(job), shut)
        if not standing and not (shut and ledger.in_progress(connection, job.id, stay.chunk, 1)):
            return SubBatch((), {}, {}, self._system.clock.now())
        turns = self._rates.look(connection, job.project_id, rooms.places_of(standing, down))
        chosen = rooms.take(standing, down, turns)
        self._rates.settle(connection, turns)
        if not chosen:
            return None
        batch = attempt(connection, job, chosen, self._system.clock.now())
        plans = {step: self._plan(job, step) for step in {effect.step_id for effect in batch.effects}}
        found = addressed(connection, self._system, job, batch, plans)
        batch = replace(batch, addressed=found, plans=plans, down=down)
        caps.leave_out(connection, self._policies, job, batch)
        return batch

    def _depart(self, stay: Stay, batch: SubBatch, looked_at: float) -> Errand | None:
        """Make the effects, outside of any transaction; None when the chunk is not ours any more."""
        known, outgoing = self._making.requests(stay.job, batch)
        if self._deliveries.monotonic() - looked_at > FRESH_SECONDS:
            # It took long, or the process was frozen: is the job still running, the chunk still ours?
            looked_at = self._deliveries.monotonic()
            with stay.connection.begin():
                if not stay.lease.holds(stay.connection):
                    return None
                if not self._renewed(stay):
                    known += [_not_begun(sent.effect_id) for sent in outgoing]
                    outgoing = []
        for sent in outgoing:
            stay.rooms.use(sent.place)
        stay.rooms.give_back()
        flight = self._deliveries.begin(outgoing, looked_at)
        secrets = {sent.effect_id: sent.secrets for sent in outgoing}
        left = {effect.id: effect for effect in batch.effects}
        return Errand(stay.job, stay.chunk, stay.lease, batch, flight, known, left, secrets)

    def _arrived(self, stay: Stay, errand: Errand) -> tuple[bool, SubBatch | None]:
        """Record what has come; whether to go on with the chunk, and the next people, if they were taken at once."""
        connection, job, following = stay.connection, stay.job, None
        with connection.begin():
            if not stay.lease.holds(connection):
                return False, None
            standing, tripped = self._record(connection, errand)
            over = bool(errand.left) or tripped or self._is_over(stay)
            if standing and over and not errand.left:
                stay.lease.release(connection)
            elif standing and not over and job.pace == UNHINDERED and self._renewed(stay):
                # One commit for both. Where a rate or a breaker has a say its row is shared by all workers, so it is
                # let go first.
                following = self._attempt(stay, standing)
        self._recorded(errand)
        if errand.left:
            self.errands.leave(errand)
        self._landed(job.id, tripped, False)
        return bool(standing) and not over, following

    def _record(self, connection: Connection, errand: Errand) -> tuple[Sequence[Row[Any]], bool]:
        """Write what has come and walk those people on; who stands before an effect next, and whether to stop."""
        job, chunk = errand.job, errand.chunk
        found = [
            (effect, errand.batch.plans[effect.step_id], masked(outcome, errand.secrets.get(effect.id, NONE_IN_USE)))
            for effect, outcome in errand.landed()
        ]
        addresses = errand.batch.addressed.to
        errand.bounced += [addresses[effect.person_id] for effect, _, outcome in found if outcome.bounced]
        world = self._world(connection, job.project_id)
        change, notes = outcomes.record(connection, job, found, world, self._system.clock.now())
        errand.notes.update(notes)
        errand.made += found
        failures.add(connection, job.id, chunk.number, noted.failures(notes, hosts(errand.batch.plans)))
        standing = ledger.in_progress(connection, job.id, chunk, _at_once(job))
        ledger.count(connection, job.id, chunk.number, change, "sending" if standing else "done")
        return standing, outcomes.trips(connection, job, [outcome for _, _, outcome in found])

    def _record_errand(self, errand: Errand) -> bool:
        _heard(errand.flight.has_landed())
        try:
            return self._record_landed(errand)
        except Exception as error:
            if is_outage(error):
                raise
            logger.exception("chunk %s of job %s failed", errand.chunk.number, errand.job.id)
            with self._system.engine.connect() as connection:
                splitting.set_back(connection, errand.job, errand.chunk, errand.lease, self._system.clock.now())
            return True

    def _record_landed(self, errand: Errand) -> bool:
        with self._system.engine.connect() as connection, connection.begin():
            if not errand.lease.holds(connection):
                return True
            _, tripped = self._record(connection, errand)
            over = not errand.left
            if over:
                errand.lease.release(connection)
        self._recorded(errand)
        self._landed(errand.job.id, tripped, over)
        return over

    def _recorded(self, errand: Errand) -> None:
        """What has been recorded is committed: tell of it."""
        bounced, errand.bounced = errand.bounced, []
        notes, errand.notes = errand.notes, Counter()
        made, errand.made = errand.made, []
        self.telling.notes(errand.job, notes, hosts(errand.batch.plans))
        self.telling.calls(errand.job, made)
        bounces.suppress(self._system, errand.job, bounced)

    def _plan(self, job: WorkingJob, step_id: str) -> Deliver:
        plan = job.route.plan(step_id, self._system.clock.now())
        assert isinstance(plan, Deliver), f"nobody stands before {step_id} without an effect to make"
        return plan

    def _rooms(self, job: WorkingJob) -> Rooms:
        return Rooms.of(job, self._deliveries.places, self._rates, self._system.clock.now())

    def _come_again(self, rooms: Rooms) -> None:
        """Have the job rung for when its next turn is due; without a rate the sweep does it."""
        if rooms.is_at_rate():
            self._again(rooms.job.id, rooms.wait() + LATE_SECONDS)


def _heard(answered: bool) -> None:
    """The world has answered, and nothing of it is written yet: the place at which a test lets a process die."""
    if answered:
        failpoints.reach("answered")


def _at_once(job: WorkingJob) -> int:
    return min(FLUSH, job.pace.at_once) if job.pace.rate else FLUSH


def _not_begun(effect_id: UUID) -> Outcome:
    return Outcome(effect_id, "retry", error="not_begun", tries=0, begun=False)

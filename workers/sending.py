"""Effects outside: the attempt is recorded, then it is made, then its outcome is recorded.

People are taken in sub-batches, so that a crash repeats few. Before the first one a transaction looks at the job's
status, renews the lease and records the attempts. After each sub-batch another one, fenced, records the outcomes and
walks people on; then it looks at the status, renews the lease and records the attempts of the next. A worker that
lost its lease finds another fence and writes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from aggregates.batch_job.pace import UNHINDERED
from aggregates.batch_job.standing import OUTCOME_UNKNOWN
from aggregates.secrets import NONE_IN_USE, SecretsInUse
from aggregates.steps.base import Deliver
from aggregates.walk.entry import Entry, RunVariables
from aggregates.walk.walk import Group, Walk
from engine.bootstrap import System
from engine.ids import jitter
from projections import failpoints
from workers import ledger, pace
from workers.attempts import Effect, SubBatch, attempt
from workers.delivery import Deliveries, Outcome, Outgoing
from workers.jobs import WorkingJob
from workers.leases import Lease
from workers.making import made, masked, without_sending
from workers.pace import take_turn
from workers.recipients import addressed

FLUSH = 25
"""Effects between two records of outcomes: at most so many are repeated after a crash."""

TURN_SECONDS = 1.0
"""How long a worker stays with a chunk of a job that has a rate, before others get their turn."""

FIRST_PAUSE_SECONDS = 5
LONGEST_PAUSE_SECONDS = 1_800
"""How long a person is parked before another try: three times as long with each one that was made."""

_OUTCOME = text(
    "UPDATE effects AS e SET state = o.state, provider_id = o.provider_id, error = o.error, "
    "attempts = e.attempts + o.more, finished_at = :now "
    "FROM unnest(CAST(:ids AS uuid[]), CAST(:states AS text[]), CAST(:more AS smallint[]), "
    "CAST(:provider_ids AS text[]), CAST(:errors AS text[])) AS o (id, state, more, provider_id, error) "
    "WHERE e.id = o.id"
)


class Sender:
    """Carries a leased chunk's effects out, for one process."""

    def __init__(self, system: System, deliveries: Deliveries, world: Any) -> None:
        self._system = system
        self._deliveries = deliveries
        self._world = world
        self._pause = threading.Event()

    def send(
        self, connection: Connection, job: WorkingJob, chunk: Row[Any], lease: Lease, flushed: Callable[[UUID], None]
    ) -> bool:
        """Sub-batch after sub-batch, until nobody of the chunk stands before an effect or the lease is lost.

        `flushed` hears of each sub-batch whose outcomes are recorded. True when the job's breaker has seen enough.
        """
        begun = self._system.clock.monotonic()
        batch = self._next(connection, job, chunk, lease, begun)
        while batch is not None:
            failpoints.reach("attempt_stored")
            outcomes = self._carry_out(job, batch)
            failpoints.reach("answered")
            following = None
            with connection.begin():
                if not lease.holds(connection):
                    return False
                standing, tripped = self._record(connection, job, chunk, batch.effects, outcomes)
                if standing and tripped:
                    lease.release(connection)
                elif standing and job.pace == UNHINDERED and lease.renew(connection):
                    # One commit for both. Where a rate or a breaker has a say its row is shared by all workers, so
                    # it is let go first.
                    following = self._attempt(connection, job, standing)
            if tripped or not standing:
                return tripped
            flushed(job.id)
            batch = following if job.pace == UNHINDERED else self._next(connection, job, chunk, lease, begun)
        return False

    def _next(
        self, connection: Connection, job: WorkingJob, chunk: Row[Any], lease: Lease, begun: float
    ) -> SubBatch | None:
        """The next people, their attempts recorded; None when they are somebody else's, or nobody's now."""
        turn = job.pace.rate is None
        while True:
            with connection.begin():
                if not lease.renew(connection):
                    return None
                wait = 0.0 if turn else self._turn(connection, job, lease, begun)
                if wait is None:
                    return None
                if not wait:
                    standing = ledger.in_progress(connection, job.id, chunk, _at_once(job))
                    return self._attempt(connection, job, standing)
            # The job may be paused meanwhile, so its status is read again before anything is sent.
            self._pause.wait(wait)
            turn = True

    def _turn(self, connection: Connection, job: WorkingJob, lease: Lease, begun: float) -> float | None:
        """Seconds until these people may be sent to; None when somebody else should see to them later."""
        # A thread that waits for its turn is no use to other jobs, so it does not stay for the whole chunk.
        over = self._system.clock.monotonic() - begun > TURN_SECONDS
        wait = None if over else take_turn(connection, job.id, job.pace)
        if wait is None:
            lease.release(connection)
        return wait

    def _attempt(self, connection: Connection, job: WorkingJob, standing: Sequence[Row[Any]]) -> SubBatch:
        batch = attempt(connection, job, standing, self._system.clock.now())
        plans = {step: self._plan(job, step) for step in {effect.step_id for effect in batch.effects}}
        compared = addressed(connection, self._system, job, batch, plans)
        return replace(batch, addressed=compared, plans=plans)

    def _carry_out(self, job: WorkingJob, batch: SubBatch) -> dict[UUID, Outcome]:
        """Make the effects, outside of any transaction. Everybody gets an outcome."""
        outcomes: dict[UUID, Outcome] = {}
        outgoing: list[Outgoing] = []
        in_use: dict[str, SecretsInUse | None] = {}
        for effect in batch.effects:
            plan = batch.plans[effect.step_id]
            outcome = without_sending(effect, plan, batch)
            if outcome is not None:
                outcomes[effect.id] = outcome
                continue
            asked = made(job, effect, plan, batch, self._secrets(job, effect.step_id, plan, in_use))
            if isinstance(asked, Outgoing):
                outgoing.append(asked)
            else:
                outcomes[effect.id] = Outcome(effect.id, "failed", error=asked)
        for sent, outcome in zip(outgoing, self._deliveries.send_many(outgoing), strict=True):
            outcomes[outcome.effect_id] = masked(outcome, sent.secrets)
        return outcomes

    def _secrets(
        self, job: WorkingJob, step_id: str, plan: Deliver, known: dict[str, SecretsInUse | None]
    ) -> SecretsInUse | None:
        """The secrets that a step sends, looked up once for a sub-batch; None when one of them is not there."""
        if step_id not in known:
            step = job.route.definition.step(step_id)
            names = plan.request.secrets if step.type.takes_secrets else ()
            known[step_id] = NONE_IN_USE
            if names:
                with self._system.asking.connect() as connection:
                    known[step_id] = self._system.vault.of(connection, job.project_id, names)
        return known[step_id]

    def _record(
        self,
        connection: Connection,
        job: WorkingJob,
        chunk: Row[Any],
        effects: Sequence[Effect],
        outcomes: dict[UUID, Outcome],
    ) -> tuple[Sequence[Row[Any]], bool]:
        """Write the outcomes and walk everybody on; who stands before an effect next, and whether to stop."""
        now = self._system.clock.now()
        if outcomes:
            found = list(outcomes.values())
            connection.execute(
                _OUTCOME,
                {
                    "ids": [outcome.effect_id for outcome in found],
                    "states": [outcome.state for outcome in found],
                    "more": [_more_tries(outcome) for outcome in found],
                    "provider_ids": [outcome.provider_id for outcome in found],
                    "errors": [outcome.error for outcome in found],
                    "now": now,
                },
            )
        walk = Walk(job.route, self._world(connection, job.project_id), now)
        entries = self._settled(job, effects, outcomes, walk, now)
        reached = {
            effect.person_id
            for effect in effects
            if not effect.reached and (outcomes[effect.id].arrived or effect.may_have_arrived)
        }
        ledger.write_again(connection, job.id, entries, now, reached)
        change = ledger.tally(entries)
        change["in_progress"] -= sum(change.values())
        change["reached"] = len(reached)
        standing = ledger.in_progress(connection, job.id, chunk, FLUSH)
        ledger.count(connection, job.id, chunk.number, change, "sending" if standing else "done")
        return standing, self._trips(connection, job, outcomes.values())

    def _trips(self, connection: Connection, job: WorkingJob, outcomes: Iterable[Outcome]) -> bool:
        """Whether too much of what was tried has failed, with these."""
        if job.pace.breaker is None:
            return False
        made = [outcome.state for outcome in outcomes if outcome.state != "skipped" and outcome.tries]
        failures = sum(state != "succeeded" for state in made)
        return job.pace.breaker.trips(*pace.count(connection, job.id, len(made), failures))

    def _settled(
        self,
        job: WorkingJob,
        effects: Sequence[Effect],
        outcomes: dict[UUID, Outcome],
        walk: Walk,
        now: datetime,
    ) -> list[Entry]:
        """Where each effect leaves its person: on the way, parked for another try, or ended."""
        entries: list[Entry] = []
        onward: list[Group] = []
        for effect in effects:
            outcome, plan = outcomes[effect.id], self._plan(job, effect.step_id)
            attempts = effect.attempts + _more_tries(outcome)
            note = {"step": effect.step_id, "outcome": outcome.state, "attempts": attempts, "at": now.isoformat()}
            if outcome.error:
                note["reason"] = outcome.error
            group = Group(effect.step_id, [effect.person_id], [note], variables=effect.variables)
            if outcome.state == "retry" and attempts < plan.max_attempts:
                wake_at = now + timedelta(seconds=_pause(attempts, outcome.retry_after))
                entries.append(group.ended("waiting", at_step=effect.step_id, wake_at=wake_at, reason=outcome.error))
            elif outcome.state == "unknown":
                # Without an instant to wake at: it waits for a person to say what became of it.
                entries.append(group.ended("waiting", at_step=effect.step_id, reason=OUTCOME_UNKNOWN))
            elif outcome.state == "skipped":
                entries.append(group.ended("skipped", reason=outcome.error))
            elif outcome.state == "succeeded" or job.route.definition.step(effect.step_id).on_error == "continue":
                target = job.route.definition.target(effect.step_id, plan.port)
                onward.append(replace(group, step=target))
            else:
                entries.append(group.ended("failed", reason=outcome.error or outcome.state))
        return [*entries, *walk.run(_joined(onward))]

    def _plan(self, job: WorkingJob, step_id: str) -> Deliver:
        plan = job.route.plan(step_id, self._system.clock.now())
        assert isinstance(plan, Deliver), f"nobody stands before {step_id} without an effect to make"
        return plan


def _at_once(job: WorkingJob) -> int:
    return min(FLUSH, job.pace.at_once) if job.pace.rate else FLUSH


def _joined(groups: Sequence[Group]) -> list[Group]:
    """People at the same step after the same trace walk on together."""
    joined: dict[tuple[str | None, str], list[Group]] = {}
    for group in groups:
        joined.setdefault((group.step, repr(group.trace)), []).append(group)
    return [
        replace(
            together[0],
            ids=[id for group in together for id in group.ids],
            variables=RunVariables.saved({id: group.variables.of(id) for group in together for id in group.ids}),
        )
        for together in joined.values()
    ]


def _pause(attempts: int, retry_after: float | None) -> float:
    """Seconds until the next try: longer each time, on top of what the receiver asks for, never all at once."""
    planned = min(FIRST_PAUSE_SECONDS * 3.0 ** max(attempts - 1, 0), LONGEST_PAUSE_SECONDS)
    return jitter(planned) + (retry_after or 0.0)


def _more_tries(outcome: Outcome) -> int:
    """Tries beyond the one that was recorded before it was made: one fewer where nothing was sent after all."""
    return outcome.tries - 1

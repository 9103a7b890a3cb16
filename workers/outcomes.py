"""What came of effects, recorded: their outcomes, where their people go from there, and when another try is made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, text

from aggregates.batch_job.standing import OUTCOME_UNKNOWN
from aggregates.steps.base import Deliver
from aggregates.walk.entry import Entry, RunVariables, of_reached
from aggregates.walk.walk import Group, Walk
from aggregates.walk.world import World
from engine.ids import jitter
from workers import ledger, pace
from workers.attempts import Effect
from workers.delivery import Outcome
from workers.jobs import WorkingJob
from workers.noted import Noted, noted

FIRST_PAUSE_SECONDS = 5.0
"""How long a person is parked before another try: twice as long with each time."""

LONGEST_PAUSE_SECONDS = 300.0
PAUSES_AT_MOST = 100
"""Of a step that tries for days: the longest pause is longer there, and a trace has an end."""

PATIENT_FOR = timedelta(days=3)
"""How long a person is tried again of whom the receiver says nothing but that we should come later."""

LEAST_PAUSE = timedelta(seconds=1)

_OUTCOME = text(
    "UPDATE effects AS e SET state = o.state, provider_id = o.provider_id, error = o.error, "
    "attempts = e.attempts + o.more, waits = e.waits + o.waits, "
    "retry_until = coalesce(o.retry_until, e.retry_until), finished_at = :now "
    "FROM unnest(CAST(:ids AS uuid[]), CAST(:states AS text[]), CAST(:more AS smallint[]), "
    "CAST(:provider_ids AS text[]), CAST(:errors AS text[]), CAST(:waits AS smallint[]), "
    "CAST(:until AS timestamptz[])) AS o (id, state, more, provider_id, error, waits, retry_until) "
    "WHERE e.id = o.id"
)

Again = tuple[datetime, datetime]
"""When the next try is made, and after which instant there is none."""


def record(
    connection: Connection,
    job: WorkingJob,
    found: Sequence[tuple[Effect, Deliver, Outcome]],
    world: World,
    now: datetime,
) -> tuple[dict[str, int], Counter[Noted]]:
    """Write outcomes and walk their people on, in the caller's transaction.

    Returns what changes in the chunk's counters, and the notes that were made.

    Who was not sent to after all stays where they are, as if no attempt had been recorded.
    """
    later = {effect.id: again(effect, plan, outcome, now) for effect, plan, outcome in found}
    if found:
        _write(connection, [outcome for _, _, outcome in found], later, now)
    been = {effect.person_id for effect, _, outcome in found if _was_reached(effect, outcome)}
    entries = list(of_reached(_settled(job, found, later, Walk(job.route, world, now), now), been))
    reached = been.difference(effect.person_id for effect, _, _ in found if effect.reached)
    moved = {id for entry in entries for id in entry.ids}
    ledger.write_again(connection, job.id, entries, now, reached & moved)
    change = ledger.tally(entries)
    change["in_progress"] -= sum(change.values())
    change["reached"] = len(reached & moved) + ledger.mark_reached(connection, job.id, reached - moved)
    return change, noted(entries)


def trips(connection: Connection, job: WorkingJob, outcomes: Iterable[Outcome]) -> bool:
    """Whether too much of what was tried has failed, with these."""
    if job.pace.breaker is None:
        return False
    # To be asked for patience is no failure.
    made = [outcome.state for outcome in outcomes if outcome.state != "skipped" and outcome.tries]
    failures = sum(state != "succeeded" for state in made)
    return job.pace.breaker.trips(*pace.count(connection, job.id, len(made), failures))


def _write(connection: Connection, found: Sequence[Outcome], later: Mapping[UUID, Again | None], now: datetime) -> None:
    pauses = [later[outcome.effect_id] for outcome in found]
    connection.execute(
        _OUTCOME,
        {
            "ids": [outcome.effect_id for outcome in found],
            "states": [_state(outcome, pause) for outcome, pause in zip(found, pauses, strict=True)],
            "more": [_more_tries(outcome) for outcome in found],
            "provider_ids": [outcome.provider_id for outcome in found],
            "errors": [outcome.error for outcome in found],
            "waits": [0 if pause is None else 1 for pause in pauses],
            "until": [None if pause is None else pause[1] for pause in pauses],
            "now": now,
        },
    )


def again(effect: Effect, plan: Deliver, outcome: Outcome, now: datetime) -> Again | None:
    """When this effect is tried again, and after which instant it is not; None when it is not at all."""
    attempts = effect.attempts + _more_tries(outcome)
    if outcome.state != "retry" or not outcome.begun or (plan.max_attempts and attempts >= plan.max_attempts):
        return None
    until = now + (PATIENT_FOR if outcome.asked else plan.retry_for)
    if effect.retry_until is not None:
        until = min(until, effect.retry_until)
    if until - now < LEAST_PAUSE:
        return None
    longest = max(LONGEST_PAUSE_SECONDS, plan.retry_for.total_seconds() / PAUSES_AT_MOST)
    pause = jitter(min(FIRST_PAUSE_SECONDS * 2.0 ** min(effect.waits, 20), longest)) + (outcome.retry_after or 0.0)
    # The last try is made at the end, however long the pause before it would be.
    return min(now + timedelta(seconds=pause), until), until


def _settled(
    job: WorkingJob,
    found: Iterable[tuple[Effect, Deliver, Outcome]],
    later: Mapping[UUID, Again | None],
    walk: Walk,
    now: datetime,
) -> list[Entry]:
    """Where each effect leaves its person: on the way, parked for another try, or ended."""
    entries: list[Entry] = []
    onward: list[Group] = []
    for effect, plan, outcome in found:
        if not outcome.begun:
            continue
        pause, attempts = later[effect.id], effect.attempts + _more_tries(outcome)
        state = _state(outcome, pause)
        note = {"step": effect.step_id, "outcome": state, "attempts": attempts, "at": now.isoformat()}
        if outcome.error:
            note["reason"] = outcome.error
        group = Group(effect.step_id, [effect.person_id], [note], variables=effect.variables)
        if pause is not None:
            entries.append(group.ended("waiting", at_step=effect.step_id, wake_at=pause[0], reason=outcome.error))
        elif outcome.state == "unknown":
            # Without an instant to wake at: it waits for a person to say what became of it.
            entries.append(group.ended("waiting", at_step=effect.step_id, reason=OUTCOME_UNKNOWN))
        elif outcome.state == "skipped":
            status = "exited" if effect.reached or effect.may_have_arrived else "skipped"
            entries.append(group.ended(status, reason=outcome.error))
        elif outcome.state == "succeeded" or job.route.definition.step(effect.step_id).on_error == "continue":
            target = job.route.definition.target(effect.step_id, plan.port)
            onward.append(replace(group, step=target))
        else:
            entries.append(group.ended("failed", reason=outcome.error or outcome.state))
    return [*entries, *walk.run(_joined(onward))]


def _was_reached(effect: Effect, outcome: Outcome) -> bool:
    """Whether something has come to the person, or may have, by this effect or one before."""
    return effect.reached or outcome.arrived or effect.may_have_arrived


def _state(outcome: Outcome, pause: Again | None) -> str:
    """How an effect stands then: one that may be repeated and is not any more has failed."""
    return "failed" if outcome.state == "retry" and outcome.begun and pause is None else outcome.state


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


def _more_tries(outcome: Outcome) -> int:
    """Tries beyond the one that was recorded before it was made: one fewer where nothing was sent after all."""
    return outcome.tries - 1

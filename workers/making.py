"""What is sent to one person, or what comes of it without sending."""

from __future__ import annotations

from dataclasses import replace

from aggregates.allowance import Allowance
from aggregates.batch_job.standing import OUTCOME_UNKNOWN
from aggregates.secrets import MASKED, NONE_IN_USE, SecretsInUse
from aggregates.steps.base import Deliver
from aggregates.walk.walk import render
from engine.bootstrap import System
from projections.unknown_outcomes import CONFIRMED
from workers.attempts import Effect, SubBatch
from workers.delivery import Outcome, Outgoing, place_for
from workers.jobs import WorkingJob

DOWN = "destination.down"
"""Why a person is parked without a call: nothing has answered where they are sent to for a while."""


def without_sending(effect: Effect, plan: Deliver, batch: SubBatch) -> Outcome | None:
    """What comes of an effect that is not made now; None for one that is."""
    person_id, addressed = effect.person_id, batch.addressed
    if person_id in batch.gone:
        return Outcome(effect.id, "skipped", error=batch.gone[person_id])
    if effect.was == CONFIRMED:
        return Outcome(effect.id, "succeeded", error="outcome_decided")
    if effect.was == "started" and plan.on_unknown == "hold":
        return Outcome(effect.id, "unknown", error=OUTCOME_UNKNOWN)
    if person_id in addressed.skipped:
        return Outcome(effect.id, "skipped", error=addressed.skipped[person_id])
    if person_id in addressed.failed:
        return Outcome(effect.id, "failed", error=addressed.failed[person_id], tries=0)
    if effect.step_id in batch.down:
        return Outcome(effect.id, "retry", error=DOWN, tries=0)
    return None


def made(
    job: WorkingJob, effect: Effect, plan: Deliver, batch: SubBatch, secrets: SecretsInUse | None
) -> Outgoing | str:
    """The request for one person, or why there is none. Nothing else ever has secrets in it."""
    if secrets is None:
        return "secret.unknown"
    person = {effect.person_id: batch.people[effect.person_id]}
    known = secrets.values or MASKED
    rendered, broken = render(
        job.route, person, plan.request, effect.variables, now=batch.now, allowance=Allowance(), secrets=known
    )
    if broken:
        return next(iter(broken))
    request = rendered[effect.person_id]
    if plan.channel == "email":
        # The address that was compared, whatever a template would make of it now.
        request = {**request, "to": batch.addressed.to[effect.person_id]}
    return Outgoing(effect.id, plan.channel, request, place_for(plan), job.project_id, secrets)


class Making:
    """Requests of sub-batches, with the secrets that their steps name."""

    def __init__(self, system: System) -> None:
        self._system = system

    def requests(self, job: WorkingJob, batch: SubBatch) -> tuple[list[Outcome], list[Outgoing]]:
        """The outcomes of what is not sent, and what is."""
        known: list[Outcome] = []
        outgoing: list[Outgoing] = []
        in_use: dict[str, SecretsInUse | None] = {}
        for effect in batch.effects:
            plan = batch.plans[effect.step_id]
            outcome = without_sending(effect, plan, batch)
            if outcome is not None:
                known.append(outcome)
                continue
            asked = made(job, effect, plan, batch, self._secrets(job, effect.step_id, plan, in_use))
            if isinstance(asked, Outgoing):
                outgoing.append(asked)
            else:
                known.append(Outcome(effect.id, "failed", error=asked))
        return known, outgoing

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


def masked(outcome: Outcome, secrets: SecretsInUse) -> Outcome:
    """What the other side said, without the secrets that it was sent."""
    provider_id, error = secrets.masked(outcome.provider_id), secrets.masked(outcome.error)
    return replace(outcome, provider_id=provider_id, error=error)

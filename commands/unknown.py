"""Unknown outcomes: a person says what became of an effect that must not be repeated blindly."""

from __future__ import annotations

from dataclasses import dataclass

from aggregates.batch_job.aggregate import BatchJob
from aggregates.batch_job.standing import UNKNOWN_DECISIONS
from aggregates.errors import DomainError, Problem, invalid
from aggregates.values import NOBODY, parse_run_id, run_id
from commands.context import Accepted, Context
from commands.notes import checked_note
from commands.runs import run_answer


@dataclass(frozen=True)
class DecideUnknown:
    """Say what became of an effect whose outcome nobody knows. `retry` sends it again, with the same key.

    `delivered` lets the run go on as if it had been told so, `failed` ends it.
    """

    run_id: str
    decision: str
    note: str = ""


def decide_unknown(command: DecideUnknown, ctx: Context) -> Accepted:
    if command.decision not in UNKNOWN_DECISIONS:
        words = "delivered, retry or failed."
        raise invalid(
            "request.invalid", [Problem("/decision", "field.invalid", words, None, UNKNOWN_DECISIONS, "delivered")]
        )
    note = checked_note(command.note)
    parsed = parse_run_id(command.run_id)
    job = ctx.store.find(BatchJob, parsed[0], ctx.meta) if parsed else None
    if parsed is None or job is None or job.manual != (parsed[1] == NOBODY):
        raise DomainError("run.not_found")
    person_id = parsed[1]
    stood = ctx.ledger.run_status(job.id, person_id)
    if stood is None:
        raise DomainError("run.not_found")
    step_id = ctx.ledger.unknown_at(job.id, person_id)
    if step_id is not None:
        job.decide_unknown(person_id, step_id, decision=command.decision, note=note, meta=ctx.meta)
        effect_id = ctx.ids.derived("effect", run_id(job.id, person_id), step_id)
        stood = ctx.ledger.decide_unknown(
            job.id, person_id, effect_id=effect_id, decision=command.decision, now=ctx.meta.now
        )
    elif job.unknown_decided.get(person_id) != command.decision:
        raise DomainError("run.not_unknown", details={"status": stood})
    answer = run_answer(job, person_id, stood, ctx.store.save(job))
    told = {**answer.data, "decision": command.decision, "unknown_left": ctx.ledger.unknown_left(job.id)}
    return Accepted(answer.id, told, answer.position)

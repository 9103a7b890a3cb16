"""Where emails go: decided and compared in the transaction that records the attempts, and written to as compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import Connection, select, text

from aggregates.address import normalised
from aggregates.policy import Limits
from aggregates.steps.base import Deliver
from aggregates.workflow.sending import ELSEWHERE, Recipient, recipient_of
from engine.bootstrap import System
from projections.tables import projects
from workers import ledger
from workers.attempts import Addressed, Effect
from workers.jobs import WorkingJob

CHANGED = "address_changed"
"""Why a person is skipped whose address is not the one that was confirmed for them."""

UNDECLARED = "step.not_external"
"""Why an effect fails whose step type sends without saying so: no guard in front of people has heard of it."""

# A run of a job that an older version enrolled has no mark: its person was confirmed without an address.
_CONFIRMED = text(
    "SELECT r.person_id, p.address FROM runs r JOIN people p ON p.id = r.person_id "
    "WHERE r.job_id = :job_id AND r.person_id = ANY (CAST(:ids AS bigint[])) AND p.address IS NOT NULL "
    "AND (r.address_mark IS NULL OR r.address_mark = hashtextextended(p.address, :seed))"
)


# An address is opted out by itself, and by any person who has it and opted out.
_STOPPED = text(
    "SELECT p.address, 'opted_out' AS reason FROM people p WHERE p.project_id = :project_id "
    "AND p.address = ANY (CAST(:addresses AS text[])) AND (p.opted_out_at IS NOT NULL OR EXISTS (SELECT FROM "
    "person_opt_outs o WHERE o.person_id = p.id AND o.topic = ANY (CAST(:topics AS text[])))) "
    "UNION ALL SELECT address, 'opted_out' FROM opt_outs WHERE project_id = :project_id "
    "AND address = ANY (CAST(:addresses AS text[])) AND topic = ANY (CAST(:topics AS text[])) "
    "UNION ALL SELECT address, 'suppressed' FROM suppressions WHERE project_id = :project_id "
    "AND address = ANY (CAST(:addresses AS text[]))"
)


def addressed(
    connection: Connection, system: System, job: WorkingJob, effects: Sequence[Effect], plans: Mapping[str, Deliver]
) -> Addressed:
    """Look at every effect before it is made. Addresses are those of this moment, and of this transaction."""
    found = Addressed()
    people: list[int] = []
    literals: dict[int, str] = {}
    for effect in effects:
        plan, step = plans[effect.step_id], job.route.definition.step(effect.step_id)
        if not step.type.external:
            found.failed[effect.person_id] = UNDECLARED
            continue
        if plan.channel != "email":
            continue
        recipient = recipient_of(plan.request, job.route.definition.trigger)
        address = _named(job, recipient) if step.type.sends_email else None
        if recipient.kind == "person" and step.type.sends_email:
            people.append(effect.person_id)
        elif address is None:
            found.failed[effect.person_id] = ELSEWHERE
        elif recipient.kind == "literal":
            literals[effect.person_id] = address
        else:
            found.to[effect.person_id] = address
    if found.to:
        _take_out_stopped(connection, job, found)
    if people:
        _add_confirmed(connection, system, job.id, people, found)
    if literals:
        _add_listed(connection, system, job.project_id, literals, found)
    return found


def _named(job: WorkingJob, recipient: Recipient) -> str | None:
    """The address that an input or the step itself names, normalised."""
    if recipient.kind == "input":
        return normalised(str((job.route.inputs or {}).get(recipient.value) or ""))
    return recipient.value or None


def _take_out_stopped(connection: Connection, job: WorkingJob, found: Addressed) -> None:
    """Of the addresses that inputs name, those that opted out or are suppressed are not written to."""
    topics = list(job.reach.topics)
    asked = {"project_id": job.project_id, "addresses": list(found.to.values()), "topics": topics}
    stopped = {row.address: row.reason for row in connection.execute(_STOPPED, asked)}
    for person_id in [id for id, address in found.to.items() if address in stopped]:
        found.skipped[person_id] = stopped[found.to.pop(person_id)]


def _add_confirmed(
    connection: Connection, system: System, job_id: UUID, people: Sequence[int], found: Addressed
) -> None:
    """People are written to at the address that was confirmed, if it is theirs still."""
    asked = {"job_id": job_id, "ids": ledger.as_array(people), "seed": system.audiences.seeds.mark}
    found.to.update({row.person_id: row.address for row in connection.execute(_CONFIRMED, asked)})
    found.skipped.update({id: CHANGED for id in people if id not in found.to})


def _add_listed(
    connection: Connection, system: System, project_id: UUID, literals: Mapping[int, str], found: Addressed
) -> None:
    """Colleagues are written to as long as the policy lists them."""
    limits = connection.execute(select(projects.c.limits).where(projects.c.id == project_id)).scalar()
    listed = system.policy.narrowed([Limits.of(limits)]).notify_addresses
    for person_id, address in literals.items():
        if address in listed:
            found.to[person_id] = address
        else:
            found.failed[person_id] = ELSEWHERE

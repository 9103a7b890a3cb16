"""Where emails go: decided and compared in the transaction that records the attempts, and written to as compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from aggregates.address import normalised
from aggregates.policy import Policy
from aggregates.steps.base import Deliver
from aggregates.walk.world import CHANGED
from aggregates.workflow.sending import ELSEWHERE, Recipient, recipient_of
from engine.bootstrap import System
from projections.failed_runs import NO_ADDRESS
from workers import ledger
from workers.attempts import Addressed, SubBatch
from workers.jobs import WorkingJob
from workers.policies import read

UNDECLARED = "step.not_external"
"""Why an effect fails whose step type sends without saying so: no guard in front of people has heard of it."""

# A run of a job that an older version enrolled has no mark: its person was confirmed without an address.
_COMPARED = (
    "SELECT r.person_id, p.email, p.address, r.address_mark IS NOT NULL AS marked, "
    "r.address_mark IS NOT DISTINCT FROM "
    "coalesce(hashtextextended(coalesce(p.address, p.email), :seed), :none) AS same "
)
_CONFIRMED = text(
    f"{_COMPARED} FROM runs r LEFT JOIN people p ON p.id = r.person_id "
    "WHERE r.job_id = :job_id AND r.person_id = ANY (CAST(:ids AS bigint[]))"
)
_ENTERED = text(
    f"{_COMPARED} FROM unnest(CAST(:ids AS bigint[]), CAST(:marks AS bigint[])) AS r (person_id, address_mark) "
    "LEFT JOIN people p ON p.id = r.person_id"
)


def addressed(
    connection: Connection, system: System, job: WorkingJob, batch: SubBatch, plans: Mapping[str, Deliver]
) -> Addressed:
    """Look at every effect before it is made. Addresses are those of this moment, and of this transaction.

    Whoever has another address than was confirmed is skipped whatever the effect is: a webhook tells of addresses too.
    """
    found = Addressed()
    people: list[int] = []
    literals: dict[int, str] = {}
    for effect in batch.effects:
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
    if literals:
        _add_listed(read(connection, system.policy, job.project_id), literals, found)
    confirmed, changed = _compared(connection, system, job.id, batch)
    found.to.update({id: confirmed[id] for id in people if id in confirmed})
    gone = changed.union(people).difference(confirmed, found.failed)
    found.skipped.update({id: CHANGED for id in gone if id not in found.skipped})
    return found


def _named(job: WorkingJob, recipient: Recipient) -> str | None:
    """The address that an input or the step itself names, normalised."""
    if recipient.kind == "input":
        return normalised(str((job.route.inputs or {}).get(recipient.value) or ""))
    return recipient.value or None


def _compared(connection: Connection, system: System, job_id: UUID, batch: SubBatch) -> tuple[dict[int, str], set[int]]:
    """The addresses of those whose address is the confirmed one still, and those who have another one, or none."""
    ids = ledger.as_array([effect.person_id for effect in batch.effects])
    confirmed: dict[int, str] = {}
    changed: set[int] = set()
    for row in connection.execute(_CONFIRMED, {"job_id": job_id, "ids": ids, **_seed(system)}):
        # What templates are given was read a moment before: an address may come and go in between.
        shown = batch.people.get(row.person_id, {}).get("email")
        if row.marked and not (row.same and shown == row.email):
            changed.add(row.person_id)
        elif row.address is not None:
            confirmed[row.person_id] = row.address
    return confirmed, changed


def changed(
    connection: Connection,
    system: System,
    job_id: UUID,
    shown: Mapping[int, Mapping[str, Any]],
    marks: Mapping[int, int | None],
) -> set[int]:
    """Those of these people, as they were read just now, whose address is not the one that was confirmed.

    `marks` are those of a chunk of which there are no runs yet.
    """
    ids = list(shown)
    if marks:
        entered = {"ids": ledger.as_array(ids), "marks": ledger.as_array(marks[id] or NO_ADDRESS for id in ids)}
        rows = connection.execute(_ENTERED, {**entered, **_seed(system)})
    else:
        rows = connection.execute(_CONFIRMED, {"job_id": job_id, "ids": ledger.as_array(ids), **_seed(system)})
    return {
        row.person_id
        for row in rows
        if row.marked and not (row.same and row.email == shown[row.person_id].get("email"))
    }


def _seed(system: System) -> dict[str, int]:
    return {"seed": system.audiences.seeds.mark, "none": NO_ADDRESS}


def _add_listed(policy: Policy, literals: Mapping[int, str], found: Addressed) -> None:
    """Colleagues are written to as long as the policy lists them."""
    for person_id, address in literals.items():
        if address in policy.notify_addresses:
            found.to[person_id] = address
        else:
            found.failed[person_id] = ELSEWHERE

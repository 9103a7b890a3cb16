"""Who has had as many messages as the policy lets one person get, asked once more before each message.

The audience was asked when people were enrolled; since then another job, or an earlier step, may have sent to them.
Jobs that are about to send to the same person take turns, and each attempt that is recorded counts for the next one.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, text

from aggregates.reach import PerPerson
from projections.exclusions import MADE
from workers import ledger
from workers.attempts import SubBatch
from workers.jobs import WorkingJob
from workers.policies import Policies

CAPPED = "capped"

# In the order of the ids, so that two transactions which are about the same people do not wait for each other.
_ALONE = text("SELECT pg_advisory_xact_lock(hashint8extended(t.id, -8)) FROM unnest(CAST(:ids AS bigint[])) AS t (id)")
_HAD = text(
    "SELECT e.person_id FROM effects e WHERE e.person_id = ANY (CAST(:ids AS bigint[])) AND e.started_at > :since "
    "AND e.state = ANY (:made) AND NOT e.id = ANY (CAST(:own AS uuid[])) "
    "GROUP BY e.person_id HAVING count(*) >= :messages"
)


def leave_out(connection: Connection, policies: Policies, job: WorkingJob, batch: SubBatch) -> None:
    """Skip those whom the project's cap does not let have one more, where anything would be sent to them."""
    cap = policies.of(connection, job.project_id).per_person
    if cap is None or job.route.inputs is not None:
        return
    found, own = batch.addressed, {effect.id: effect.person_id for effect in batch.effects}
    for id in capped(connection, cap, own, batch.now).difference(found.failed):
        found.skipped.setdefault(id, CAPPED)
        found.to.pop(id, None)


def capped(connection: Connection, cap: PerPerson, own: dict[UUID, int], now: datetime) -> set[int]:
    """Those of these people who may get none now. `own` are the recorded attempts that are asked about, by person.

    In the transaction of those attempts.
    """
    ids = ledger.as_array(sorted(own.values()))
    connection.execute(_ALONE, {"ids": ids})
    since = now - timedelta(days=cap.days)
    asked = {"ids": ids, "since": since, "made": list(MADE), "own": list(own), "messages": cap.messages}
    return set(connection.execute(_HAD, asked).scalars())

"""What the guard keeps beside the log, in the command's transaction: sizings, and how many people were asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Connection, Text, any_, bindparam, select, text
from sqlalchemy.dialects.postgresql import insert

from aggregates.policy import Limits, Policy
from commands.context import Payer
from projections.tables import api_keys, projects, reach, sizings

# A job that was rejected, or ended before anybody was enrolled, gives its people back.
_COUNTING = (
    "FROM reach r JOIN stream_heads h ON h.id = r.job_id "
    "WHERE r.project_id = :project_id AND r.at > :instant AND h.status <> 'rejected' "
    "AND NOT (h.status IN ('failed', 'cancelled') AND NOT EXISTS (SELECT 1 FROM jobs_at_work j WHERE j.id = r.job_id))"
)
# Keys stay when they are revoked, so what a revoked one asked for still counts for its makers.
_BELOW = (
    "ARRAY(SELECT k.id FROM api_keys k WHERE k.project_id = :project_id AND :principal = ANY(k.chain)) "
    "|| CAST(:principal AS text)"
)
_SINCE = text(
    "SELECT coalesce(sum(r.people), 0), coalesce(sum(r.people) FILTER (WHERE r.workflow_id = :workflow_id), 0) "
    f"{_COUNTING} AND r.principal = ANY({_BELOW})"
)
_LATELY = text(
    f"SELECT r.job_id {_COUNTING} AND r.principal = :principal AND r.workflow_id = :workflow_id "
    "AND r.people = :people ORDER BY r.at DESC LIMIT :limit"
)
_MAKERS = (
    select(api_keys.c.id, api_keys.c.agent, api_keys.c.limits, projects.c.limits.label("project_limits"))
    .join(projects, projects.c.id == api_keys.c.project_id)
    .where(
        api_keys.c.project_id == bindparam("project_id"), api_keys.c.id == any_(bindparam("chain", type_=ARRAY(Text)))
    )
)
LOOKED_AT = 20
"""The latest jobs among which a repeated request is looked for."""
_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, -6))")


class SizingsPort:
    """What sizings said, under the digests of their tokens."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def keep(self, id: str, project_id: UUID, claims: Mapping[str, Any]) -> None:
        expires_at = datetime.fromtimestamp(claims["expires_at"], UTC)
        row = {"id": id, "project_id": project_id, "claims": dict(claims), "expires_at": expires_at}
        self._connection.execute(insert(sizings).values(row))

    def find(self, id: str) -> Mapping[str, Any] | None:
        claims: Mapping[str, Any] | None = self._connection.execute(
            select(sizings.c.claims).where(sizings.c.id == id)
        ).scalar()
        return claims


class ReachPort:
    """How many people each principal has asked to reach; `policy` is the installation's."""

    def __init__(self, connection: Connection, policy: Policy) -> None:
        self._connection = connection
        self._policy = policy

    def makers(self, project_id: UUID, chain: Sequence[str]) -> list[Payer]:
        rows = self._connection.execute(_MAKERS, {"project_id": project_id, "chain": list(chain)})
        found = {row.id: Payer(row.id, self._policy_of(row), row.agent) for row in rows}
        return [found[id] for id in chain if id in found]

    def _policy_of(self, row: Any) -> Policy:
        return self._policy.narrowed([Limits.of(row.project_limits), Limits.of(row.limits)])

    def lock(self, project_id: UUID, principal: str) -> None:
        self._connection.execute(_ALONE, {"name": f"{project_id} {principal}"})

    def since(self, project_id: UUID, principal: str, workflow_id: UUID, instant: datetime) -> tuple[int, int]:
        who = {"project_id": project_id, "principal": principal, "workflow_id": workflow_id, "instant": instant}
        row = self._connection.execute(_SINCE, who).one()
        return int(row[0]), int(row[1])

    def lately(
        self, project_id: UUID, principal: str, workflow_id: UUID, people: int, instant: datetime
    ) -> Sequence[UUID]:
        who = {"project_id": project_id, "principal": principal, "workflow_id": workflow_id, "instant": instant}
        found = self._connection.execute(_LATELY, {**who, "people": people, "limit": LOOKED_AT}).scalars()
        return [UUID(str(id)) for id in found]

    def add(
        self, project_id: UUID, principal: str, *, workflow_id: UUID, job_id: UUID, people: int, at: datetime
    ) -> None:
        row = {"project_id": project_id, "principal": principal, "workflow_id": workflow_id, "people": people}
        self._connection.execute(insert(reach).values(**row, job_id=job_id, at=at).on_conflict_do_nothing())

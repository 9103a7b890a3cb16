"""Who set a project's policy as it stands, and when. No view of it: the log says it in one row."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Engine, select

from aggregates.project.events import PolicySet
from projections.tables import log


def policy_set(engine: Engine, project_id: UUID) -> dict[str, Any]:
    """`set_by` and `set_at`; None where nobody has set it since projects are recorded."""
    latest = (
        select(log.c.actor, log.c.recorded_at)
        .where(log.c.originator_id == project_id, log.c.topic == PolicySet.TOPIC)
        .order_by(log.c.originator_version.desc())
        .limit(1)
    )
    with engine.connect() as connection:
        row = connection.execute(latest).first()
    return {"set_by": row.actor if row else None, "set_at": row.recorded_at if row else None}

"""People as a sizing shows them: masked, enough to recognise somebody whom one knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from projections.tables import people


def sample(conn: Connection, project_id: UUID, ids: Sequence[int] | None) -> list[dict[str, Any]]:
    """The named people, masked: enough to recognise somebody whom one knows."""
    chosen = select(people.c.id, people.c.distinct_id, people.c.email).where(
        people.c.project_id == project_id, people.c.id.in_(ids or [])
    )
    return [
        {"id": row.id, "distinct_id": mask(row.distinct_id), "email": mask_email(row.email)}
        for row in conn.execute(chosen.order_by(people.c.id))
    ]


def mask(text: str) -> str:
    """`user-1042` as `us…42`; of a short text only the first character."""
    return f"{text[:2]}…{text[-2:]}" if len(text) >= 7 else f"{text[:1]}…"


def mask_email(email: str | None) -> str | None:
    """`anna@example.com` as `a…@e….com`."""
    if not email:
        return None
    name, _, domain = email.rpartition("@")
    host, dot, top = domain.rpartition(".")
    return f"{name[:1]}…@{host[:1]}…{dot}{top}"

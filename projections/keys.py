"""API keys as their project sees them: everything but what would let somebody in.

`stream_id` is where the log tells of a key.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from aggregates.base import Principal
from aggregates.key.events import stream_of
from projections.page import Reader
from projections.tables import api_keys

HIDDEN = frozenset({"hash", "project_id"})


class KeyReads(Reader):
    """Keys of the principal's project."""

    def list(self, principal: Principal) -> list[dict[str, Any]]:
        """Oldest first; a project has few."""
        self.authorize(principal, "keys.list")
        shown = [column for column in api_keys.c if column.name not in HIDDEN]
        with self.engine.connect() as connection:
            rows = connection.execute(
                select(*shown)
                .where(api_keys.c.project_id == principal.project_id)
                .order_by(api_keys.c.created_at, api_keys.c.id)
                .limit(1_000)
            )
            return [{**row._mapping, "stream_id": stream_of(row.id)} for row in rows]

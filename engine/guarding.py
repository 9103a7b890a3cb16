"""What the guard keeps beside the log, in the command's transaction: what sizings said."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, insert, select

from projections.tables import sizings


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

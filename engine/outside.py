"""What the events of one append keep outside the log, on its way there."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from aggregates.outside import digest_of
from engine.ids import new_salt

_STORE = text(
    "INSERT INTO outside (digest, project_id, salt, value, stored_at) "
    "SELECT digest, :project_id, salt, CAST(value AS json), :now "
    "FROM unnest(CAST(:digests AS text[]), CAST(:salts AS bytea[]), CAST(:values AS text[])) AS k (digest, salt, value)"
)


class Kept:
    """Values to be kept, each under a salt of its own."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, bytes, str]] = []
        self._texts: dict[str, str] = {}

    def keep(self, value: Any) -> str:
        """Take a value; the digest that stands for it. A text that several events of an append share is kept once."""
        if isinstance(value, str) and value in self._texts:
            return self._texts[value]
        salt = new_salt()
        digest, canonical = digest_of(salt, value)
        self._rows.append((digest, salt, canonical))
        if isinstance(value, str):
            self._texts[value] = digest
        return digest

    def store(self, connection: Connection, project_id: UUID, now: datetime) -> None:
        """Write the rows in the caller's transaction; nothing is sent when there are none."""
        if not self._rows:
            return
        digests, salts, values = (list(column) for column in zip(*self._rows, strict=True))
        parameters = {"project_id": project_id, "now": now, "digests": digests, "salts": salts, "values": values}
        connection.execute(_STORE, parameters)

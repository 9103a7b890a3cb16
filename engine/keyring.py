"""API keys: made, looked up in constant time, changed, revoked.

A key is `tg_live_<id>_<secret>`. The secret has 256 bits; what is stored is an HMAC of the whole key under a
pepper that the database does not hold, so a stolen table opens nothing.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Engine, bindparam, insert, or_, select, update

from aggregates.base import Principal, Source
from aggregates.errors import DomainError
from aggregates.policy import Limits
from engine.ids import new_secret
from projections.tables import api_keys, projects

PREFIX = "tg_live_"
LONGEST = 200
"""Longest credential that is looked at, in characters."""

USE_IS_NOTED_EVERY = timedelta(minutes=1)

_NAMED = ("name", "scopes", "agent", "limits", "rate_per_minute", "expires_at", "revoked_at", "owner", "chain")
TERMS = [api_keys.c[name] for name in _NAMED]

_HOLDER = (
    select(api_keys, projects.c.limits.label("project_limits"))
    .join(projects, projects.c.id == api_keys.c.project_id)
    .where(api_keys.c.id == bindparam("key_id"))
)
"""Built once: every request asks it."""


@dataclass(frozen=True)
class Keyring:
    """The keys of all projects; `pepper` is derived from the secret key."""

    pepper: bytes

    def create(self, connection: Connection, project_id: UUID, *, now: datetime, **fields: Any) -> tuple[str, str]:
        """A new key: its id, and for this one time its plain text."""
        key_id = "".join(c for c in new_secret(12) if c.isalnum())[:12]
        plain = f"{PREFIX}{key_id}_{new_secret(32)}"
        connection.execute(
            insert(api_keys).values(id=key_id, project_id=project_id, hash=self._hash(plain), created_at=now, **fields)
        )
        return key_id, plain

    def terms(self, connection: Connection, project_id: UUID, key_id: str) -> Mapping[str, Any] | None:
        """What a key is, but for what lets one in; nobody else changes it until the transaction is over."""
        row = connection.execute(select(*TERMS).where(*_one(project_id, key_id)).with_for_update()).first()
        return None if row is None else dict(row._mapping)

    def change(self, connection: Connection, project_id: UUID, key_id: str, **fields: Any) -> None:
        """Set some of its columns; requests that come later find them changed."""
        connection.execute(update(api_keys).where(*_one(project_id, key_id)).values(**fields))

    def authenticate(self, engine: Engine, credential: str, *, source: Source, now: datetime) -> Principal:
        """Who holds this key. Unknown, revoked and expired keys are refused alike, after the same work."""
        if len(credential) > LONGEST or not credential.isascii() or "\0" in credential:
            credential = ""
        key_id = credential.removeprefix(PREFIX).partition("_")[0]
        with engine.connect() as connection:
            row = connection.execute(_HOLDER, {"key_id": key_id}).first()
        stored = row.hash if row else bytes(32)
        genuine = hmac.compare_digest(stored, self._hash(credential))
        if row is None or not genuine or row.revoked_at or (row.expires_at and row.expires_at <= now):
            raise DomainError("auth.invalid")
        self._note_use(engine, row.id, row.last_used_at, now)
        return Principal(
            project_id=row.project_id,
            id=row.id,
            scopes=frozenset(row.scopes),
            source=source,
            name=row.name,
            agent=row.agent,
            limits=(Limits.of(row.project_limits), Limits.of(row.limits)),
            rate_per_minute=row.rate_per_minute,
            expires_at=row.expires_at,
            owner=row.owner,
            chain=tuple(row.chain),
        )

    def _note_use(self, engine: Engine, key_id: str, last: datetime | None, now: datetime) -> None:
        if last is not None and now - last < USE_IS_NOTED_EVERY:
            return
        stale = or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at <= now - USE_IS_NOTED_EVERY)
        with engine.begin() as connection:
            connection.execute(update(api_keys).where(api_keys.c.id == key_id, stale).values(last_used_at=now))

    def _hash(self, plain: str) -> bytes:
        return hmac.new(self.pepper, plain.encode(), hashlib.sha256).digest()


def _one(project_id: UUID, key_id: str) -> tuple[ColumnElement[bool], ...]:
    return api_keys.c.id == key_id, api_keys.c.project_id == project_id

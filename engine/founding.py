"""A project's first moments: itself and its owner key, with what the log says of both."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection

from aggregates.base import Meta
from aggregates.key.aggregate import Key
from aggregates.policy import Limits
from aggregates.project.aggregate import Project
from commands.grants import SCOPES
from commands.key_terms import KeyTerms
from engine.keyring import Keyring
from engine.store import LogRecorder, Store

OWNER = KeyTerms("owner", tuple(sorted(SCOPES)), agent=False, limits=Limits(), rate_per_minute=None, expires_at=None)


def begin_project(connection: Connection, recorder: LogRecorder, keyring: Keyring, name: str, meta: Meta) -> str:
    """Record a project whose row was just made, and give it its owner key: the plain text, for this one time.

    The owner key begins a chain of its own.
    """
    project_id: UUID = meta.principal.project_id
    made = {"made_by": meta.principal.id, "made_via": meta.via}
    key_id, plain = keyring.create(connection, project_id, now=meta.now, **OWNER.as_columns(), **made)
    key = Key.create(key_id, OWNER.as_data(), owner=None, chain=(), meta=meta)
    Store(connection, recorder).save(Project.create(name, meta=meta), key)
    return plain

"""The unit of work: one database transaction, and the ports that a handler needs inside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, select, text, update
from sqlalchemy.dialects.postgresql import insert

from aggregates.base import Meta
from aggregates.errors import DomainError
from aggregates.policy import Policy
from commands.context import Accepted, Context
from engine import ids
from engine.fence import Fence
from engine.guarding import ReachPort, SizingsPort
from engine.keyring import Keyring
from engine.people_port import PeoplePort
from engine.ports import KeysPort, LedgerPort, ProjectsPort
from engine.store import LogRecorder, Store
from engine.vault import SecretsPort, Vault
from projections import failpoints
from projections.audience import Audiences
from projections.tables import idempotency_keys


@dataclass(frozen=True)
class Parts:
    """What every unit of work shares."""

    engine: Engine
    fence: Fence
    recorder: LogRecorder
    audiences: Audiences
    keyring: Keyring
    policy: Policy
    people_per_chunk: Callable[[int], int]
    vault: Vault
    base_url: str


class NewIds:
    """Chance, for handlers."""

    new = staticmethod(ids.new_id)
    derived = staticmethod(ids.derived_id)

    def nonce(self) -> str:
        return ids.new_secret(16)


class Unit:
    """One open transaction."""

    def __init__(self, connection: Connection, parts: Parts) -> None:
        self._connection = connection
        self._parts = parts
        self.claims = IdempotencyClaims(connection)
        self._store = Store(connection, parts.recorder)

    @property
    def appended(self) -> int | None:
        return self._store.appended

    def context(self, meta: Meta) -> Context:
        parts = self._parts
        return Context(
            meta=meta,
            store=self._store,
            people=PeoplePort(self._connection, parts.audiences, parts.people_per_chunk),
            ledger=LedgerPort(self._connection),
            keys=KeysPort(self._connection, parts.keyring),
            projects=ProjectsPort(self._connection),
            policy=parts.policy.narrowed(meta.principal.limits),
            sizings=SizingsPort(self._connection),
            spending=ReachPort(self._connection, parts.policy),
            ids=NewIds(),
            secrets=SecretsPort(self._connection, parts.vault),
            is_fenced=lambda: parts.fence.is_up(self._connection),
            base_url=parts.base_url,
        )


@contextmanager
def unit_of_work(parts: Parts) -> Iterator[Unit]:
    """A transaction that commits when the block ends and leaves nothing behind when it raises."""
    with parts.engine.begin() as connection:
        yield Unit(connection, parts)
        failpoints.reach("before_commit")
    failpoints.reach("committed")


class IdempotencyClaims:
    """One row a key, written in the transaction of the command that it stands for."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def claim(self, meta: Meta, command: str, body_digest: str) -> Accepted | None:
        identity = _identity(meta, command)
        lock = ids.derived_id(*identity.values()).int >> 65
        free = self._connection.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": lock}).scalar()
        if not free:
            raise DomainError("idempotency.in_flight")
        table = idempotency_keys
        row = self._connection.execute(select(table).filter_by(**identity)).first()
        if row is None:
            self._connection.execute(insert(table).values(**identity, body_digest=body_digest, created_at=meta.now))
            return None
        if row.body_digest != body_digest:
            raise DomainError("idempotency.mismatch")
        told = row.answer
        return Accepted(told["id"], told["data"], told["position"], changed=told.get("changed", told["position"] > 0))

    def settle(self, meta: Meta, command: str, answer: Accepted) -> None:
        kept = {name: getattr(answer, name) for name in ("id", "position", "changed")} | {"data": dict(answer.data)}
        self._connection.execute(update(idempotency_keys).filter_by(**_identity(meta, command)).values(answer=kept))


def _identity(meta: Meta, command: str) -> dict[str, Any]:
    return {
        "project_id": meta.principal.project_id,
        "principal_id": meta.principal.id,
        "command": command,
        "key": meta.idempotency_key,
    }

"""Sessions of the older MCP protocols: what one says is signed into its id, so that every process knows it.

Nothing is kept for a session but its end, until its age would have ended it anyway.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy import Engine, select
from sqlalchemy.dialects.postgresql import insert

from aggregates.base import Principal
from engine.clock import Clock
from engine.ids import new_secret
from projections.tables import ended_sessions

LONGEST = 4_096
"""Longest session id that is looked at, in characters."""


@dataclass(frozen=True)
class Session:
    """An open session: the version of the protocol that was agreed, and what the client calls itself."""

    id: str
    version: str
    client: str
    ends_at: datetime


class Sessions:
    """Opens sessions, finds them again in any process that has the same secret, and ends them for all."""

    def __init__(self, engine: Engine, key: bytes, clock: Clock, hours: int) -> None:
        self._engine = engine
        self._clock = clock
        self._age = timedelta(hours=hours)
        self._serializer = URLSafeSerializer(
            key, salt="mcp session", signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256}
        )

    def open(self, principal: Principal, *, version: str, client: str) -> str:
        """The id of a new session: visible ASCII, readable by its client, made only by us."""
        made = int(self._clock.now().timestamp())
        ends = made + int(self._age.total_seconds())
        owner = [principal.project_id.hex, principal.id]
        return str(self._serializer.dumps([*owner, made, ends, version, client, new_secret(12)]))

    def find(self, id: str, principal: Principal) -> Session | None:
        """The session, if it is the principal's and is open: forged, foreign, too old and ended are all unknown."""
        session = self._opened(id, principal)
        if session is None or session.ends_at <= self._clock.now():
            return None
        with self._engine.connect() as connection:
            ended = connection.execute(select(ended_sessions.c.id).where(ended_sessions.c.id == _digest(id))).first()
        return session if ended is None else None

    def end(self, session: Session) -> None:
        """End it, for every process, from now on."""
        row = {"id": _digest(session.id), "expires_at": session.ends_at}
        with self._engine.begin() as connection:
            connection.execute(insert(ended_sessions).values(row).on_conflict_do_nothing())

    def _opened(self, id: str, principal: Principal) -> Session | None:
        if len(id) > LONGEST:
            return None
        try:
            project, owner, made, ends, version, client, _ = self._serializer.loads(id)
        except (BadData, ValueError):
            return None
        if (UUID(project), owner) != (principal.project_id, principal.id):
            return None
        # A shorter age that was chosen since counts for the sessions that are open, too.
        ends_at = min(datetime.fromtimestamp(ends, UTC), datetime.fromtimestamp(made, UTC) + self._age)
        return Session(id, version, client, ends_at)


def _digest(id: str) -> str:
    """What is stored of an id: the table opens no session."""
    return hashlib.sha256(id.encode()).hexdigest()

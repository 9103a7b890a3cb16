"""The key: made, changed, revoked once and for good.

| from   | command | to      |
|--------|---------|---------|
| -      | create  | active  |
| active | change  | active  |
| active | revoke  | revoked |
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Self

from aggregates.base import Aggregate, Event, Meta
from aggregates.errors import DomainError
from aggregates.key.events import KeyChanged, KeyCreated, KeyFound, KeyRevoked, stream_of
from aggregates.lineage import heads_of, one_head
from aggregates.shape import changes

TERMS = ("name", "scopes", "agent", "limits", "rate_per_minute", "expires_at")
"""What of a key can change."""


class Key(Aggregate):
    TOPIC = "key"
    KIND = "key"

    # -- commands

    @classmethod
    def create(
        cls, key_id: str, terms: Mapping[str, Any], *, owner: str | None, chain: Collection[str], meta: Meta
    ) -> Self:
        """A new key; `terms` are plain data that the caller has validated."""
        return cls.begin(KeyCreated, stream_of(key_id), meta, **_facts(key_id, terms, owner, chain))

    @classmethod
    def found(
        cls, key_id: str, terms: Mapping[str, Any], *, owner: str | None, chain: Collection[str], meta: Meta
    ) -> Self:
        """A key from before keys were recorded, as it stands."""
        return cls.begin(KeyFound, stream_of(key_id), meta, **_facts(key_id, terms, owner, chain))

    def change(self, terms: Mapping[str, Any], *, widened: Collection[str], meta: Meta) -> None:
        """Give it other terms; `widened` has the pointers of what has more room then. Equal terms record nothing."""
        if self.status == "revoked":
            raise DomainError("key.revoked")
        if widened:
            self.may_lift(meta)
        found = list(changes("", {name: getattr(self, name) for name in TERMS}, dict(terms)))
        if found:
            self.emit(KeyChanged, meta, changes=found, widened=sorted(widened))

    def revoke(self, *, meta: Meta) -> None:
        """End it. Anybody who may administer keys may do so, its own chain as well."""
        if self.status != "revoked":
            self.emit(KeyRevoked, meta)

    # -- guards

    def may_lift(self, meta: Meta) -> None:
        """Refused to who lacks a scope of it, and to whoever counts as one with it."""
        missing = sorted(set(self.scopes) - meta.principal.scopes)
        if missing:
            message = f"Who lifts a limit of a key has all its scopes; {' and '.join(missing)} is missing."
            raise DomainError("scope.missing", message, details={"missing": missing})
        if one_head({self.key_id, self.owner or "", *self.chain}, heads_of(meta.principal)):
            raise DomainError("key.own_chain")

    # -- facts

    def evolve(self, event: Event) -> None:
        match event:
            case KeyCreated() | KeyFound():
                self.key_id = event.key_id
                self.name = event.name
                self.scopes = event.scopes
                self.agent = event.agent
                self.limits = event.limits
                self.rate_per_minute = event.rate_per_minute
                self.expires_at = event.expires_at
                self.owner = event.owner
                self.chain = event.chain
                self.status = "active"
            case KeyChanged():
                for change in event.changes:
                    self._set(change["pointer"].split("/")[1:], change["after"])
            case KeyRevoked():
                self.status = "revoked"

    def _set(self, path: list[str], value: Any) -> None:
        """A term, or one of its limits; one that is None narrows nothing."""
        if path[0] != "limits" or len(path) == 1:
            setattr(self, path[0], value)
            return
        kept = {name: limit for name, limit in self.limits.items() if name != path[1]}
        self.limits = kept if value is None else {**kept, path[1]: value}


def _facts(key_id: str, terms: Mapping[str, Any], owner: str | None, chain: Collection[str]) -> dict[str, Any]:
    return {"key_id": key_id, **{name: terms[name] for name in TERMS}, "owner": owner, "chain": list(chain)}

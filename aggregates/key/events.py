"""What can happen to an API key. Neither its text nor the hash of it ever appears here."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

from aggregates.base import CreatedEvent, Event
from aggregates.outside import changes_parts, limits_parts

# Fixed for ever: the stream of every key in every stored log depends on it.
_NAMESPACE = UUID("b2a8d3c4-5a0e-5f4b-8e65-0f6a7c1d9e27")


def stream_of(key_id: str) -> UUID:
    """The stream of a key: its id is a text of its own."""
    return uuid5(_NAMESPACE, key_id)


class KeyCreated(CreatedEvent):
    """Somebody made a key. `chain` has the keys that made it, oldest first, `owner` is the user who answers for it."""

    TOPIC = "key.created.v1"
    OUTSIDE = ("name",)
    PARTED = {"limits": limits_parts}
    key_id: str
    name: str
    scopes: list[str]
    agent: bool
    limits: dict[str, Any]
    rate_per_minute: int | None
    expires_at: str | None
    owner: str | None
    chain: list[str]


class KeyFound(CreatedEvent):
    """A key from before keys were recorded, as it stood when somebody first changed it: nobody knows who made it."""

    TOPIC = "key.found.v1"
    OUTSIDE = ("name",)
    PARTED = {"limits": limits_parts}
    key_id: str
    name: str
    scopes: list[str]
    agent: bool
    limits: dict[str, Any]
    rate_per_minute: int | None
    expires_at: str | None
    owner: str | None
    chain: list[str]


class KeyChanged(Event):
    """What a key may do is different. `changes` is leaf by leaf: `{pointer, before, after}`; `widened` has the pointers
    of those that give it more room than before.
    """

    TOPIC = "key.changed.v1"
    PARTED = {"changes": changes_parts}
    changes: list[dict[str, Any]]
    widened: list[str]


class KeyRevoked(Event):
    TOPIC = "key.revoked.v1"

"""What comes of one call. One attempt is one call: the next one is made later, by whoever looks at the run then.

A call ends in one of these ways: it succeeded, it failed for good, it may be repeated, or nobody knows whether it
arrived. The last is repeated with the same idempotency key, unless the step says `hold`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from aggregates.secrets import NONE_IN_USE, SecretsInUse
from workers.delivery.places import Heard, Place

RETRY_AFTER_LIMIT = 24 * 3600.0
"""Longest time that a receiver may ask us to wait, in seconds."""

ERROR_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One effect to make. `request` is what the step's `Deliver` rendered to.

    `secrets` are in the request, which is therefore never shown. `place` is where it goes.
    """

    effect_id: UUID
    channel: str
    request: Mapping[str, Any] = field(repr=False)
    place: Place
    project_id: UUID
    secrets: SecretsInUse = NONE_IN_USE

    @property
    def holds(self) -> bool:
        """Whether it must not be repeated when nobody knows if it arrived."""
        return self.request.get("on_unknown") == "hold"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an effect: succeeded, failed, retry (later), or unknown.

    `error` is a short stable code (`http.503`, `timeout`, `smtp.550`), never a person's data. `retry_after` is in
    seconds, if the receiver said so. `tries` counts the attempts that it cost: none where the receiver only asked to
    come again later, or where nothing was begun. `begun` is false for the latter: then everything is as it was before.
    `asked` says that the receiver asked for patience, `bounced` that there is no such address. `arrived` says that the
    receiver got it, or may have got it.
    """

    effect_id: UUID
    state: str
    provider_id: str | None = None
    error: str | None = None
    retry_after: float | None = None
    tries: int = 1
    arrived: bool = False
    begun: bool = True
    asked: bool = False
    bounced: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """How one call ended. `sent` tells whether the receiver may have taken it although it failed, `answered` that it
    was received and turned down. `free` ones cost no attempt. `heard` is what it tells of the destination.
    """

    state: Literal["succeeded", "failed", "retry"]
    error: str | None = None
    provider_id: str | None = None
    retry_after: float | None = None
    sent: bool = False
    answered: bool = False
    free: bool = False
    heard: Heard = ""
    begun: bool = True
    bounced: bool = False

    def outcome(self, outgoing: Outgoing) -> Outcome:
        """What becomes of the effect."""
        state = "unknown" if self.state == "retry" and self.sent and outgoing.holds else self.state
        return Outcome(
            outgoing.effect_id,
            state,
            self.provider_id,
            self.error[:ERROR_LIMIT] if self.error else None,
            self.retry_after,
            0 if self.free else 1,
            self.state == "succeeded" or self.sent or self.answered,
            self.begun,
            self.heard == "later",
            self.bounced,
        )


NOT_BEGUN = Result("retry", "not_begun", free=True, begun=False)
"""It was too late to begin, or the process stops: it can be made later without a doubt."""

"""What comes of one try, and whether there is another one at once.

A try ends in one of these ways: it succeeded, it failed for good, it may be repeated, or nobody knows whether it
arrived. The last is repeated with the same idempotency key, unless the step says `hold`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from aggregates.secrets import NONE_IN_USE, SecretsInUse

QUICK_TRIES = 3
"""Tries in one call, the first included. Later ones are the business of whoever calls again."""

PAUSE_SECONDS = 0.2
PAUSE_LIMIT_SECONDS = 2.0

RETRY_AFTER_LIMIT = 24 * 3600.0
"""Longest time that a receiver may ask us to wait, in seconds."""

ERROR_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One effect to make. `request` is what the step's `Deliver` rendered to; `attempt` counts from 1.

    `secrets` are in the request, which is therefore never shown.
    """

    effect_id: UUID
    channel: str
    request: Mapping[str, Any] = field(repr=False)
    attempt: int = 1
    secrets: SecretsInUse = NONE_IN_USE
    project_id: UUID = field(kw_only=True)

    @property
    def holds(self) -> bool:
        """Whether it must not be repeated when nobody knows if it arrived."""
        return self.request.get("on_unknown") == "hold"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an effect: succeeded, failed, retry (later), or unknown.

    `error` is a short stable code (`http.503`, `timeout`, `smtp.550`), never a person's data. `retry_after`
    is in seconds, if the receiver said so. `tries` counts what was really sent in this call. `arrived` says that the
    receiver got one of these tries, or may have got it.
    """

    effect_id: UUID
    state: str
    provider_id: str | None = None
    error: str | None = None
    retry_after: float | None = None
    tries: int = 1
    arrived: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """How one try ended. `sent` tells whether the receiver may have taken it although it failed, `answered` that it
    was received and turned down.

    Without `tried` there was no try: it was too late for one, or the receiver had asked to be left alone.
    """

    state: Literal["succeeded", "failed", "retry"]
    error: str | None = None
    provider_id: str | None = None
    retry_after: float | None = None
    sent: bool = False
    answered: bool = False
    tried: bool = True

    def outcome(self, outgoing: Outgoing, tries: int, *, arrived: bool = False) -> Outcome:
        """What becomes of the effect; `arrived` is about earlier tries of the same call."""
        state = "unknown" if self.ambiguous and outgoing.holds else self.state
        error = self.error[:ERROR_LIMIT] if self.error else None
        return Outcome(
            outgoing.effect_id, state, self.provider_id, error, self.retry_after, tries, arrived or self.arrived
        )

    @property
    def arrived(self) -> bool:
        """Whether the receiver got it, or may have got it."""
        return self.state == "succeeded" or self.sent or self.answered

    @property
    def ambiguous(self) -> bool:
        return self.state == "retry" and self.sent


NOT_TRIED = Result("retry", "not_tried", tried=False)
"""There was no time left for it; it can be tried later without a doubt."""


def pause_before_next(
    outgoing: Outgoing, result: Result, tries: int, left: float, chance: Callable[[float], float]
) -> float | None:
    """Seconds until the next try in this call; None if there is none. `left` is the time that remains.

    Everybody who failed together waits a different time, so that they do not come back together.
    """
    if result.state != "retry" or (result.ambiguous and outgoing.holds):
        return None
    left_to_it = int(outgoing.request.get("max_attempts", QUICK_TRIES)) - outgoing.attempt + 1
    if tries >= min(QUICK_TRIES, left_to_it):
        return None
    pause = chance(min(PAUSE_LIMIT_SECONDS, PAUSE_SECONDS * 2.0**tries))
    pause = max(pause, result.retry_after or 0.0)
    return pause if pause <= min(PAUSE_LIMIT_SECONDS, left / 2) else None

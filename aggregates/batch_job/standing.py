"""How a job can stand, and where its people can be."""

from __future__ import annotations

from aggregates.values import Acknowledgement

TERMINAL = frozenset({"cancelled", "completed", "completed_with_failures", "failed", "rejected"})

AT_WORK = frozenset({"queued", "running", "paused", "cancelling"})
"""Where a job may still reach somebody without being approved first."""

OUTCOMES = ("delivered", "skipped", "failed", "exited")
OPEN = ("waiting", "in_progress", "pending")
COUNTS = OUTCOMES + OPEN
"""Every enrolled person is in exactly one of these."""


OUTCOME_UNKNOWN = "outcome_unknown"
"""Why a run waits for a person: an effect was begun, and nobody knows whether it arrived."""

UNKNOWN_DECISIONS = ("delivered", "retry", "failed")

ONE_RUN = Acknowledgement(count=1, fingerprint="", token_nonce=None, sized_at=None)
"""What stands for an acknowledged audience where there is none."""

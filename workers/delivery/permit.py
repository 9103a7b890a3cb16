"""Whether something may still begin: asked by each call at the moment at which it would leave.

What was decided a while ago may have been taken back since: the job is paused, the lease was lost while the process was
frozen, the process is told to stop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

BEGIN_SECONDS = 1.0
"""How old the last look at the job's status and the lease may be when a call begins."""

HOLD_SECONDS = 45.0
"""How old it may be when a call that has begun gives away what it sends. Less than a lease lasts."""


@dataclass(frozen=True)
class Permit:
    """For one sub-batch, from the instant `looked_at` on the line that `monotonic` tells."""

    looked_at: float
    monotonic: Callable[[], float]
    stopped: Callable[[], bool]

    def may_begin(self) -> bool:
        """Whether a call may begin now."""
        return self.left() > 0 and not self.stopped()

    def left(self) -> float:
        """Seconds in which calls may begin."""
        return max(0.0, self.looked_at + BEGIN_SECONDS - self.monotonic())

    def holds(self) -> bool:
        """Whether a call that has begun may go on to the point of no return."""
        return self.monotonic() <= self.looked_at + HOLD_SECONDS

"""How long a read waits for a view, and how often it looks meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from time import monotonic

WAIT_SECONDS = 2.0
"""Longest that a read waits; then it is refused with `position.not_reached`."""

STEP_SECONDS = 0.005


def looks() -> Iterator[None]:
    """One turn for each look at a view, with a pause before each but the first."""
    never, ends = threading.Event(), monotonic() + WAIT_SECONDS
    yield
    while monotonic() < ends:
        never.wait(STEP_SECONDS)
        yield

"""One thread beside one chunk that sends, and whom it tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from workers.jobs import WorkingJob
from workers.leases import Lease
from workers.rooms import Rooms

Again = Callable[[UUID, float], None]
"""Asked to ring for a job after so many seconds, when its next turn is due."""

Landed = Callable[[UUID, bool, bool], None]
"""Told with the job after outcomes are recorded: whether its breaker trips, and whether a chunk was let go by that."""


@dataclass(frozen=True)
class Stay:
    """One thread's stay with one chunk, since `begun` on the clock's monotonic line."""

    connection: Connection
    job: WorkingJob
    chunk: Row[Any]
    lease: Lease
    rooms: Rooms
    begun: float

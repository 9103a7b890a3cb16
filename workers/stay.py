"""One thread beside one chunk that sends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from workers.jobs import WorkingJob
from workers.leases import Lease
from workers.rooms import Rooms


@dataclass(frozen=True)
class Stay:
    """One thread's stay with one chunk, since `begun` on the clock's monotonic line."""

    connection: Connection
    job: WorkingJob
    chunk: Row[Any]
    lease: Lease
    rooms: Rooms
    begun: float

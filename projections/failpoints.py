"""Named places of the product at which a test may kill, stop or fail the process; off, a place is one call of nothing.

Every room that has such a place may import this one. What happens there is decided in engine.failpoints.
"""

from __future__ import annotations

from collections.abc import Callable

POINTS = {
    "before_commit": "P1: a command has done its work, and nothing of it is committed",
    "committed": "P2: a command is committed, and nobody has been told",
    "before_bell": "P3: an event is known that asks for a bell, and none was rung",
    "audience_pinned": "P4: an audience is frozen into chunks",
    "between_chunks": "P5: a chunk is done, and the next one is not begun",
    "bell_rung": "P6: a bell is rung, and the position behind it is not recorded",
    "bell_fetched": "P7: a worker has taken a bell",
    "attempt_stored": "P8: attempts are recorded, and nothing is sent",
    "answered": "P9: the world has answered, and no outcome is stored",
    "outcome_stored": "P10: all that a bell asked for is stored, and the bell is not acknowledged",
    "instant_claimed": "P11: a due stream is claimed, and nothing is decided",
    "job_made": "P12: an occurrence is decided, its job is made, and the next one is not looked for",
    "rows_written": "P13: a follower has taken events, and its position is not moved",
    "rebuild_ready": "P14: a view is built again, its rows are exchanged, and nothing is committed",
}
"""Every place there is, and what has happened when it is reached."""


def nothing(_point: str) -> None:
    """What happens at every place unless somebody arms one."""


reach: Callable[[str], None] = nothing
"""Called at a place by its name. Call it through the module: whoever arms the places replaces it."""

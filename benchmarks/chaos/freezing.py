"""Processes that stand still and come back: stopped at any instant, or at a failpoint, and continued later."""

from __future__ import annotations

import random
import signal
import threading

from benchmarks.chaos.stage import Member

SHORTEST_SECONDS, LONGEST_SECONDS = 5.0, 90.0
LOOK_SECONDS = 0.1


class Freezer:
    """Freezes one process of a role at a time: with all workers frozen there would be nothing to see."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._healed = threading.Event()
        self._thaws: dict[str, threading.Thread] = {}

    def is_free(self, role: str) -> bool:
        """Whether no process of this role is frozen, or is on its way to be."""
        thaw = self._thaws.get(role)
        return thaw is None or not thaw.is_alive()

    def freeze(self, member: Member, seconds: float | None = None) -> None:
        """Stop it at this instant, for so long; without a number for 5 to 90 seconds, mostly short."""
        member.send(signal.SIGSTOP)
        self._thaw(member, seconds)

    def freeze_at(self, member: Member, point: str) -> None:
        """Its next life stops the first time that it gets to a failpoint, and goes on later."""
        member.rearm(f"{point}=stop@1")
        self._thaw(member, None)

    def heal(self) -> None:
        """Everybody goes on now, and nobody who freezes later is left alone."""
        self._healed.set()
        for thaw in self._thaws.values():
            thaw.join()

    def _thaw(self, member: Member, seconds: float | None) -> None:
        longer = LONGEST_SECONDS / SHORTEST_SECONDS
        chosen = SHORTEST_SECONDS * longer ** self._chance.random() if seconds is None else seconds
        thaw = threading.Thread(target=self._wait, args=(member, chosen), name="thaw", daemon=True)
        self._thaws[member.role] = thaw
        thaw.start()

    def _wait(self, member: Member, seconds: float) -> None:
        while not member.frozen and not self._healed.wait(LOOK_SECONDS):
            pass
        self._healed.wait(seconds)
        member.send(signal.SIGCONT)

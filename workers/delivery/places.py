"""What one process asks of each destination at a time, found by looking at how it answers.

A sub-batch takes its places before its attempts are recorded, so nothing waits in line between the record and the
send, and a destination that is slow, full or silent keeps nobody waiting but those who are sent to it.

- At most `per_host` requests to a host and `total` to all, at most `conversations` with the mail relay.
- A project takes a place while it has less than `SHARE` times what is free: however much one project sends and however
  slowly its receivers answer, something is left for the next project.
- A destination that asks for patience (429, 421, 4xx of the relay) rests, and its pace is what it took before. What it
  takes without a word of complaint widens the pace again.
- One that says nothing (no connection, no answer) gets half as much at a time, down to a single probe, and rests longer
  and longer. After `DOWN_SECONDS` it is `down`, and people need not wait in line for it.
"""

from __future__ import annotations

import math
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple
from uuid import UUID

Heard = Literal["", "fine", "later", "silent"]
"""What a call tells of its destination: nothing, an answer, an answer that asks for patience, or silence."""

SHARE = 4
FIRST_REST_SECONDS = 1.0
REST_LIMIT_SECONDS = 60.0
"""Longest that a destination is left alone because of one answer."""

SILENT_BEFORE_REST = 3
"""Calls without an answer, one after another, after which a destination is left alone."""

DOWN_SECONDS = 60.0
SLOWEST_PACE = 0.5
FASTEST_PACE = 2_000.0
"""Calls a second; a destination that takes more than the latter has no pace."""

BURST_SECONDS = 0.2
GROWTH = 0.1
"""By how much the pace grows in a second in which everything was taken."""

TURN_SECONDS = 0.25
"""How much work a conversation is given at once: one message where the relay takes longer for each."""

KEPT = 2_000
"""Destinations that a process remembers."""

ALL = UUID(int=0)


class Place(NamedTuple):
    """Where something is sent: a host of the web, or the mail relay of the installation."""

    channel: str
    host: str = ""


@dataclass
class _Manners:
    """How a destination behaves towards one project; the relay towards all of them."""

    most: float
    window: float
    growth: float
    rests_until: float = 0.0
    rest: float = 0.0
    silent: int = 0
    silent_since: float | None = None
    pace: float | None = None
    free_at: float = 0.0
    seconds: float | None = None
    taken: deque[float] = field(default_factory=lambda: deque(maxlen=2 * int(FASTEST_PACE)))


class Places:
    """Used from any thread."""

    def __init__(self, monotonic: Callable[[], float], *, per_host: int, total: int, conversations: int) -> None:
        self._now = monotonic
        self._per_host = per_host
        self._total = total
        self._conversations = conversations
        self._lock = threading.Condition()
        self._manners: OrderedDict[tuple[Place, UUID], _Manners] = OrderedDict()
        # By place and by the whole channel, of each project and (None) of all of them.
        self._held: Counter[tuple[Place, UUID | None]] = Counter()
        self._watcher: Callable[[Place, str, float], None] = lambda _place, _why, _seconds: None

    def watch(self, watcher: Callable[[Place, str, float], None]) -> None:
        """Call this with a destination that is going to rest, `later` or `silent`, and for how many seconds."""
        self._watcher = watcher

    def take(self, place: Place, project: UUID) -> bool:
        """Whether a call may begin now; it is given back once it has ended."""
        with self._lock:
            known, now = self._known(place, project), self._now()
            if _turn_in(known, now) > 0 or not self._free(place, project, known):
                return False
            if known.pace is not None:
                known.free_at = max(known.free_at, now) + 1 / known.pace
            self._hold(place, project, 1)
            return True

    def give_back(
        self, place: Place, project: UUID, heard: Heard = "", seconds: float = 0.0, retry_after: float | None = None
    ) -> None:
        """A call has ended, after so many seconds, or was not begun; `retry_after` is what was asked for."""
        with self._lock:
            self._hold(place, project, -1)
            self._lock.notify()
            known = self._known(place, project)
            rested_until = known.rests_until
            if heard == "fine":
                self._fine(known, seconds)
            elif heard == "later":
                self._later(known, retry_after)
            elif heard == "silent":
                self._silent(known)
            rests = known.rests_until > rested_until
            seconds = known.rests_until - self._now()
        if rests:
            self._watcher(place, heard, seconds)

    def crowded(self, place: Place, conversations: int) -> None:
        """The relay talks with so many of us and with no more."""
        with self._lock:
            known = self._known(place, ALL)
            known.window = max(1.0, min(known.window, float(conversations)))

    def window(self, place: Place) -> int:
        """How many conversations there may be with the relay."""
        with self._lock:
            return int(self._known(place, ALL).window)

    def wait(self, place: Place, project: UUID) -> float:
        """Seconds after which it is worth asking again; 0 when something may begin now."""
        with self._lock:
            known = self._known(place, project)
            turn = max(0.0, _turn_in(known, self._now()))
            return turn if turn or self._free(place, project, known) else BURST_SECONDS

    def await_room(self, seconds: float) -> None:
        """Return when some place was given back, or after so many seconds."""
        with self._lock:
            self._lock.wait(seconds)

    def rests(self, place: Place, project: UUID) -> bool:
        """Whether a destination wants to be left alone for longer than one would wait for it."""
        with self._lock:
            return self._known(place, project).rests_until > self._now() + BURST_SECONDS

    def is_down(self, place: Place, project: UUID) -> bool:
        """Whether a destination that rests has said nothing for so long that nobody should wait in line for it."""
        with self._lock:
            known, now = self._known(place, project), self._now()
            return (
                known.silent_since is not None and now - known.silent_since > DOWN_SECONDS and known.rests_until > now
            )

    def _known(self, place: Place, project: UUID) -> _Manners:
        # One project's endpoint says nothing of another's on the same host; the relay is the same for everybody.
        key = (place, project if place.channel == "webhook" else ALL)
        known = self._manners.get(key)
        if known is None:
            most = self._per_host if place.channel == "webhook" else self._conversations
            known = self._manners[key] = _Manners(float(most), float(most), 1.0 if place.channel == "webhook" else 0.02)
            while len(self._manners) > KEPT:
                self._manners.popitem(last=False)
        self._manners.move_to_end(key)
        return known

    def _free(self, place: Place, project: UUID, known: _Manners) -> int:
        """How many more calls the project may have in hand."""
        if place.channel != "webhook":
            each = max(1, int(TURN_SECONDS / known.seconds)) if known.seconds else 1
            return _share(self._held[place, project], int(known.window) * each - self._held[place, None])
        mine, web = self._held[place, project], Place(place.channel)
        at_host = _share(mine, self._per_host - self._held[place, None])
        in_all = _share(self._held[web, project], self._total - self._held[web, None])
        return max(0, min(at_host, in_all, int(known.window) - mine))

    def _hold(self, place: Place, project: UUID, more: int) -> None:
        for where in {place, Place(place.channel)}:
            for whose in (project, None):
                self._held[where, whose] += more
                if not self._held[where, whose]:
                    del self._held[where, whose]

    def _fine(self, known: _Manners, seconds: float) -> None:
        now = self._now()
        known.silent, known.silent_since, known.rest = 0, None, 0.0
        known.seconds = seconds if known.seconds is None else (3 * known.seconds + seconds) / 4
        known.window = min(known.window + known.growth / known.window, known.most)
        known.taken.append(now)
        if known.pace is not None:
            known.pace *= 1 + GROWTH / max(known.pace, 1.0)
            if known.pace > FASTEST_PACE:
                known.pace = None

    def _later(self, known: _Manners, retry_after: float | None) -> None:
        now = self._now()
        known.silent, known.silent_since = 0, None
        if now < known.rests_until and retry_after is None:
            return  # said by a call that began before the rest, and of the same pace
        lately = sum(at > now - 1.0 for at in known.taken)
        known.pace = max(SLOWEST_PACE, min(float(lately), known.pace or FASTEST_PACE) * 0.8)
        self._rest(known, retry_after)

    def _silent(self, known: _Manners) -> None:
        now = self._now()
        known.silent += 1
        known.silent_since = now if known.silent_since is None else known.silent_since
        known.window = max(1.0, known.window / 2)
        if known.silent >= SILENT_BEFORE_REST and now >= known.rests_until:
            self._rest(known, None)

    def _rest(self, known: _Manners, asked: float | None) -> None:
        known.rest = min(REST_LIMIT_SECONDS, max(FIRST_REST_SECONDS, 2 * known.rest))
        seconds = known.rest if asked is None else min(asked, REST_LIMIT_SECONDS)
        known.rests_until = max(known.rests_until, self._now() + seconds)


def _turn_in(known: _Manners, now: float) -> float:
    """Seconds until the next call may begin, by rest and pace; 0 or less when it may."""
    ahead = 0.0 if known.pace is None else max(0.0, BURST_SECONDS - 1 / known.pace)
    return max(known.rests_until, known.free_at - ahead) - now


def _share(mine: int, free: int) -> int:
    """How many more somebody may take who has so many, one after another, each while it is less than the share."""
    return max(0, min(free, math.ceil((SHARE * free - mine) / (SHARE + 1))))

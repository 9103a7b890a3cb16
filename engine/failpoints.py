"""What happens at the failpoints that are armed: `answered=kill@3` kills the process when it gets there the third time.

For tests of what survives, and for nothing else: unless the setting is given, no place is ever looked at. The words
of the setting are separated by commas: `<place>=<act>@<pass>`, where the act is `kill`, `stop` or `raise`, or `watch`,
which only notes what is reached. Every process appends to one file what it reached for the first time, and what it
then did to itself, so that an outsider knows afterwards which places were tried.
"""

from __future__ import annotations

import os
import re
import signal
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from projections import failpoints

FILE = "failpoints"
"""Where in the data directory it is noted what was reached: `<place> reached|kill|stop|raise <pid>` a line."""

WATCH = "watch"
_WORD = re.compile(r"([a-z_]+)=(kill|stop|raise)@([1-9][0-9]{0,5})")


class FailpointRaised(Exception):
    """A failpoint was armed to fail here."""


@dataclass(frozen=True)
class Armed:
    """What to do at a place, at which pass of this process."""

    act: str
    at: int


def parse(text: str) -> dict[str, Armed]:
    """What is armed, by place. Raises ValueError for a word that is none, or a place that there is not."""
    armed = {}
    for word in filter(None, (part.strip() for part in text.split(","))):
        if word == WATCH:
            continue
        match = _WORD.fullmatch(word)
        if match is None or match[1] not in failpoints.POINTS:
            raise ValueError(f"not a failpoint: {word}; {WATCH}, or one of {', '.join(failpoints.POINTS)}=kill@1")
        armed[match[1]] = Armed(match[2], int(match[3]))
    return armed


def arm(text: str, data_dir: Path) -> None:
    """Arm this process, once and for good; an empty text leaves everything off."""
    if text:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        failpoints.reach = Watch(parse(text), data_dir / FILE).reach


class Watch:
    """Counts the passes of one process, and acts when the time of an armed place has come."""

    def __init__(self, armed: dict[str, Armed], file: Path) -> None:
        self._armed = armed
        self._file = file
        self._passes: Counter[str] = Counter()
        self._lock = threading.Lock()

    def reach(self, point: str) -> None:
        """Note the place; kill, stop or fail there if it was asked for at this pass."""
        with self._lock:
            self._passes[point] += 1
            passes = self._passes[point]
            if passes == 1:
                self._note(point, "reached")
            armed = self._armed.get(point)
            if armed is None or armed.at != passes:
                return
            self._note(point, armed.act)
            if armed.act == "raise":
                raise FailpointRaised(point)
            os.kill(os.getpid(), signal.SIGKILL if armed.act == "kill" else signal.SIGSTOP)

    def _note(self, point: str, what: str) -> None:
        descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, f"{point} {what} {os.getpid()}\n".encode())
        finally:
            os.close(descriptor)

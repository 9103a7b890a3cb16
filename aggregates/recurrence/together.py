"""Whether two recurrences come too close to each other."""

from __future__ import annotations

from datetime import datetime, timedelta
from heapq import merge
from itertools import pairwise

from aggregates.recurrence.value import Recurrence

COMPARED = 1_000
"""Occurrences of each recurrence that are compared with those of the other, one by one."""

FAR = 100
"""Further occurrences of the rarer one, each looked up among those of the other, however far ahead it is."""


def clash(one: Recurrence, other: Recurrence, *, now: datetime, least: timedelta) -> datetime | None:
    """The first instant found after `now` that is less than `least` after one of the other recurrence; None for none.

    It looks as far ahead as a thousand occurrences of the more frequent one reach, and at a hundred of the rarer one
    wherever they are: weeks for hourly rules, years for daily ones, all there is for rarer ones.
    """
    ours = [found.instant for found in one.upcoming(now, COMPARED)]
    theirs = [found.instant for found in other.upcoming(now, COMPARED)]
    if not ours or not theirs:
        return None
    until = min(ours[-1], theirs[-1])
    marked = merge(((instant, 0) for instant in ours), ((instant, 1) for instant in theirs))
    for (earlier, whose), (later, whose_else) in pairwise(marked):
        if earlier > until:
            break
        if whose != whose_else and later - earlier < least:
            return later
    rarer, denser = (ours, other) if ours[-1] >= theirs[-1] else (theirs, one)
    moment = timedelta(microseconds=1)
    near = (denser.between(instant - least, instant + least - moment, 1) for instant in rarer[:FAR] if instant > until)
    return next((found[0] for found in near if found), None)

"""Whether two occurrences of a rule may come too close, decided from the rule and never from the time of asking.

Wall times are compared. A change of the clock can bring two of them nearer; then the later one gives way (see value).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice, pairwise

from aggregates.recurrence.lines import on_utc
from aggregates.recurrence.rule import LAST_YEAR, Rule
from aggregates.recurrence.walltimes import DAY, HOUR, WallTimes

MOST_COMPARED = 10_000
"""A rule of which so many occurrences say nothing yet counts as too frequent."""


def too_close(rule: Rule, starts_at: datetime, minimum: timedelta) -> bool:
    """Whether the rule can occur twice within less than `minimum`; one that occurs once never does."""
    wall = WallTimes(rule, starts_at)
    if rule.count == 1:
        return False
    if rule.freq == "HOURLY" and (len(wall.offsets) > 1 or on_utc(rule)):
        return len(wall.offsets) > 1 or rule.interval * HOUR < minimum
    if not wall.times:
        return False
    hours = rule.interval * HOUR if rule.freq == "HOURLY" else timedelta()
    days = rule.interval * DAY if rule.freq == "DAILY" else DAY
    within = max(hours, min((later - earlier for earlier, later in pairwise(wall.times)), default=timedelta.max))
    span = wall.times[-1] - wall.times[0]
    if min(within, max(hours, days - span)) >= minimum:
        return False
    if wall.by_position:
        return _picked_too_close(wall, minimum)
    # -(-a // b) rounds up.
    return within < minimum or _days_too_close(wall, -(-(minimum + span) // DAY))


def _picked_too_close(wall: WallTimes, minimum: timedelta) -> bool:
    compared = 0
    for earlier, later in pairwise(islice(wall.since(wall.starts_at), MOST_COMPARED)):
        if later - earlier < minimum:
            return True
        compared += 1
    return compared == MOST_COMPARED - 1


def _days_too_close(wall: WallTimes, apart: int) -> bool:
    """Whether two days of the rule are less than so many days apart."""
    return any(later - earlier < apart for earlier, later in pairwise(_days(wall)))


def _days(wall: WallTimes) -> Iterator[int]:
    first = wall.starts_at.toordinal()
    for year in range(wall.starts_at.year, LAST_YEAR + 1):
        yield from (day for day in wall.days_of(year) if day >= first)

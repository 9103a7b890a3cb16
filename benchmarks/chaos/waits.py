"""How long small jobs took, without what was away on purpose."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from benchmarks.chaos.evidence import Evidence

ENDS = frozenset({"cancelled", "completed", "completed_with_failures", "failed", "rejected"})


@dataclass(frozen=True)
class SmallTimes:
    """The median of those that ran alone, and each of those that ran beside others, in seconds."""

    alone: float
    beside: dict[str, float]


def small_jobs(evidence: Evidence) -> SmallTimes:
    """The times of those that have ended; one that has not is found elsewhere."""
    ended = {
        fact.stream: fact.recorded_at.timestamp()
        for fact in evidence.facts
        if fact.topic in {f"batch_job.{end}.v1" for end in ENDS}
    }
    alone, beside = [], {}
    for small in (small for small in evidence.small if small.job in ended):
        seconds = ended[small.job] - small.asked - _overlap(small.asked, ended[small.job], evidence.away)
        if small.alone:
            alone.append(seconds)
        else:
            beside[small.job] = seconds
    return SmallTimes(statistics.median(alone) if alone else 0.0, beside)


def _overlap(begin: float, end: float, stretches: list[tuple[float, float]]) -> float:
    """The stretches of one list do not overlap each other."""
    return sum(max(0.0, min(end, until) - max(begin, since)) for since, until in stretches)

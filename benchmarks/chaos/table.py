"""The verdict of a round, printed."""

from __future__ import annotations

from benchmarks.chaos.rounds import Outcome
from projections.failpoints import POINTS

SHOWN = 20
"""Problems that are printed; there may be one a person."""


def table(outcome: Outcome) -> str:
    verdict, (median, worst) = outcome.verdict, outcome.recovery
    rows = [
        ("seed", outcome.seed),
        ("people imported", f"{outcome.people:,}"),
        ("faults injected", sum(outcome.faults.values())),
        *((f"  {kind}", many) for kind, many in sorted(outcome.faults.items())),
        ("jobs (refused requests)", f"{verdict.jobs:,} ({outcome.refused})"),
        ("persons in jobs", f"{verdict.persons:,}"),
        ("lost", verdict.lost),
        ("duplicated local effects", verdict.duplicated),
        ("external sends", f"{verdict.sends:,}"),
        ("  tried again after a refusal or a torn connection", verdict.repeated_unanswered),
        ("  repeated after an answer that was lost, same key", verdict.repeated_answered),
        ("  repeated with another key", verdict.other_key),
        ("  begun after `cancelled`", verdict.late_after_cancel),
        ("unknown (held, never repeated)", verdict.unknown),
        ("people who cannot be rendered, failed alone", verdict.poison),
        ("small jobs of another project", f"{verdict.small:,}"),
        ("  one alone, median", f"{verdict.alone_seconds:.1f} s"),
        ("  one beside all this, slowest", f"{verdict.slowest_small_seconds:.1f} s"),
        ("time to recover, median", f"{median:.1f} s"),
        ("time to recover, worst", f"{worst:.1f} s"),
        ("healed to drained", f"{outcome.drained_seconds:.1f} s"),
        ("failpoints reached / declared", f"{len(outcome.reached)}/{len(POINTS)}"),
        ("failpoints killed at / asked for", f"{len(outcome.killed_at & set(outcome.drilled))}/{len(outcome.drilled)}"),
        ("problems", len(outcome.problems)),
    ]
    lines = [f"{name:<52} {value!s:>12}" for name, value in rows]
    told = [f"  {problem}" for problem in outcome.problems[:SHOWN]]
    return "\n".join([*lines, *told, "PASSED" if outcome.passed else "FAILED"])

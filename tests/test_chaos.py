"""A short round with real processes and servers that die; and a checker that finds what it is there to find."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmarks.chaos.checker import check
from benchmarks.chaos.evidence import Acknowledged, Arrival, Attached, Evidence, Fact, Small
from benchmarks.chaos.rounds import short_round
from benchmarks.chaos.table import table

DRILLED = ("bell_fetched", "attempt_stored", "answered", "outcome_stored")
NOON = datetime(2027, 1, 4, 12, tzinfo=UTC)
COUNTS = {"delivered": 0, "skipped": 0, "failed": 0, "exited": 0}


def test_nothing_is_lost_and_nothing_done_twice_when_workers_and_servers_die(tmp_path: Path) -> None:
    outcome = short_round(7, 200, DRILLED, tmp_path)
    told = table(outcome)
    verdict = outcome.verdict
    assert outcome.passed, told
    assert (verdict.lost, verdict.duplicated, verdict.other_key, verdict.late_after_cancel) == (0, 0, 0, 0), told
    assert outcome.killed_at >= set(DRILLED), told
    assert {"kill server", "kill postgres", "valkey back empty"} <= set(outcome.faults), told
    # Who died between the answer and its record asks again: that is the one repeat there may be, and there is one.
    assert verdict.repeated_answered > 0, told
    assert verdict.persons > 1000 and verdict.sends > 400, told
    assert len(outcome.recoveries) == sum(outcome.faults.values()), told


def evidence() -> Evidence:
    """What a faultless round leaves: a webhook job, a capture job that was cancelled, and an occurrence."""
    people = ["p0", "p1"]
    runs = {
        "sent": [_run("sent", n, "delivered") for n in (0, 1)],
        "noted": [_run("noted", 0, "delivered", notes=1), _run("noted", 1, "skipped", reason="job_cancelled")],
        "fired": [_run("fired", n, "delivered", notes=1) for n in (0, 1)],
    }
    facts = [
        _fact("sent", 1, "requested", schedule_id=None),
        _fact("sent", 2, "completed", counts={**COUNTS, "delivered": 2}),
        _fact("noted", 1, "requested", schedule_id=None),
        _fact("noted", 2, "cancelled", counts={**COUNTS, "delivered": 1, "skipped": 1}),
        Fact("a-b", 1, "schedule.attached.v1", NOON - timedelta(minutes=1), {}),
        _fact("fired", 1, "requested", schedule_id={"_type_": "uuid_hex", "_data_": "ab"}),
        _fact("fired", 2, "completed", counts={**COUNTS, "delivered": 2}),
    ]
    return Evidence(
        acknowledged=[
            Acknowledged("one", "/run", {}, "sent", "webhook", people),
            Acknowledged("two", "/run", {}, "noted", "capture", people),
        ],
        attached=[Attached("a-b", NOON.isoformat(), people)],
        asked_again={"one": "sent", "two": "noted"},
        book=[Arrival(f"key{n}", f"sent.{n}", f"p{n}", NOON.timestamp(), 200) for n in (0, 1)],
        facts=facts,
        jobs={
            "sent": _job("completed", delivered=2),
            "noted": _job("cancelled", delivered=1, skipped=1),
            "fired": _job("completed", delivered=2, schedule_id="a-b"),
        },
        runs=runs,
        views={"batch_jobs": ["(one)"]},
        rebuilt={"batch_jobs": ["(one)"]},
    )


def _run(job: str, n: int, status: str, *, notes: int = 0, reason: str | None = None) -> dict[str, Any]:
    steps = [{"step": "note", "outcome": "captured"}] * notes
    return {"run_id": f"{job}.{n}", "distinct_id": f"p{n}", "status": status, "reason": reason, "steps": steps}


def _job(status: str, *, schedule_id: str | None = None, **counts: int) -> dict[str, Any]:
    told = {**COUNTS, **counts}
    return {"status": status, "enrolled": sum(told.values()), "schedule_id": schedule_id, **told}


def _fact(job: str, version: int, what: str, **state: Any) -> Fact:
    return Fact(job, version, f"batch_job.{what}.v1", NOON + timedelta(seconds=version), state)


def _again(found: Evidence, **changes: Any) -> None:
    """The first request arrives once more."""
    found.book.append(replace(found.book[0], at=NOON.timestamp() + 1, **changes))


def _hold(found: Evidence) -> None:
    found.acknowledged[0] = replace(found.acknowledged[0], kind="careful")
    _again(found)


def _late(found: Evidence) -> None:
    found.facts[1] = _fact("sent", 2, "cancelled", counts={**COUNTS, "delivered": 2})
    found.jobs["sent"]["status"] = "cancelled"
    _again(found)
    found.book[-1] = replace(found.book[-1], at=NOON.timestamp() + 60)


def _small(found: Evidence, *, beside: float, away: Sequence[tuple[float, float]] = ()) -> None:
    """Two small jobs, which both end two seconds after noon: one asked for a second before, and one when it says."""
    at = NOON.timestamp()
    found.away.extend(away)
    found.small[:] = [Small("sent", at + 1, alone=True), Small("fired", at + beside, alone=False)]


PASSING = (NOON.timestamp() - 1.5, NOON.timestamp() - 1.0)
"""For half a second nobody was there."""


def _poison(found: Evidence, status: str, number: int) -> None:
    found.acknowledged[1] = replace(found.acknowledged[1], kind="poison", audience=[f"p{number}", "p1"])
    found.runs["noted"][0].update(status=status, reason="render", distinct_id=f"p{number}")


FORGERIES: dict[str, Callable[[Evidence], object]] = {
    "delivered, and the receiver has no such request": lambda e: e.book.pop(),
    "has no run for 1 of its audience": lambda e: e.runs["sent"].pop(),
    "has 2 runs in the job": lambda e: e.runs["sent"].append(e.runs["sent"][0]),
    "outside its audience": lambda e: e.runs["sent"][0].update(distinct_id="stranger"),
    "was sent with 2 keys": lambda e: _again(e, key="another"),
    "stands for 2 runs": lambda e: _again(e, run="sent.1", person="p1", key="key0"),
    "in another's name": lambda e: _again(e, person="p1"),
    "was to be reached at most once": _hold,
    "s after its job was cancelled": _late,
    "were reached without a run": lambda e: _again(e, run="sent.9"),
    "jobs sent that have nothing to send": lambda e: _again(e, run="noted.0", key="new"),
    "has the versions [2]": lambda e: e.facts.pop(0),
    "was requested 0 times": lambda e: e.facts.__delitem__(slice(0, 2)),
    "the log and the API differ in 1 jobs": lambda e: e.jobs.pop("sent"),
    "requests were answered with the job": lambda e: e.acknowledged.append(replace(e.acknowledged[0], key="three")),
    "and later with": lambda e: e.asked_again.update(one="another"),
    "has 0 jobs for its one occurrence": lambda e: e.facts.__delitem__(slice(5, 7)),
    "has 1 jobs for its one occurrence": lambda e: e.facts.__setitem__(4, replace(e.facts[4], recorded_at=NOON)),
    "is not in the log": lambda e: e.facts.pop(4),
    "that nobody asked for": lambda e: e.attached.clear(),
    "is running": lambda e: e.jobs["sent"].update(status="running"),
    "enrolled 3 and has": lambda e: e.jobs["sent"].update(enrolled=3),
    "and its runs": lambda e: e.runs["sent"][0].update(status="failed", reason="http.400"),
    "and its last event": lambda e: e.facts[1].state["counts"].update(delivered=1),
    "has 2 notes": lambda e: e.runs["noted"][0].update(steps=e.runs["noted"][0]["steps"] * 2),
    "is delivered with 0 notes": lambda e: e.runs["noted"][0].update(steps=[]),
    "without a reason": lambda e: e.runs["noted"][1].update(reason=None),
    "differs from a rebuild in 2 rows": lambda e: e.rebuilt.update(batch_jobs=["(two)"]),
    "no view was compared": lambda e: e.views.clear(),
    "replay check says: one differs": lambda e: setattr(e, "replayed", (1, "one differs")),
    "was reached and is called skipped": lambda e: e.runs["sent"][0].update(status="skipped", reason="job_cancelled"),
    "of another project took 7.0 s, and 1.0 s alone": lambda e: _small(e, beside=-5.0),
    "of another project took 6.5 s, and 1.0 s alone": lambda e: _small(e, beside=-5.0, away=[PASSING]),
    "failed for render beside others": lambda e: _poison(e, "failed", 0),
    "is delivered with 1 notes, and cannot be rendered": lambda e: _poison(e, "delivered", 7),
}


def test_the_checker_has_nothing_to_say_about_a_faultless_round() -> None:
    verdict = check(evidence())
    assert verdict.problems == []
    assert (verdict.jobs, verdict.persons, verdict.sends, verdict.lost) == (3, 6, 2, 0)


@pytest.mark.parametrize("sentence", FORGERIES)
def test_the_checker_finds(sentence: str) -> None:
    forged = deepcopy(evidence())
    FORGERIES[sentence](forged)
    assert any(sentence in problem for problem in check(forged).problems), check(forged).problems


def test_a_lost_person_and_a_second_key_are_counted() -> None:
    forged = evidence()
    forged.book.pop()
    _again(forged, key="another")
    verdict = check(forged)
    assert (verdict.lost, verdict.other_key, verdict.repeated_answered) == (1, 1, 1)


def test_a_repeat_with_the_same_key_is_counted_and_no_fault() -> None:
    repeated = evidence()
    _again(repeated)
    repeated.book.insert(0, replace(repeated.book[1], at=NOON.timestamp() - 1, answer=500))
    verdict = check(repeated)
    assert verdict.problems == []
    assert (verdict.repeated_answered, verdict.repeated_unanswered) == (1, 1)

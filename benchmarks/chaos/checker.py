"""The verdict over the evidence of a round. Nothing is imported from the product, and nothing of it is asked here."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from benchmarks.chaos.client import Json
from benchmarks.chaos.evidence import Acknowledged, Arrival, Evidence, Fact
from benchmarks.chaos.load import is_poison
from benchmarks.chaos.waits import small_jobs

ENDED = {"cancelled", "completed", "completed_with_failures", "failed", "rejected"}
OUTCOMES = ("delivered", "skipped", "failed", "exited")
SENDING = {"webhook", "journey", "careful", "mail"}
NOTING = {"capture", "journey"}

GRACE_SECONDS = 2.0
"""An instant of `cancelled` is taken before its transaction waits for its turn."""


MOST_LONGER_SECONDS = 5.0
"""How much longer a small job of another project may take than alone."""


@dataclass
class Verdict:
    """What is wrong, in sentences, and the figures of the table."""

    problems: list[str] = field(default_factory=list)
    jobs: int = 0
    persons: int = 0
    lost: int = 0
    duplicated: int = 0
    repeated_unanswered: int = 0
    repeated_answered: int = 0
    other_key: int = 0
    unknown: int = 0
    sends: int = 0
    late_after_cancel: int = 0
    poison: int = 0
    small: int = 0
    alone_seconds: float = 0.0
    slowest_small_seconds: float = 0.0

    def wrong(self, sentence: str) -> None:
        self.problems.append(sentence)


def check(evidence: Evidence) -> Verdict:
    """Hold the product to what it has promised."""
    verdict = Verdict(jobs=len(evidence.jobs), sends=len(evidence.book))
    _streams(evidence.facts, verdict)
    _promises(evidence, verdict)
    audiences = _audiences(evidence)
    book = _by_run(evidence.book)
    kinds = {promise.job: promise for promise in evidence.acknowledged}
    for job, row in evidence.jobs.items():
        runs = evidence.runs.get(job, [])
        _counted(job, row, runs, evidence.facts, verdict)
        _everybody(job, row, runs, audiences.get(job, []), verdict)
        if job in kinds:
            _effects(kinds[job], row, runs, book, verdict)
    _keys(evidence.book, verdict)
    _strangers(evidence, kinds, verdict)
    _cancelled(evidence, verdict)
    _views(evidence, verdict)
    if evidence.replayed[0] != 0:
        verdict.wrong(f"replay check says: {evidence.replayed[1]}")
    _small(evidence, verdict)
    return verdict


def _streams(facts: list[Fact], verdict: Verdict) -> None:
    versions: dict[str, list[int]] = defaultdict(list)
    for fact in facts:
        versions[fact.stream].append(fact.version)
    for stream, found in versions.items():
        if found != list(range(1, len(found) + 1)):
            verdict.wrong(f"the stream {stream} has the versions {found}")


def _promises(evidence: Evidence, verdict: Verdict) -> None:
    """Every acknowledged request has one job, every occurrence has one, and there is no job that nobody asked for."""
    requested = [fact for fact in evidence.facts if fact.topic == "batch_job.requested.v1"]
    times = Counter(fact.stream for fact in requested)
    promised = Counter(promise.job for promise in evidence.acknowledged)
    for job, many in promised.items():
        if many != 1:
            verdict.wrong(f"{many} requests were answered with the job {job}")
        if times[job] != 1:
            verdict.wrong(f"the acknowledged job {job} was requested {times[job]} times in the log")
    for promise in evidence.acknowledged:
        if evidence.asked_again.get(promise.key) != promise.job:
            again = evidence.asked_again.get(promise.key)
            verdict.wrong(f"{promise.key} was answered with {promise.job}, and later with {again}")
    fired = Counter(_id(fact.state.get("schedule_id")) for fact in requested if fact.stream not in promised)
    attached = {fact.stream: fact.recorded_at for fact in evidence.facts if fact.topic == "schedule.attached.v1"}
    for schedule in evidence.attached:
        many = fired.pop(schedule.id.replace("-", ""), 0)
        if schedule.id not in attached:
            verdict.wrong(f"the acknowledged schedule {schedule.id} is not in the log")
        # One that an outage kept waiting until its first instant was over has its next one in an hour.
        elif many != int(attached[schedule.id] < datetime.fromisoformat(schedule.first)):
            verdict.wrong(f"the schedule {schedule.id} has {many} jobs for its one occurrence")
    for schedule_id, many in fired.items():
        verdict.wrong(f"{many} jobs of {schedule_id} that nobody asked for")
    if set(times) != set(evidence.jobs):
        verdict.wrong(f"the log and the API differ in {len(set(times) ^ set(evidence.jobs))} jobs")


def _audiences(evidence: Evidence) -> dict[str, list[str]]:
    """Whom each job was for, as the harness itself has counted them."""
    audiences = {promise.job: promise.audience for promise in evidence.acknowledged}
    schedules = {schedule.id: schedule.audience for schedule in evidence.attached}
    for job, row in evidence.jobs.items():
        if job not in audiences:
            audiences[job] = schedules.get(str(row["schedule_id"]), [])
    return audiences


def _counted(job: str, row: Json, runs: list[Json], facts: list[Fact], verdict: Verdict) -> None:
    """The job has ended, and the job, its last event and its runs tell the same counts."""
    if row["status"] not in ENDED:
        verdict.wrong(f"the job {job} is {row['status']}")
        return
    counts = {name: row[name] for name in OUTCOMES}
    if (row["enrolled"] or 0) != sum(counts.values()):
        verdict.wrong(f"the job {job} enrolled {row['enrolled']} and has {counts}")
    listed = Counter(run["status"] for run in runs)
    if {name: listed[name] for name in OUTCOMES} != counts or sum(listed.values()) != sum(counts.values()):
        verdict.wrong(f"the job {job} has {counts}, and its runs {dict(listed)}")
    last = [fact for fact in facts if fact.stream == job][-1:]
    told = last[0].state.get("counts") if last else None
    if told is not None and {name: told.get(name, 0) for name in OUTCOMES} != counts:
        verdict.wrong(f"the job {job} has {counts}, and its last event {told}")


def _everybody(job: str, row: Json, runs: list[Json], audience: list[str], verdict: Verdict) -> None:
    """One run for each person of the audience, and for nobody else."""
    times = Counter(run["distinct_id"] for run in runs)
    verdict.persons += len(times)
    for person, many in times.items():
        if many != 1:
            verdict.duplicated += many - 1
            verdict.wrong(f"{person} has {many} runs in the job {job}")
    if outside := sorted(set(times) - set(audience)):
        verdict.wrong(f"the job {job} reached {len(outside)} outside its audience: {outside[:3]}")
    if row["enrolled"] is None:
        return
    if missing := sorted(set(audience) - set(times)):
        verdict.lost += len(missing)
        verdict.wrong(f"the job {job} has no run for {len(missing)} of its audience: {missing[:3]}")


def _effects(
    promise: Acknowledged, row: Json, runs: list[Json], book: dict[str, list[Arrival]], verdict: Verdict
) -> None:
    for run in runs:
        who = f"{run['distinct_id']} in the {promise.kind} job {promise.job}"
        notes = sum(step["step"] == "note" for step in run["steps"])
        if notes > 1:
            verdict.duplicated += notes - 1
            verdict.wrong(f"{who} has {notes} notes")
        if promise.kind in NOTING and run["status"] == "delivered" and notes != 1:
            verdict.lost += 1
            verdict.wrong(f"{who} is delivered with {notes} notes")
        if promise.kind == "poison":
            _poisoned(run, notes, who, verdict)
        if run["status"] in {"failed", "skipped"} and not run["reason"]:
            verdict.wrong(f"{who} is {run['status']} without a reason")
        # A request that was taken, or never answered, may have done its work.
        if run["status"] == "skipped" and (run.get("reached") or _taken(book.get(run["run_id"], []))):
            verdict.wrong(f"{who} was reached and is called skipped")
        # Also of those who were cancelled with their job meanwhile, or decided about.
        verdict.unknown += any(step.get("outcome") == "unknown" for step in run["steps"])
        if promise.kind in SENDING:
            _sent(promise, run, who, book.get(run["run_id"], []), verdict)


def _sent(promise: Acknowledged, run: Json, who: str, arrivals: list[Arrival], verdict: Verdict) -> None:
    """Who counts as delivered was really reached; who must not be reached twice was not."""
    taken = [arrival for arrival in arrivals if arrival.answer == 200]
    if run["status"] == "delivered" and not taken:
        verdict.lost += 1
        verdict.wrong(f"{who} is delivered, and the receiver has no such request")
    if any(arrival.person != run["distinct_id"] for arrival in arrivals):
        verdict.wrong(f"{who} has a request in another's name")
    if promise.kind == "careful" and len(_taken(arrivals)) > 1:
        verdict.duplicated += 1
        verdict.wrong(f"{who} was to be reached at most once, and was {len(arrivals)} times")


def _poisoned(run: Json, notes: int, who: str, verdict: Verdict) -> None:
    """Who cannot be rendered fails, and nobody beside them does."""
    poison = is_poison(run["distinct_id"])
    verdict.poison += poison and run["status"] == "failed"
    if run["status"] == "failed" and not poison:
        verdict.wrong(f"{who} failed for {run['reason']} beside others who cannot be rendered")
    if run["status"] == "delivered" and (poison or notes != 1):
        verdict.wrong(f"{who} is delivered with {notes} notes, and cannot be rendered")


def _taken(arrivals: list[Arrival]) -> list[Arrival]:
    """Those that may have done their work: they were answered with yes, or not at all."""
    return [arrival for arrival in arrivals if arrival.answer in {0, 200}]


def _keys(book: list[Arrival], verdict: Verdict) -> None:
    """One webhook-id a run, on every try; a try after another one is counted by what the receiver had said."""
    keys: dict[str, set[str]] = defaultdict(set)
    runs: dict[str, set[str]] = defaultdict(set)
    answered: set[str] = set()
    seen: set[str] = set()
    for arrival in sorted(book, key=lambda arrival: arrival.at):
        keys[arrival.run].add(arrival.key)
        runs[arrival.key].add(arrival.run)
        if arrival.run in answered:
            verdict.repeated_answered += 1
        elif arrival.run in seen:
            verdict.repeated_unanswered += 1
        seen.add(arrival.run)
        if arrival.answer == 200:
            answered.add(arrival.run)
    for run, found in keys.items():
        if len(found) > 1 or "" in found:
            verdict.other_key += len(found) - 1
            verdict.wrong(f"the run {run} was sent with {len(found)} keys: {sorted(found)}")
    for key, found in runs.items():
        if len(found) > 1:
            verdict.wrong(f"the key {key} stands for {len(found)} runs")


def _strangers(evidence: Evidence, kinds: dict[str, Acknowledged], verdict: Verdict) -> None:
    """Nobody was reached who has no run."""
    known = {run["run_id"] for runs in evidence.runs.values() for run in runs}
    strangers = {arrival.run for arrival in evidence.book} - known
    if strangers:
        verdict.wrong(f"{len(strangers)} were reached without a run: {sorted(strangers)[:3]}")
    if senders := {arrival.run.partition(".")[0] for arrival in evidence.book} - {
        job for job, promise in kinds.items() if promise.kind in SENDING
    }:
        verdict.wrong(f"{len(senders)} jobs sent that have nothing to send")


def _cancelled(evidence: Evidence, verdict: Verdict) -> None:
    ended = {
        fact.stream: fact.recorded_at.timestamp() for fact in evidence.facts if fact.topic == "batch_job.cancelled.v1"
    }
    for arrival in evidence.book:
        at = ended.get(arrival.run.partition(".")[0])
        if at is not None and arrival.at > at + GRACE_SECONDS:
            verdict.late_after_cancel += 1
            verdict.wrong(f"the run {arrival.run} was sent {arrival.at - at:.1f} s after its job was cancelled")


def _small(evidence: Evidence, verdict: Verdict) -> None:
    """Small jobs of another project took about as long as alone, whatever went on beside them."""
    times = small_jobs(evidence)
    verdict.small = len(times.beside)
    verdict.alone_seconds = times.alone
    verdict.slowest_small_seconds = max(times.beside.values(), default=0.0)
    for job, seconds in times.beside.items():
        if seconds > times.alone + MOST_LONGER_SECONDS:
            asked = next(small.asked for small in evidence.small if small.job == job)
            verdict.wrong(
                f"the small job {job} of another project took {seconds:.1f} s, and {times.alone:.1f} s alone; "
                f"it was asked for at {asked:.1f}"
            )


def _views(evidence: Evidence, verdict: Verdict) -> None:
    if not evidence.views:
        verdict.wrong("no view was compared")
    for view, rows in evidence.views.items():
        built = evidence.rebuilt.get(view, [])
        if rows != built:
            verdict.wrong(f"the view {view} differs from a rebuild in {len(set(rows) ^ set(built))} rows")


def _by_run(book: list[Arrival]) -> dict[str, list[Arrival]]:
    found: dict[str, list[Arrival]] = defaultdict(list)
    for arrival in book:
        found[arrival.run].append(arrival)
    return found


def _id(stored: Any) -> str:
    """An id as the log has it: 32 hexadecimal digits, in an object that says so."""
    return str(stored["_data_"] if isinstance(stored, dict) else stored)

"""Following a batch job until it ends: bars on a terminal, `key=value` lines in a pipe, an object a line as JSON."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from engine.cli.client import Api
from engine.cli.exits import OF_JOB, Exit
from engine.cli.output import Output
from engine.clock import SystemClock

POLL_SECONDS = 0.25
LINE_SECONDS = 3.0
OUTCOMES = ("delivered", "skipped", "failed", "exited")
OPEN = ("waiting", "in_progress", "pending")


def watch(api: Api, job_id: str, out: Output, *, position: int | None = None, timeout: float | None = None) -> Exit:
    """Follow a job to its end; what the end means as an exit code, or `RUNNING` when `timeout` seconds were over."""
    try:
        if out.json:
            return _as_json(api, job_id, out, position, timeout)
        if out.words.is_terminal:
            return _as_bar(api, job_id, out, position, timeout)
        return _as_lines(api, job_id, out, position, timeout)
    except KeyboardInterrupt:
        out.say(f"Detached; the job goes on.\nwatch again: tidegate batch watch {job_id}")
        out.say(f"stop it:     tidegate batch cancel {job_id}")
        return Exit.INTERRUPTED


def _states(api: Api, job_id: str, position: int | None, timeout: float | None) -> Iterator[dict[str, Any]]:
    """The job again and again, the last time when it has ended or the time is over."""
    clock, pause = SystemClock(), threading.Event()
    began = clock.monotonic()
    while True:
        job = api.get(f"/batch-jobs/{job_id}", min_position=position)
        yield job
        over = timeout is not None and clock.monotonic() - began >= timeout
        if job["status"] in OF_JOB or over:
            return
        pause.wait(POLL_SECONDS)


def _as_json(api: Api, job_id: str, out: Output, position: int | None, timeout: float | None) -> Exit:
    last: dict[str, Any] = {}
    for job in _states(api, job_id, position, timeout):
        if job != last:
            out.document(job)
        last = job
    return _exit(last)


def _as_lines(api: Api, job_id: str, out: Output, position: int | None, timeout: float | None) -> Exit:
    clock = SystemClock()
    job: dict[str, Any] = {}
    told, told_at = "", clock.monotonic() - LINE_SECONDS
    for job in _states(api, job_id, position, timeout):
        if job["status"] != told or clock.monotonic() - told_at >= LINE_SECONDS:
            out.say(_line(job))
            told, told_at = job["status"], clock.monotonic()
    _ended(out, job)
    return _exit(job)


def _as_bar(api: Api, job_id: str, out: Output, position: int | None, timeout: float | None) -> Exit:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[counts]}"),
        TimeElapsedColumn(),
    )
    job: dict[str, Any] = {}
    with Progress(*columns, console=out.words) as progress:
        task = progress.add_task("queued", total=None, counts="")
        for job in _states(api, job_id, position, timeout):
            _draw(progress, task, job)
    _ended(out, job)
    return _exit(job)


def _draw(progress: Progress, task: TaskID, job: dict[str, Any]) -> None:
    done = sum(job[name] for name in OUTCOMES)
    # Short enough for 80 columns: who was delivered and who is pending can be seen from the rest.
    named = ("reached", *OUTCOMES[1:], *OPEN[:-1])
    others = [f"{name.replace('_', ' ')} {job[name]:,}" for name in named if job[name]]
    counts = "  ".join([f"{done:,} of {job['enrolled'] or job['acknowledged']:,}", *others])
    progress.update(task, description=job["status"], total=job["enrolled"], completed=done, counts=counts)


def _line(job: dict[str, Any]) -> str:
    names = ("status", "enrolled", *OUTCOMES, *OPEN, "reached")
    return " ".join(f"{name}={'' if job[name] is None else job[name]}" for name in names)


def _ended(out: Output, job: dict[str, Any]) -> None:
    if job["status"] not in OF_JOB:
        out.say(f"Still {job['status']}.")
    if job["reason"]:
        out.say(f"{job['status']}: {job['reason']}")


def _exit(job: dict[str, Any]) -> Exit:
    return OF_JOB.get(job["status"], Exit.RUNNING)

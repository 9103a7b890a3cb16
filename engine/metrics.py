"""What an operator watches, as Prometheus reads it.

Everything is asked of the database at the moment, so each answer is of the whole installation, whichever process gives
it. There is no id of a project, job or person in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection, text

from engine.bootstrap import System
from engine.presence import ABSENT_SECONDS, NEEDED

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_WORK = text(
    "SELECT work, passes, found, failures, seconds, extract(epoch FROM last_at) FROM scheduler_work ORDER BY 1"
)
_JOBS = text(
    "SELECT status, count(*) FROM stream_heads WHERE kind = 'batch_job' "
    "AND status IN ('queued', 'enrolling', 'running', 'cancelling') GROUP BY status"
)
# Of running jobs: frozen people and paused jobs have chunks too. Between two turns of a rate nobody has the lease.
_CHUNKS = text(
    "SELECT CASE WHEN c.state = 'sending' AND c.leased_until < now() AND NOT EXISTS "
    "(SELECT 1 FROM sending_pace p WHERE p.job_id = c.job_id AND p.free_at > now()) THEN 'expired' ELSE c.state END, "
    "count(*) FROM chunks c JOIN stream_heads h ON h.id = c.job_id AND h.status = 'running' "
    "WHERE c.state IN ('ready', 'sending') GROUP BY 1"
)
_OVERDUE = text(
    "SELECT count(*) FROM runs r JOIN stream_heads h ON h.id = r.job_id AND h.status = 'running' "
    "WHERE r.status = 'waiting' AND r.wake_at <= :now"
)
_REACHED = text(
    "SELECT coalesce(sum(v.reached), 0) FROM stream_heads h JOIN batch_jobs v ON v.id = h.id "
    "WHERE h.kind = 'batch_job' AND h.status IN ('queued', 'enrolling', 'running', 'cancelling')"
)
_FOLLOWERS = text(
    "SELECT name, greatest(coalesce((SELECT max(notification_id) FROM log), 0) - position, 0), "
    "(stopped IS NOT NULL)::int FROM view_positions ORDER BY name"
)

_OLDEST = text(
    "SELECT name, coalesce((SELECT extract(epoch FROM now() - l.recorded_at) FROM log l "
    "WHERE l.notification_id > v.position ORDER BY l.notification_id LIMIT 1), 0) FROM view_positions v ORDER BY name"
)
_PROCESSES = text(
    "SELECT role, count(*) FROM processes WHERE seen_at > now() - make_interval(secs => :absent) GROUP BY role"
)

_RESULTS = text("SELECT step_type, result, count FROM results WHERE counter = :counter ORDER BY 1, 2")
_OF_RESULTS = (
    ("steps", "What steps came to, of batch jobs and manual runs, by step type.", ("step_type", "result")),
    ("attempts", "Calls to the world outside, by step type and how they ended.", ("step_type", "result")),
    ("runs", "Runs of jobs that have ended, by outcome.", ("outcome",)),
)

_COUNTERS = (
    ("passes", "How often a work of the scheduler was done."),
    ("found", "What a work of the scheduler found to do: jobs rung for again, jobs with runs woken, schedules fired."),
    ("failures", "How often a work of the scheduler failed; it is tried again."),
    ("seconds", "Seconds that a work of the scheduler took."),
)


def exposition(system: System) -> bytes:
    """All metrics in the text format of Prometheus."""
    with system.asking.connect() as connection:
        found = [*_work(connection), *_came_to(connection), *_standing(connection, system)]
    registry = CollectorRegistry()
    registry.register(_Found(found))
    return generate_latest(registry)


class _Found(Collector):
    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _work(connection: Connection) -> Iterator[Metric]:
    """What the works of all schedulers have come to: `fire`, `wake`, `sweep`, `collect`."""
    rows = connection.execute(_WORK).all()
    for place, (name, meaning) in enumerate(_COUNTERS, 1):
        counter = CounterMetricFamily(f"tidegate_scheduler_{name}", meaning, labels=["work"])
        for row in rows:
            counter.add_metric([row[0]], row[place])
        yield counter
    last = "When a work of the scheduler was done last, in seconds since 1970."
    yield _gauge("scheduler_last_timestamp_seconds", last, "work", [(row[0], row[5]) for row in rows])


def _came_to(connection: Connection) -> Iterator[Metric]:
    """What steps, attempts and runs of all jobs came to."""
    for name, meaning, labels in _OF_RESULTS:
        counter = CounterMetricFamily(f"tidegate_{name}", meaning, labels=labels)
        for row in connection.execute(_RESULTS, {"counter": name}):
            counter.add_metric([row[0], row[1]][-len(labels) :], row[2])
        yield counter


def _standing(connection: Connection, system: System) -> Iterator[Metric]:
    """How much is at work, and what is late."""
    jobs = "Batch jobs that somebody has to do something for, by status."
    yield _gauge("batch_jobs", jobs, "status", connection.execute(_JOBS).all())
    chunks = "Chunks to be done: nobody has them, somebody has, or somebody had and fell silent (expired)."
    states = {"ready": 0, "sending": 0, "expired": 0} | {row[0]: row[1] for row in connection.execute(_CHUNKS)}
    yield _gauge("chunks", chunks, "state", list(states.items()))
    overdue = connection.execute(_OVERDUE, {"now": system.clock.now()}).scalar_one()
    yield GaugeMetricFamily("tidegate_runs_overdue", "Parked runs of running jobs whose time has come.", value=overdue)
    reached = "People of jobs at work for whom an effect outside was made or may have been, as of their milestones."
    told = float(connection.execute(_REACHED).scalar_one())
    yield GaugeMetricFamily("tidegate_people_reached", reached, value=told)
    followers = connection.execute(_FOLLOWERS).all()
    behind = "Positions of the log that a follower has still to take."
    yield _gauge("follower_behind_positions", behind, "follower", followers)
    oldest = "Age in seconds of the oldest event that a follower has still to take."
    yield _gauge("follower_oldest_seconds", oldest, "follower", connection.execute(_OLDEST).all())
    at_work = dict.fromkeys(("server", *NEEDED), 0)
    at_work |= dict(map(tuple, connection.execute(_PROCESSES, {"absent": ABSENT_SECONDS})))
    yield _gauge("processes", "Processes that were seen lately, by role.", "role", list(at_work.items()))
    fence = "Whether the fence is up: nothing is sent until `tidegate fence release`."
    yield GaugeMetricFamily("tidegate_fence_up", fence, value=float(system.fence.is_up(connection)))
    stopped = "Whether a follower stands still because it cannot take an event."
    yield _gauge("follower_stopped", stopped, "follower", [(row[0], row[2]) for row in followers])


def _gauge(name: str, meaning: str, label: str, rows: Iterable[Sequence[Any]]) -> Metric:
    """A value for each value of its label."""
    gauge = GaugeMetricFamily(f"tidegate_{name}", meaning, labels=[label])
    for row in rows:
        gauge.add_metric([row[0]], float(row[1]))
    return gauge

"""A life of each aggregate that records every event there is: what golden files are made from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from aggregates.base import Aggregate
from aggregates.batch_job.aggregate import BatchJob
from aggregates.batch_job.standing import COUNTS
from aggregates.cohort.aggregate import Cohort
from aggregates.confirmation.aggregate import Confirmation
from aggregates.errors import DomainError
from aggregates.key.aggregate import Key
from aggregates.pace import Breaker, Pace
from aggregates.people.aggregate import PeopleChange
from aggregates.project.aggregate import Project
from aggregates.recurrence import Recurrence
from aggregates.refusal.aggregate import Refusal
from aggregates.schedule.aggregate import Schedule
from aggregates.schedule.firing import Firing
from aggregates.schedule.terms import Terms
from aggregates.workflow.aggregate import Workflow
from aggregates.workflow.definition import Definition
from tests.support.aggregates import ANOTHER, NOW, SOMEBODY, acknowledged, approved, meta

CONTENT: dict[str, Any] = {
    "trigger": {"type": "batch", "filters": {"properties": []}},
    "steps": [{"id": "note", "name": "Note", "type": "capture", "config": {"message": "Hello"}}],
    "edges": [],
    "variables": [],
}
NOBODY = dict.fromkeys(COUNTS, 0)
TERMS: dict[str, Any] = {
    "name": "ci",
    "scopes": ["workflow:read"],
    "agent": False,
    "limits": {"max_audience": 50},
    "rate_per_minute": 100,
    "expires_at": "2027-01-31T00:00:00+00:00",
}
HEADED = replace(ANOTHER, scopes=frozenset(TERMS["scopes"]), owner="grace", chain=("key7", "key8"))


def lives() -> Iterator[Aggregate]:
    """Aggregates with everything that they recorded still pending."""
    yield workflow()
    yield schedule()
    yield completed_schedule()
    yield from jobs()
    yield refusal()
    yield key()
    yield key_from_before()
    yield project()
    yield project_from_before()
    yield cohort()
    yield from changes()
    yield from confirmations()


def refusal() -> Refusal:
    why = DomainError("audience.drift")
    return Refusal.record(UUID(int=5), why, name="RunBatch", subject_id=UUID(int=2), meta=meta())


def key() -> Key:
    life = Key.create("k1", TERMS, owner="ada", chain=("key0",), meta=meta())
    wider = {**TERMS, "scopes": ["run:read", "workflow:read"], "limits": {"max_audience": 60, "send_mode": "capture"}}
    life.change(wider, widened=["/limits/max_audience", "/scopes"], meta=meta(principal=HEADED))
    life.change({**wider, "limits": {"send_mode": "capture"}, "agent": True}, widened=[], meta=meta())
    life.revoke(meta=meta())
    return life


def key_from_before() -> Key:
    life = Key.found("k2", TERMS, owner=None, chain=(), meta=meta())
    life.change({**TERMS, "name": "builds"}, widened=[], meta=meta())
    return life


def project() -> Project:
    life = Project.create("default", meta=meta())
    life.set_policy({"max_audience": 500, "approval_over": 10}, widened=[], meta=meta())
    life.set_policy({"max_audience": 900}, widened=["/approval_over", "/max_audience"], meta=meta())
    life.release("location", location=("7/5", "7/6"), name=("", "staging"), reason="A test of the back-up", meta=meta())
    return life


def project_from_before() -> Project:
    life = Project.found("older", {"max_audience": 10}, meta=meta(principal=replace(SOMEBODY, project_id=UUID(int=6))))
    life.set_policy({}, widened=["/max_audience"], meta=meta())
    return life


def cohort() -> Cohort:
    return Cohort.create(UUID(int=8), name="pros", kind="dynamic", members=None, conditions_digest="d", meta=meta())


def changes() -> Iterator[PeopleChange]:
    """Each change of people."""
    counts = {"rows": 3, "inserted": 1, "updated": 1, "unchanged": 1, "addresses_changed": 1}
    yield PeopleChange.imported(UUID(int=6), meta=meta(), source="csv", sha256="0" * 64, **counts)
    left: Any = {"person_id": 7, "address": "1" * 64, "topic": "news", "reason": "asked", "source": "helpdesk"}
    yield PeopleChange.opted_out(UUID(int=7), meta=meta(), **left)
    yield PeopleChange.opted_in(UUID(int=8), meta=meta(), **left)
    stopped: Any = {"address": "1" * 64, "reason": "by_hand", "source": ""}
    yield PeopleChange.suppress(UUID(int=9), meta=meta(), **stopped)
    yield PeopleChange.unsuppress(UUID(int=10), meta=meta(), **stopped)


def confirmations() -> Iterator[Confirmation]:
    for number, end in enumerate(("confirm", "reject", "expire")):
        life = Confirmation.request(
            UUID(int=60 + number),
            asks="ResumeSchedule",
            workflow_id=UUID(int=2),
            workflow_version=1,
            subject_id=UUID(int=3),
            subject_digest="s",
            terms={"schedule_id": str(UUID(int=3)), "max_growth": 0.1},
            acknowledgement=acknowledged(),
            send_mode="live",
            outcome={"schedule_id": str(UUID(int=3)), "status": "active"},
            request_digest="d",
            expires_at=NOW + timedelta(days=3),
            meta=meta(),
        )
        match end:
            case "confirm":
                life.confirm(3, note="fine", meta=meta(principal=ANOTHER))
            case "reject":
                life.reject(reason="not now", meta=meta(principal=ANOTHER))
            case _:
                life.expire(meta=meta(now=NOW + timedelta(days=4)))
        yield life


def workflow() -> Workflow:
    life = Workflow.create(UUID(int=2), name="Launch", description="Spring", content=CONTENT, meta=meta())
    life.edit(name="Launch 2", description="Spring", content=CONTENT, made_against=1, meta=meta())
    life.enable(Definition.parse(CONTENT)[0], meta=meta())
    life.disable(meta=meta())
    life.archive(meta=meta())
    life.restore(meta=meta())
    life.set_agent_runs("never", meta=meta())
    return life


def completed_schedule() -> Schedule:
    """One whose only occurrence has come."""
    rule, _ = Recurrence.parse("FREQ=DAILY;COUNT=1", "2026-12-01T09:00:00", "Europe/Prague", now=NOW)
    assert rule is not None
    life = Schedule.attach(
        UUID(int=4),
        workflow_id=UUID(int=2),
        terms=Terms(rule, {}, Firing()),
        acknowledgement=acknowledged(),
        approval=approved(),
        request_digest="d",
        meta=meta(),
    )
    life.fire(datetime(2026, 12, 1, 8, tzinfo=UTC), UUID(int=40), meta=meta())
    return life


def schedule() -> Schedule:
    rule, _ = Recurrence.parse("FREQ=DAILY", "2026-12-01T09:00:00", "Europe/Prague", now=NOW)
    assert rule is not None
    terms = Terms(rule, {"greeting": "hello"}, Firing(overlap="buffer_one"), Pace("100/minute", Breaker(100, 0.2)))
    life = Schedule.attach(
        UUID(int=3),
        workflow_id=UUID(int=2),
        terms=terms,
        acknowledgement=acknowledged(),
        approval=approved(expires_at=NOW + timedelta(days=90)),
        request_digest="d",
        meta=meta(),
    )
    life.pause(note="provider move", meta=meta())
    life.revise(replace(terms, variables={"greeting": "hi"}), meta=meta())
    life.resume(acknowledgement=acknowledged(), approval=approved(), meta=meta())
    first = datetime(2026, 12, 1, 8, tzinfo=UTC)
    life.fire(first, UUID(int=30), meta=meta())
    life.hold(first + timedelta(days=1), UUID(int=31), reason="beyond_growth", meta=meta())
    later = meta(now=first + timedelta(days=2))
    life.take_turn(busy=True, seen_at=later.now, meta=later)
    life.skip([first + timedelta(days=3)], "overlap", meta=meta())
    life.fire(first + timedelta(days=2), UUID(int=32), meta=meta())
    life.skip([first + timedelta(days=4)], "missed", meta=meta())
    life.detach(note="over", meta=meta())
    return life


def jobs() -> Iterator[BatchJob]:
    for number, end in enumerate(("complete", "cancel", "fail", "reject")):
        life = BatchJob.request(
            UUID(int=10 + number),
            workflow_id=UUID(int=2),
            workflow_version=1,
            variables={"greeting": "hello"},
            acknowledgement=acknowledged(),
            request_digest="d",
            send_mode="capture",
            held_because="approval_over" if end != "cancel" else None,
            held_until=NOW + timedelta(days=3),
            retry_of=UUID(int=9) if end == "fail" else None,
            pace=Pace("100/minute", Breaker(10, 0.5)),
            meta=meta(),
        )
        if end == "reject":
            life.reject(reason="too many", meta=meta())
            yield life
            continue
        if end != "cancel":
            life.approve(acknowledged(), note="fine", meta=meta(principal=ANOTHER))
        life.enrol(enrolled=3, chunks=1, fingerprint="f", meta=meta())
        life.progress({**NOBODY, "delivered": 1, "pending": 2}, reached=1, meta=meta())
        life.decide_step("ask", decision="approved", note="", meta=meta(principal=ANOTHER))
        life.cancel_run(2, reason="asked for it", meta=meta())
        life.decide_unknown(3, "call", decision="delivered", note="it is in their book", meta=meta(principal=ANOTHER))
        life.pause(reason="wait", meta=meta())
        life.resume(meta=meta())
        life.trip(attempts=10, failures=6, meta=meta())
        life.resume(meta=meta())
        match end:
            case "complete":
                life.complete({**NOBODY, "delivered": 3}, reached=3, meta=meta())
            case "cancel":
                life.request_cancel(reason="stop", meta=meta())
                life.finish_cancel({**NOBODY, "delivered": 1, "skipped": 2}, reached=2, meta=meta())
            case _:
                life.fail(code="workflow.not_active", reason="The workflow is not active.", meta=meta())
        yield life

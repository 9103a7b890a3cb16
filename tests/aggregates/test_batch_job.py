"""The batch job's guards."""

from __future__ import annotations

from uuid import UUID

import pytest

from aggregates.batch_job.aggregate import BatchJob
from aggregates.batch_job.standing import COUNTS, TERMINAL
from aggregates.errors import DomainError
from tests.support.aggregates import acknowledged, facts, given, meta, topics

JOB = UUID(int=10)
NOBODY = dict.fromkeys(COUNTS, 0)


def requested(held_because: str | None = None, count: int = 3) -> BatchJob:
    return BatchJob.request(
        JOB,
        workflow_id=UUID(int=2),
        workflow_version=1,
        variables={"greeting": "hello"},
        acknowledgement=acknowledged(count),
        request_digest="d",
        send_mode="capture",
        held_because=held_because,
        meta=meta(),
    )


def running(count: int = 3) -> BatchJob:
    return given(requested(count=count), lambda job: job.enrol(enrolled=count, chunks=1, fingerprint="f", meta=meta()))


def test_a_request_starts_queued_and_says_what_was_acknowledged() -> None:
    job = requested()
    assert job.status == "queued"
    (event,) = facts(job)
    assert event.acknowledgement["count"] == 3  # type: ignore[attr-defined]
    assert event.meta["actor"] == "key1"


def test_a_request_over_the_approval_threshold_is_held() -> None:
    assert requested(held_because="approval_over").status == "held"


def test_enrolling_exactly_the_acknowledged_people_starts_the_job() -> None:
    job = running()
    assert (job.status, job.enrolled) == ("running", 3)


@pytest.mark.parametrize(("enrolled", "fingerprint"), [(4, "f"), (2, "f"), (3, "other")])
def test_enrolling_other_people_than_acknowledged_is_drift(enrolled: int, fingerprint: str) -> None:
    job = given(requested())
    with pytest.raises(DomainError) as refusal:
        job.enrol(enrolled=enrolled, chunks=1, fingerprint=fingerprint, meta=meta())
    assert refusal.value.code == "audience.drift"
    assert topics(job) == []


def test_enrolling_twice_records_nothing() -> None:
    job = running()
    job.enrol(enrolled=3, chunks=1, fingerprint="f", meta=meta())
    assert topics(job) == []


def test_completing_with_everybody_settled_completes() -> None:
    job = running()
    job.complete({**NOBODY, "delivered": 2, "skipped": 1}, meta=meta())
    assert job.status == "completed"


def test_completing_with_a_failure_says_so() -> None:
    job = running()
    job.complete({**NOBODY, "delivered": 2, "failed": 1}, meta=meta())
    assert job.status == "completed_with_failures"


@pytest.mark.parametrize(
    "counts",
    [
        {**NOBODY, "delivered": 2},
        {**NOBODY, "delivered": 4},
        {**NOBODY, "delivered": 2, "waiting": 1},
        {**NOBODY, "delivered": 2, "pending": 1},
        {**NOBODY, "delivered": 4, "pending": -1},
        {"delivered": 3},
    ],
)
def test_completing_without_balance_is_refused(counts: dict[str, int]) -> None:
    job = running()
    with pytest.raises(DomainError) as refusal:
        job.complete(counts, meta=meta())
    assert refusal.value.code == "batch_job.unbalanced"
    assert topics(job) == []


def test_progress_that_says_nothing_new_records_nothing() -> None:
    counts = {**NOBODY, "delivered": 1, "pending": 2}
    job = given(running(), lambda job: job.progress(counts, meta=meta()))
    job.progress(counts, meta=meta())
    assert topics(job) == []


def test_cancelling_before_enrolment_ends_at_once() -> None:
    job = given(requested())
    job.request_cancel(reason="changed my mind", meta=meta())
    assert job.status == "cancelled"
    assert topics(job) == ["batch_job.cancel_requested.v1", "batch_job.cancelled.v1"]


def test_cancelling_a_running_job_ends_when_everybody_is_settled() -> None:
    job = given(running(), lambda job: job.request_cancel(reason="stop", meta=meta()))
    assert job.status == "cancelling"
    with pytest.raises(DomainError):
        job.finish_cancel({**NOBODY, "delivered": 1, "in_progress": 2}, meta=meta())
    job.finish_cancel({**NOBODY, "delivered": 1, "skipped": 2}, meta=meta())
    assert job.status == "cancelled"


def test_a_paused_job_resumes_to_where_it_was() -> None:
    early = given(requested(), lambda job: job.pause(reason="wait", meta=meta()))
    early.resume(meta=meta())
    late = given(running(), lambda job: job.pause(reason="wait", meta=meta()))
    late.resume(meta=meta())
    assert (early.status, late.status) == ("queued", "running")


def ended() -> list[BatchJob]:
    settled = {**NOBODY, "delivered": 3}
    return [
        given(running(), lambda job: job.complete(settled, meta=meta())),
        given(running(), lambda job: job.complete({**NOBODY, "failed": 3}, meta=meta())),
        given(requested(), lambda job: job.request_cancel(reason="stop", meta=meta())),
        given(requested(), lambda job: job.fail(code="audience.drift", reason="moved", meta=meta())),
    ]


@pytest.mark.parametrize("job", ended(), ids=lambda job: job.status)
def test_terminal_states_never_change(job: BatchJob) -> None:
    status = job.status
    assert status in TERMINAL
    commands = (
        lambda: job.pause(reason="x", meta=meta()),
        lambda: job.resume(meta=meta()),
        lambda: job.request_cancel(reason="x", meta=meta()),
        lambda: job.complete({**NOBODY, "delivered": 3}, meta=meta()),
        lambda: job.fail(code="audience.drift", reason="x", meta=meta()),
        lambda: job.progress({**NOBODY, "delivered": 3}, meta=meta()),
        lambda: job.enrol(enrolled=3, chunks=1, fingerprint="f", meta=meta()),
    )
    codes = set()
    for command in commands:
        try:
            command()
        except DomainError as refusal:
            codes.add(refusal.code)
    assert codes == {"batch_job.ended"}
    assert (job.status, topics(job)) == (status, [])

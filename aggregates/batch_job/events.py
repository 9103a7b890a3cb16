"""What can happen to a batch job. Counts and ids only: who was reached is the ledger's business.

`request_digest` is kept outside with the variables: it has no salt, so it would let them be guessed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from aggregates.base import CreatedEvent, Event


class BatchJobRequested(CreatedEvent):
    """Somebody acknowledged a sized audience; `status` is `queued`, or `held` when a human must approve.

    `manual` is a batch of one without a person: a manual run. What it was started with is in the ledger. `retry_of` is
    the job whose failed runs these people had.
    """

    TOPIC = "batch_job.requested.v1"
    OUTSIDE = ("variables", "request_digest")
    class_version = 5
    workflow_id: UUID
    workflow_version: int
    variables: dict[str, Any]
    acknowledgement: dict[str, Any]
    request_digest: str
    send_mode: str
    schedule_id: UUID | None
    scheduled_for: datetime | None
    status: str
    held_because: str | None
    held_until: datetime | None
    frozen: bool
    manual: bool
    retry_of: UUID | None
    rate: str | None
    breaker: dict[str, Any] | None

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> None:
        state |= {"held_until": None, "frozen": False}

    @staticmethod
    def upcast_v2_v3(state: dict[str, Any]) -> None:
        state |= {"manual": False}

    @staticmethod
    def upcast_v3_v4(state: dict[str, Any]) -> None:
        state |= {"retry_of": None}

    @staticmethod
    def upcast_v4_v5(state: dict[str, Any]) -> None:
        state |= {"rate": None, "breaker": None}


class BatchJobApproved(Event):
    """A human who did not ask for the job confirmed its audience; it runs over exactly that one."""

    TOPIC = "batch_job.approved.v1"
    OUTSIDE = ("note",)
    acknowledgement: dict[str, Any]
    note: str


class BatchJobRejected(Event):
    """Nobody will be reached; `code` tells a decision from an approval that never came."""

    TOPIC = "batch_job.rejected.v1"
    OUTSIDE = ("reason",)
    code: str
    reason: str


class BatchJobStepDecided(Event):
    """A human answered an approval step for everybody who stands or will stand at it."""

    TOPIC = "batch_job.step_decided.v1"
    OUTSIDE = ("note",)
    step_id: str
    decision: str
    note: str


class BatchJobEnrolled(Event):
    """The audience was resolved in one snapshot, equals the acknowledged one, and is frozen into chunks."""

    TOPIC = "batch_job.enrolled.v1"
    enrolled: int
    chunks: int


class BatchJobProgressed(Event):
    """Cumulative counts, at most four a second.

    `reached` counts people for whom at least one effect outside was made or may have been; None where an older version
    did not count them.
    """

    TOPIC = "batch_job.progressed.v1"
    class_version = 2
    counts: dict[str, int]
    reached: int | None

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> None:
        state |= {"reached": None}


class BatchJobRunCancelled(Event):
    """Nothing more is done for one person of the job; the others go on."""

    TOPIC = "batch_job.run_cancelled.v1"
    OUTSIDE = ("reason",)
    person_id: int
    reason: str


class BatchJobUnknownDecided(Event):
    """A human said what became of an effect whose outcome nobody knew: `delivered`, `retry` or `failed`."""

    TOPIC = "batch_job.unknown_decided.v1"
    OUTSIDE = ("note",)
    person_id: int
    step_id: str
    decision: str
    note: str


class BatchJobPaused(Event):
    """Nobody else is reached until it is resumed; `tripped` has the numbers if the breaker did it.

    `guarded` says that an agent did it, which may then take it back by itself.
    """

    TOPIC = "batch_job.paused.v1"
    OUTSIDE = ("reason",)
    class_version = 3
    reason: str
    tripped: dict[str, Any] | None
    guarded: bool

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> None:
        state |= {"tripped": None}

    @staticmethod
    def upcast_v2_v3(state: dict[str, Any]) -> None:
        # What older versions recorded does not say it; then a human is asked, which is right for either.
        state |= {"guarded": False}


class BatchJobResumed(Event):
    TOPIC = "batch_job.resumed.v1"


class BatchJobCancelRequested(Event):
    TOPIC = "batch_job.cancel_requested.v1"
    OUTSIDE = ("reason",)
    reason: str


class BatchJobCancelled(Event):
    """No further send starts. `reached` is the last word on how many were, as of BatchJobProgressed."""

    TOPIC = "batch_job.cancelled.v1"
    class_version = 2
    counts: dict[str, int]
    reached: int | None

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> None:
        state |= {"reached": None}


class BatchJobCompleted(Event):
    """Everyone enrolled has an outcome; `failures` tells whether any of them failed, `reached` as in progress."""

    TOPIC = "batch_job.completed.v1"
    class_version = 2
    counts: dict[str, int]
    failures: bool
    reached: int | None

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> None:
        state |= {"reached": None}


class BatchJobFailed(Event):
    """Nothing (more) will be sent; `code` is a refusal's code, such as `audience.drift`."""

    TOPIC = "batch_job.failed.v1"
    code: str
    reason: str

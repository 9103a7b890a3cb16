"""The batch job: requested once, enrolled once, ended once. A manual run is a batch of one without a person.

| from                       | command          | to                                     |
|----------------------------|------------------|----------------------------------------|
| -                          | request          | queued, or held                        |
| held                       | approve          | queued                                 |
| held                       | reject           | rejected                               |
| queued                     | enrol            | running                                |
| running                    | progress         | running                                |
| queued, running            | pause            | paused                                 |
| running                    | trip             | paused                                 |
| paused                     | resume           | queued or running, as before           |
| held, queued               | request_cancel   | cancelled                              |
| running, paused            | request_cancel   | cancelling                             |
| cancelling                 | finish_cancel    | cancelled                              |
| running                    | complete         | completed or completed_with_failures   |
| held, queued, running, ... | fail             | failed                                 |
| running, paused            | decide_step      | as before                              |
| running, paused            | cancel_run       | as before                              |
| running, paused            | decide_unknown   | as before                              |

Terminal: cancelled, completed, completed_with_failures, failed, rejected. They never change.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from aggregates.approval import require_another_human
from aggregates.base import Meta
from aggregates.batch_job.events import (
    BatchJobApproved,
    BatchJobCancelled,
    BatchJobCancelRequested,
    BatchJobCompleted,
    BatchJobEnrolled,
    BatchJobFailed,
    BatchJobPaused,
    BatchJobProgressed,
    BatchJobRejected,
    BatchJobRequested,
    BatchJobResumed,
    BatchJobRunCancelled,
    BatchJobStepDecided,
    BatchJobUnknownDecided,
)
from aggregates.batch_job.facts import Recorded
from aggregates.batch_job.standing import COUNTS, OUTCOMES, TERMINAL
from aggregates.errors import DomainError
from aggregates.outside import ERASED
from aggregates.pace import UNHINDERED, Pace
from aggregates.values import Acknowledgement


class BatchJob(Recorded):
    TOPIC = "batch_job"
    KIND = "batch_job"

    # -- commands

    @classmethod
    def request(
        cls,
        id: UUID,
        *,
        workflow_id: UUID,
        workflow_version: int,
        variables: Mapping[str, Any],
        acknowledgement: Acknowledgement,
        request_digest: str,
        send_mode: str,
        held_because: str | None = None,
        held_until: datetime | None = None,
        frozen: bool = False,
        schedule_id: UUID | None = None,
        scheduled_for: datetime | None = None,
        manual: bool = False,
        retry_of: UUID | None = None,
        pace: Pace = UNHINDERED,
        meta: Meta,
    ) -> Self:
        """A job over exactly the acknowledged people; `held_because` makes it wait for a human until `held_until`.

        `frozen`: their ids were kept when they were sized. `manual`, with `ONE_RUN`: one run for nobody in particular.
        `retry_of`: its people are those whose runs of that job failed.
        """
        what = {"workflow_id": workflow_id, "workflow_version": workflow_version, "variables": dict(variables)}
        whom = {"frozen": frozen, "manual": manual, "retry_of": retry_of}
        when = {"schedule_id": schedule_id, "scheduled_for": scheduled_for}
        return cls.begin(
            BatchJobRequested,
            id,
            meta,
            **(what | whom | when | pace.as_data()),
            acknowledgement=acknowledgement.as_data(),
            request_digest=request_digest,
            send_mode=send_mode,
            status="held" if held_because else "queued",
            held_because=held_because,
            held_until=held_until if held_because else None,
        )

    def approve(self, acknowledgement: Acknowledgement, *, note: str, meta: Meta) -> None:
        """Let a held job run over the audience that the approver confirmed."""
        if self.approved_by is not None:
            return
        self.awaits_approval()
        self.may_decide(meta)
        if self.due_at is not None and self.due_at <= meta.now:
            raise DomainError("approval.expired")
        if self.held_because == "witnessed" and acknowledgement.fingerprint != self.fingerprint:
            now = {"now": acknowledgement.count, "acknowledged": self.acknowledged_count, "same_people": False}
            raise DomainError("audience.drift", "They are not the people that were asked for.", details=now)
        self.emit(BatchJobApproved, meta, acknowledgement=acknowledgement.as_data(), note=note)

    def reject(self, *, reason: str, meta: Meta) -> None:
        """End a held job; its requester may do so as well."""
        if self.status != "rejected":
            self._require("held", move="reject")
            self.emit(BatchJobRejected, meta, code="approval.rejected", reason=reason)

    def expire(self, *, meta: Meta) -> None:
        """End a held job that nobody decided about in time."""
        if self.status == "held" and self.due_at is not None and self.due_at <= meta.now:
            self.emit(BatchJobRejected, meta, code="approval.expired", reason="Nobody approved it in time.")

    def decide_step(self, step_id: str, *, decision: str, note: str, meta: Meta) -> None:
        """Answer an approval step for everybody in this job; an answer is final."""
        if self.decisions.get(step_id) == decision:
            return
        if step_id in self.decisions:
            raise DomainError("step.decided", details={"decision": self.decisions[step_id]})
        self.awaits_decisions()
        self.may_decide(meta)
        self.emit(BatchJobStepDecided, meta, step_id=step_id, decision=decision, note=note)

    def awaits_approval(self) -> None:
        """Refused unless somebody has to approve it."""
        self._require("held", move="approve")

    def awaits_decisions(self) -> None:
        """Refused unless people can stand at its steps."""
        if self.enrolled is None:
            raise DomainError("batch_job.illegal_move", details={"status": self.status, "move": "decide_step"})
        self._require("running", "paused", move="decide_step")

    def has_ended(self) -> None:
        """Refused while it may still reach somebody: until then nobody's failure is final."""
        self._require(*TERMINAL, move="retry_failed")

    def may_decide(self, meta: Meta) -> None:
        """An approver is never the requester, nor anybody who counts as one with them, and never an agent."""
        require_another_human(self.requesters, meta)

    def enrol(self, *, enrolled: int, chunks: int, fingerprint: str, meta: Meta) -> None:
        """Freeze the audience; refused when it is not the one that was acknowledged."""
        if self.enrolled is not None:
            return
        self._require("queued", move="enrol")
        if ERASED in self.variables:
            raise DomainError("variables.invalid", "Its variables were erased.")
        if not self._covers(enrolled, fingerprint):
            other = ", but not the same people" if enrolled == self.acknowledged_count else ""
            raise DomainError(
                "audience.drift",
                f"Now {enrolled:,}{other}; acknowledged {self.acknowledged_count:,}.",
                details={"now": enrolled, "acknowledged": self.acknowledged_count},
            )
        self.emit(BatchJobEnrolled, meta, enrolled=enrolled, chunks=chunks)

    def progress(self, counts: Mapping[str, int], *, reached: int = 0, meta: Meta) -> None:
        """Record cumulative counts, and how many people were reached; what is known and ended jobs record nothing."""
        known = (dict(counts), reached) == (self.counts, self.reached)
        if self.status not in {"running", "paused", "cancelling"} or known:
            return
        self._balanced(counts, reached)
        self.emit(BatchJobProgressed, meta, counts=dict(counts), reached=reached)

    def pause(self, *, reason: str, meta: Meta) -> None:
        """Stop for a while. A human's pause stands above an agent's, so that the agent cannot take it back."""
        guarded = meta.principal.guarded
        if self.status == "paused" and (guarded or self.paused_by_agent is None):
            return
        self._require("queued", "running", "paused", move="pause")
        self.emit(BatchJobPaused, meta, reason=reason, tripped=None, guarded=guarded)

    def trip(self, *, attempts: int, failures: int, meta: Meta) -> None:
        """Pause because too many of the latest attempts have failed."""
        breaker = self.pace.breaker
        if self.status == "running" and breaker is not None and breaker.trips(attempts, failures):
            reason = f"The breaker tripped: {failures:,} of {attempts:,} attempts failed."
            tripped = {"attempts": attempts, "failures": failures, "max_failure_ratio": breaker.max_failure_ratio}
            self.emit(BatchJobPaused, meta, reason=reason, tripped=tripped, guarded=False)

    def can_resume(self) -> None:
        """Refused unless it is paused."""
        self._require("paused", move="resume")

    def may_resume_alone(self, meta: Meta) -> bool:
        """Whether resuming needs no proof: a human asks, or the agent that paused it itself."""
        return not meta.principal.guarded or self.paused_by_agent == meta.principal.id

    def resume(self, *, meta: Meta) -> None:
        if self.status in {"queued", "running"}:
            return
        self._require("paused", move="resume")
        self.emit(BatchJobResumed, meta)

    def request_cancel(self, *, reason: str, meta: Meta) -> None:
        """Stop; a job that nobody was enrolled for yet is cancelled at once."""
        if self.status in {"cancelling", "cancelled"}:
            return
        self._require("held", "queued", "running", "paused", move="cancel")
        self.emit(BatchJobCancelRequested, meta, reason=reason)
        if self.enrolled is None:
            self.emit(BatchJobCancelled, meta, counts=dict.fromkeys(COUNTS, 0), reached=0)

    def cancel_run(self, person_id: int, *, reason: str, meta: Meta) -> None:
        """Do nothing more for one person; who has an outcome already is not asked about here."""
        if person_id not in self.cancelled_runs:
            self._require("running", "paused", move="cancel_run")
            self.emit(BatchJobRunCancelled, meta, person_id=person_id, reason=reason)

    def decide_unknown(self, person_id: int, step_id: str, *, decision: str, note: str, meta: Meta) -> None:
        """Say what became of an effect whose outcome nobody knows; the ledger knows that the run waits for it."""
        self.may_decide(meta)
        self._require("running", "paused", move="decide_unknown")
        self.emit(BatchJobUnknownDecided, meta, person_id=person_id, step_id=step_id, decision=decision, note=note)

    def finish_cancel(self, counts: Mapping[str, int], *, reached: int = 0, meta: Meta) -> None:
        """No further send starts from here on; people without an outcome were skipped, or exited if reached."""
        if self.status == "cancelled":
            return
        self._require("cancelling", move="finish_cancel")
        self._settled(counts, reached)
        self.emit(BatchJobCancelled, meta, counts=dict(counts), reached=reached)

    def complete(self, counts: Mapping[str, int], *, reached: int = 0, meta: Meta) -> None:
        """End; refused unless everyone enrolled has an outcome."""
        if self.status in {"completed", "completed_with_failures"}:
            return
        self._require("running", move="complete")
        self._settled(counts, reached)
        self.emit(BatchJobCompleted, meta, counts=dict(counts), failures=counts["failed"] > 0, reached=reached)

    def fail(self, *, code: str, reason: str, meta: Meta) -> None:
        if self.status == "failed":
            return
        self._require("held", "queued", "running", "paused", move="fail")
        self.emit(BatchJobFailed, meta, code=code, reason=reason)

    # -- guards

    @property
    def ended(self) -> bool:
        return self.status in TERMINAL

    def _covers(self, enrolled: int, fingerprint: str) -> bool:
        """Whether these people are acknowledged: exactly, or within the ceiling of a standing approval."""
        ceiling = self.acknowledgement.get("ceiling")
        if ceiling is not None:
            return 0 < enrolled <= int(ceiling)
        return (enrolled, fingerprint) == (self.acknowledged_count, self.fingerprint)

    def _require(self, *allowed: str, move: str) -> None:
        if self.status in allowed:
            return
        code = "batch_job.ended" if self.ended else "batch_job.illegal_move"
        raise DomainError(code, details={"status": self.status, "move": move})

    def _balanced(self, counts: Mapping[str, int], reached: int) -> None:
        whole = set(counts) == set(COUNTS) and min(counts.values()) >= 0 and sum(counts.values()) == self.enrolled
        if not whole or not 0 <= reached <= (self.enrolled or 0):
            raise DomainError("batch_job.unbalanced", details={"enrolled": self.enrolled, "reached": reached, **counts})

    def _settled(self, counts: Mapping[str, int], reached: int) -> None:
        self._balanced(counts, reached)
        if sum(counts[name] for name in OUTCOMES) != self.enrolled:
            raise DomainError("batch_job.unbalanced", details={"enrolled": self.enrolled, **counts})

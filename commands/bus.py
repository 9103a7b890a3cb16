"""The command bus: authorize, claim the idempotency key, handle, append; again when a stream moved.

Every command is one database transaction: its idempotency row, its events and its answer are there together
or not at all. So a crash at any instant leaves either nothing or everything, and a retry with the same key
gets the same answer. What is refused leaves one record, written after everything else of it was rolled back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, is_dataclass, replace
from typing import Any, Protocol

from aggregates.base import Meta
from aggregates.errors import DomainError
from aggregates.values import digest
from commands import (
    approval,
    batch_job,
    confirmation,
    consent,
    due,
    keys,
    people,
    policy,
    preview,
    resume,
    retry,
    runs,
    schedule,
    showing,
    simulation,
    unknown,
    workflow,
)
from commands.context import Accepted, Context
from commands.grants import authorize
from commands.refusals import Record, subject_of

Handler = Callable[[Any, Context], Accepted]

HANDLERS: dict[type, Handler] = {
    workflow.CreateWorkflow: workflow.create,
    workflow.EditWorkflow: workflow.edit,
    workflow.EnableWorkflow: workflow.enable,
    workflow.DisableWorkflow: workflow.disable,
    workflow.ArchiveWorkflow: workflow.archive,
    workflow.RestoreWorkflow: workflow.restore,
    workflow.SetAgentRuns: workflow.set_agent_runs,
    batch_job.SizeAudience: batch_job.size_audience,
    batch_job.ExplainAudience: batch_job.explain_audience,
    batch_job.RunBatch: batch_job.run_batch,
    retry.SizeFailed: retry.size_failed,
    retry.RetryFailed: retry.retry_failed,
    batch_job.PauseBatchJob: batch_job.pause,
    resume.SizeOpen: resume.size_open,
    batch_job.ResumeBatchJob: resume.resume,
    batch_job.CancelBatchJob: batch_job.cancel,
    runs.RunWorkflow: runs.run_workflow,
    runs.CancelRun: runs.cancel_run,
    unknown.DecideUnknown: unknown.decide_unknown,
    simulation.SimulateWorkflow: simulation.simulate,
    approval.ApproveBatchJob: approval.approve,
    approval.RejectBatchJob: approval.reject,
    approval.DecideStep: approval.decide_step,
    showing.ShowConfirmation: showing.show,
    confirmation.AcceptConfirmation: confirmation.accept,
    confirmation.RejectConfirmation: confirmation.reject,
    schedule.AttachSchedule: schedule.attach,
    schedule.ReviseSchedule: schedule.revise,
    schedule.PauseSchedule: schedule.pause,
    schedule.ResumeSchedule: schedule.resume,
    schedule.DetachSchedule: schedule.detach,
    preview.PreviewSchedule: preview.preview,
    due.FireSchedule: due.fire,
    due.ExpireApproval: due.expire,
    confirmation.ExpireConfirmation: confirmation.expire,
    people.ImportPeople: people.import_people,
    consent.OptOut: consent.opt_out,
    consent.OptIn: consent.opt_in,
    consent.Suppress: consent.suppress,
    consent.Unsuppress: consent.unsuppress,
    people.CreateCohort: people.create_cohort,
    keys.CreateKey: keys.create,
    keys.ChangeKey: keys.change,
    keys.RevokeKey: keys.revoke,
    policy.SetPolicy: policy.set_policy,
}

ATTEMPTS = 3
"""How often a command is tried when somebody else appended to its stream first."""


class _Rehearsed(Exception):
    """Undoes a transaction that was good."""


@dataclass(frozen=True)
class Rehearsal:
    """What a command would be answered with. `done` says that it has been done before, and would change nothing."""

    answer: Accepted
    done: bool


class StreamMoved(Exception):
    """Somebody appended to a stream between its load and its save."""


class Claims(Protocol):
    """Idempotency keys, inside the command's transaction."""

    def claim(self, meta: Meta, command: str, body_digest: str) -> Accepted | None:
        """The answer given before; None when this request is the first with its key."""

    def settle(self, meta: Meta, command: str, answer: Accepted) -> None: ...


class Unit(Protocol):
    """One transaction with everything that a command may touch."""

    @property
    def claims(self) -> Claims: ...

    @property
    def appended(self) -> int | None:
        """The position of the last event that was added to the log; None if none was."""

    def context(self, meta: Meta) -> Context: ...


class Bus:
    """Takes a command and who asks; answers what was accepted, or raises DomainError and has that recorded."""

    def __init__(self, unit_of_work: Callable[[], AbstractContextManager[Unit, Any]], record: Record) -> None:
        self._unit_of_work = unit_of_work
        self._record = record

    def dispatch(self, command: Any, meta: Meta) -> Accepted:
        """Handle one command. Raises StreamMoved as `stream.conflict` after a few tries."""
        with self._recording(command, meta):
            authorize(meta.principal, type(command).__name__, command)
            for _ in range(ATTEMPTS):
                try:
                    with self._unit_of_work() as unit:
                        return self._once(command, meta, unit)
                except StreamMoved:
                    continue
            raise DomainError("stream.conflict")

    def rehearse(self, command: Any, meta: Meta) -> Rehearsal:
        """Pass every check of `dispatch` or be refused by it, at this moment, and change nothing."""
        with self._recording(command, meta):
            authorize(meta.principal, type(command).__name__, command)
            try:
                with self._unit_of_work() as unit:
                    rehearsal = Rehearsal(self._once(command, meta, unit), unit.appended is None)
                    raise _Rehearsed
            except _Rehearsed:
                return rehearsal
            except StreamMoved:
                raise DomainError("stream.conflict") from None

    @contextmanager
    def _recording(self, command: Any, meta: Meta) -> Iterator[None]:
        """Have a refusal recorded, once everything else of the command was rolled back."""
        try:
            yield
        except DomainError as refusal:
            self._record(refusal, meta, type(command).__name__, subject_of(vars(command)))
            raise

    def _once(self, command: Any, meta: Meta, unit: Unit) -> Accepted:
        name = type(command).__name__
        if meta.idempotency_key is None:
            return _handled(command, meta, unit)
        earlier = unit.claims.claim(meta, name, body_digest(command))
        if earlier is not None:
            return earlier
        answer = _handled(command, meta, unit)
        unit.claims.settle(meta, name, answer)
        return answer


def _handled(command: Any, meta: Meta, unit: Unit) -> Accepted:
    """The handler's answer, with whether the log has grown: no handler has to remember it."""
    answer = HANDLERS[type(command)](command, unit.context(meta))
    if unit.appended is None:
        return replace(answer, changed=False)
    return replace(answer, changed=True, position=unit.appended)


def body_digest(command: Any) -> str:
    """What makes two requests with one idempotency key the same request."""
    assert is_dataclass(command) and not isinstance(command, type)
    return digest(asdict(command))

"""Every decision is an event: what is accepted has grown the log, or its answer says that nothing changed."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from aggregates.base import Principal
from aggregates.batch_job.aggregate import BatchJob
from aggregates.errors import DomainError
from aggregates.policy import Limits
from commands.approval import ApproveBatchJob, DecideStep, RejectBatchJob
from commands.batch_job import (
    CancelBatchJob,
    ExplainAudience,
    PauseBatchJob,
    ResumeBatchJob,
    RunBatch,
    SizeAudience,
)
from commands.confirmation import AcceptConfirmation, ExpireConfirmation, RejectConfirmation
from commands.consent import OptIn, OptOut, Suppress, Unsuppress
from commands.context import Accepted
from commands.due import ExpireApproval, FireSchedule
from commands.grants import COMMANDS
from commands.keys import ChangeKey, CreateKey, RevokeKey
from commands.people import CreateCohort, ImportPeople
from commands.policy import SetPolicy
from commands.preview import PreviewSchedule
from commands.resume import SizeOpen
from commands.retry import RetryFailed, SizeFailed
from commands.runs import CancelRun, RunWorkflow
from commands.schedule import DetachSchedule, PauseSchedule, ResumeSchedule, ReviseSchedule
from commands.showing import ShowConfirmation
from commands.simulation import SimulateWorkflow
from commands.unknown import DecideUnknown
from commands.workflow import (
    ArchiveWorkflow,
    CreateWorkflow,
    DisableWorkflow,
    EditWorkflow,
    EnableWorkflow,
    RestoreWorkflow,
    SetAgentRuns,
)
from engine.store import Store
from tests.commands.conftest import Desk, MakeProduct
from tests.support.product import CAPTURE, EVERYONE

LOOKING = {
    "SizeAudience",
    "ExplainAudience",
    "SizeFailed",
    "SizeOpen",
    "SimulateWorkflow",
    "PreviewSchedule",
    "ShowConfirmation",
}
"""Commands that only tell; nothing of them is ever recorded."""

NOWHERE = {"ExpireApproval", "ExpireConfirmation", "ImportPeople", "OptOut", "OptIn", "Suppress", "Unsuppress"}
"""Commands that are about no stream, or are claimed from it: when nothing changes there is no place to tell."""

ONCE = {"AcceptConfirmation"}
"""What was confirmed is not confirmed again, not even by the same human."""

NEW = {"CreateWorkflow", "RunWorkflow", "CreateKey", "CreateCohort"}
"""Commands that do something new however often they are asked."""

ASK = {"instructions": "Right?", "expires_after": {"days": 3}, "on_expiry": "rejected"}
END = {"id": "end", "name": "End", "type": "exit", "config": {"reason": "done"}}
STEPS = [{"id": "ask", "name": "Ask", "type": "approval", "config": ASK}, END]
EDGES = [{"from": "ask", "to": "end", "branch": way} for way in ("approved", "rejected")]


@dataclass
class Case:
    """A desk in which there is something to be done, and what is asked there."""

    desk: Desk
    command: Any
    by: Principal


def _job(desk: Desk, *, held: bool = False, enrolled: bool = False) -> UUID:
    limits = (Limits(approval_over=1),) if held else ()
    job_id = desk.run(desk.product.principal(id="somebody", limits=limits))
    if enrolled:
        desk.enrol(job_id)
    return job_id


def _run(desk: Desk, job_id: UUID, status: str, reason: str | None = None) -> str:
    """A run of the first person that stands like this."""
    desk.product.execute(
        "INSERT INTO runs (job_id, person_id, status, reason, at_step, steps, updated_at) "
        "VALUES (:job, :person, :status, :reason, 'ask', '[]', now())",
        job=job_id,
        person=desk.pro[0],
        status=status,
        reason=reason,
    )
    return f"{job_id}.{desk.pro[0]}"


def _failed(desk: Desk) -> UUID:
    """A job that has ended and in which somebody's run failed."""
    job_id = _job(desk, enrolled=True)
    _run(desk, job_id, "failed")
    meta = desk.product.system.meta(desk.engine, via="test")
    with desk.product.system.engine.begin() as connection:
        store = Store(connection, desk.product.system.recorder)
        job = store.load(BatchJob, job_id, meta)
        job.fail(code="workflow.not_active", reason="The workflow is not active.", meta=meta)
        store.save(job)
    return job_id


def _fire(desk: Desk) -> FireSchedule:
    schedule_id = desk.attach()
    upcoming = desk.schedule(schedule_id)["next_occurrence"]
    desk.product.clock.advance(seconds=(upcoming - desk.product.clock.now()).total_seconds() + 1)
    return FireSchedule(schedule_id, desk.product.clock.now())


def _expired(desk: Desk) -> ExpireApproval:
    job_id = _job(desk, held=True)
    desk.product.clock.advance(days=30)
    return ExpireApproval(job_id)


def _paused(desk: Desk) -> UUID:
    schedule_id = desk.attach()
    desk.product.ask(PauseSchedule(schedule_id, "look first"))
    return schedule_id


def _resumed(desk: Desk) -> ResumeBatchJob:
    job_id = _job(desk)
    desk.product.ask(PauseBatchJob(job_id, "look first"))
    return ResumeBatchJob(job_id)


def _archived(desk: Desk) -> RestoreWorkflow:
    desk.product.ask(ArchiveWorkflow(desk.workflow_id))
    return RestoreWorkflow(desk.workflow_id)


def _disabled(desk: Desk) -> UUID:
    desk.product.ask(DisableWorkflow(desk.workflow_id))
    return desk.workflow_id


def _manual(desk: Desk) -> RunWorkflow:
    return RunWorkflow(desk.product.workflow(trigger={"type": "manual"}))


def _key(desk: Desk) -> str:
    return str(desk.product.ask(CreateKey("ci", ("workflow:read",), limits=Limits(max_audience=5)))["key_id"])


def _asked(desk: Desk) -> UUID:
    """What an agent asked for and a human has to confirm."""
    agent = desk.product.principal(id="agent", agent=True, limits=(Limits(confirmation="witnessed"),))
    command = desk.attaching(*desk.token(agent, schedule=desk.daily()))
    return UUID(desk.product.ask(command, agent)["confirmation_id"])


def _expired_confirmation(desk: Desk) -> ExpireConfirmation:
    confirmation_id = _asked(desk)
    desk.product.clock.advance(days=30)
    return ExpireConfirmation(confirmation_id)


def _open(desk: Desk) -> SizeOpen:
    job_id = _job(desk, enrolled=True)
    desk.product.ask(PauseBatchJob(job_id, "look first"))
    return SizeOpen(job_id)


def _resuming(desk: Desk) -> ResumeSchedule:
    schedule_id = _paused(desk)
    return ResumeSchedule(schedule_id, *desk.token(schedule={"schedule_id": schedule_id}))


def _left(desk: Desk) -> OptIn:
    desk.product.ask(OptOut(person_id=desk.pro[0]))
    return OptIn(person_id=desk.pro[0])


def _stopped(desk: Desk) -> Unsuppress:
    desk.product.ask(Suppress("ann@example.org"))
    return Unsuppress("ann@example.org")


class Rows(io.BytesIO):
    """An import's rows, that can be read as often as it is asked for."""

    def read(self, size: int | None = -1, /) -> bytes:
        part = super().read(size)
        if not part:
            self.seek(0)
        return part


def _retry(desk: Desk) -> RetryFailed:
    job_id = _failed(desk)
    sizing = desk.product.ask(SizeFailed(job_id), desk.somebody)
    return RetryFailed(job_id, sizing["affected"], sizing["confirm_token"])


CASES: Mapping[str, Callable[[Desk], Any]] = {
    "CreateWorkflow": lambda desk: CreateWorkflow("Copy", trigger=EVERYONE, steps=[CAPTURE]),
    "EditWorkflow": lambda desk: EditWorkflow(_disabled(desk), desk.version, name="Other"),
    "EnableWorkflow": lambda desk: EnableWorkflow(_disabled(desk)),
    "DisableWorkflow": lambda desk: DisableWorkflow(desk.workflow_id),
    "ArchiveWorkflow": lambda desk: ArchiveWorkflow(desk.workflow_id),
    "RestoreWorkflow": _archived,
    "SizeAudience": lambda desk: SizeAudience(desk.workflow_id),
    "ExplainAudience": lambda desk: ExplainAudience(desk.workflow_id),
    "RunBatch": lambda desk: RunBatch(desk.workflow_id, *desk.token()),
    "SizeFailed": lambda desk: SizeFailed(_failed(desk)),
    "RetryFailed": _retry,
    "RunWorkflow": _manual,
    "CancelRun": lambda desk: CancelRun(_run(desk, _job(desk, enrolled=True), "waiting"), "enough"),
    "SimulateWorkflow": lambda desk: SimulateWorkflow(desk.workflow_id, sample=1),
    "ApproveBatchJob": lambda desk: ApproveBatchJob(_job(desk, held=True), *desk.token(desk.another)),
    "RejectBatchJob": lambda desk: RejectBatchJob(_job(desk, held=True), "no"),
    "DecideStep": lambda desk: DecideStep(_job(desk, enrolled=True), "ask", "approved"),
    "DecideUnknown": lambda desk: DecideUnknown(
        _run(desk, _job(desk, enrolled=True), "waiting", "outcome_unknown"), "failed"
    ),
    "PauseBatchJob": lambda desk: PauseBatchJob(_job(desk), "look first"),
    "ResumeBatchJob": _resumed,
    "CancelBatchJob": lambda desk: CancelBatchJob(_job(desk), "enough"),
    "AttachSchedule": lambda desk: desk.attaching(*desk.token(schedule=desk.daily())),
    "ReviseSchedule": lambda desk: ReviseSchedule(_paused(desk), overlap="allow"),
    "ResumeSchedule": _resuming,
    "PauseSchedule": lambda desk: PauseSchedule(desk.attach(), "look first"),
    "DetachSchedule": lambda desk: DetachSchedule(desk.attach()),
    "PreviewSchedule": lambda desk: PreviewSchedule(desk.attach()),
    "FireSchedule": _fire,
    "ExpireApproval": _expired,
    "ShowConfirmation": lambda desk: ShowConfirmation(_asked(desk)),
    "AcceptConfirmation": lambda desk: AcceptConfirmation(_asked(desk), 2),
    "RejectConfirmation": lambda desk: RejectConfirmation(_asked(desk), "no"),
    "ExpireConfirmation": _expired_confirmation,
    "SetAgentRuns": lambda desk: SetAgentRuns(desk.workflow_id, "free"),
    "SizeOpen": _open,
    "ImportPeople": lambda desk: ImportPeople(Rows(b"distinct_id,plan\nnew,pro\n"), "csv"),
    "OptOut": lambda desk: OptOut(person_id=desk.pro[0]),
    "OptIn": _left,
    "Suppress": lambda desk: Suppress("ann@example.org"),
    "Unsuppress": _stopped,
    "CreateCohort": lambda desk: CreateCohort("all", "dynamic", conditions=[]),
    "CreateKey": lambda desk: CreateKey("ci", ("workflow:read",)),
    "ChangeKey": lambda desk: ChangeKey(_key(desk), name="renamed"),
    "RevokeKey": lambda desk: RevokeKey(_key(desk)),
    "SetPolicy": lambda desk: SetPolicy(Limits(max_audience=5)),
}
DECIDING = {
    "ApproveBatchJob",
    "RejectBatchJob",
    "DecideStep",
    "DecideUnknown",
    "ShowConfirmation",
    "AcceptConfirmation",
    "RejectConfirmation",
}
ENGINES = {"FireSchedule", "ExpireApproval", "ExpireConfirmation"}


def test_every_command_has_a_case() -> None:
    assert set(CASES) == set(COMMANDS)


@pytest.fixture
def case(product_with: MakeProduct, name: str) -> Case:
    steps: dict[str, Any] = {"steps": STEPS, "edges": EDGES} if name.startswith("Decide") else {}
    desk = Desk(product_with(), **steps)
    by = desk.engine if name in ENGINES else desk.another if name in DECIDING else desk.somebody
    return Case(desk, CASES[name](desk), by)


def asked(case: Case) -> tuple[Accepted, int]:
    """The answer, and by how many events the log has grown."""
    product = case.desk.product
    before = product.execute("SELECT count(*) FROM log")[0][0]
    answer = product.system.bus.dispatch(case.command, product.system.meta(case.by, via="test"))
    return answer, product.execute("SELECT count(*) FROM log")[0][0] - before


@pytest.mark.parametrize("name", sorted(CASES))
def test_what_is_accepted_has_grown_the_log_or_says_that_nothing_changed(case: Case, name: str) -> None:
    answer, grown = asked(case)
    assert answer.changed is (grown > 0) is (name not in LOOKING)
    if grown:
        assert answer.position == case.desk.product.log_position()
    if name in ONCE:
        with pytest.raises(DomainError, match=r"confirmation\.decided"):
            asked(case)
        return
    again, more = asked(case) if name not in NEW else (answer, grown)
    assert again.changed is (more > 0)
    if name not in NEW | LOOKING | {"FireSchedule"}:
        assert more == 0
        # Where nothing changes, the answer says where it stands.
        assert again.position == (0 if name in NOWHERE else answer.position)


@pytest.mark.parametrize("name", ["RunBatch"])
def test_a_repeated_request_is_answered_as_the_first_time(case: Case, name: str) -> None:
    product = case.desk.product
    meta = product.system.meta(case.by, via="test", idempotency_key="k")
    first = product.system.bus.dispatch(case.command, meta)
    assert product.system.bus.dispatch(case.command, meta) == first
    assert first.changed


def test_a_cohort_is_in_the_log_without_whom_it_means(desk: Desk) -> None:
    conditions = [{"type": "person", "key": "email", "operator": "exact", "value": "ada@example.com"}]
    answer = desk.product.ask(CreateCohort("one", "dynamic", conditions=conditions))
    (event,) = desk.product.system.reads.log.read(desk.somebody, stream_id=answer["cohort_id"]).data
    assert (event["topic"], event["position"]) == ("cohort.created.v1", answer["position"])
    assert (event["data"]["name"], event["data"]["kind"], event["data"]["members"]) == ("one", "dynamic", None)
    assert event["data"]["conditions_digest"]
    assert "ada@example.com" not in str(event)
    state = desk.product.system.replay.state_at(desk.somebody, answer["cohort_id"])
    assert (state["kind"], state["state"]["status"]) == ("cohort", "active")

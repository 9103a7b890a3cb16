"""Whatever is asked in whatever order: without an acknowledgement nobody is reached who was not acknowledged before."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

import pytest

from aggregates.base import Principal
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
from commands.bus import HANDLERS
from commands.confirmation import AcceptConfirmation, ExpireConfirmation, RejectConfirmation
from commands.consent import OptIn, OptOut, Suppress, Unsuppress
from commands.due import ExpireApproval, FireSchedule
from commands.keys import ChangeKey, CreateKey, RevokeKey
from commands.people import CreateCohort, ImportPeople
from commands.policy import SetPolicy
from commands.preview import PreviewSchedule
from commands.resume import SizeOpen
from commands.retry import RetryFailed, SizeFailed
from commands.runs import CancelRun, RunWorkflow
from commands.schedule import (
    AttachSchedule,
    DetachSchedule,
    PauseSchedule,
    ResumeSchedule,
    ReviseSchedule,
)
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
from tests.commands.conftest import FREE, PRO, Desk, MakeProduct, renamed_step
from tests.support.product import CAPTURE, EVERYONE, Json

T = TypeVar("T")

STEPS = 60
ACKNOWLEDGING = {AcceptConfirmation, RunBatch, RetryFailed, ApproveBatchJob, AttachSchedule, ResumeSchedule}
"""Commands that carry a count which a human confirmed. ReviseSchedule may carry one; here it never does."""


class Dice:
    """Chance that a number decides: the same number throws the same."""

    def __init__(self, seed: int) -> None:
        self._seed, self._thrown = seed, 0

    def below(self, limit: int) -> int:
        self._thrown += 1
        return int(hashlib.sha256(f"{self._seed} {self._thrown}".encode()).hexdigest(), 16) % limit

    def choice(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def percent(self, percent: int) -> bool:
        return self.below(100) < percent


@dataclass
class Allowed:
    """What was acknowledged before the commands began: people for each job, a ceiling for each schedule."""

    jobs: dict[UUID, list[int]] = field(default_factory=dict)
    ceilings: dict[UUID, int] = field(default_factory=dict)
    versions: dict[UUID, int] = field(default_factory=dict)
    held: set[UUID] = field(default_factory=set)


class Life:
    """A workflow with jobs and schedules in many states, and commands at random."""

    def __init__(self, desk: Desk, dice: Dice) -> None:
        self.desk, self.dice, self.product = desk, dice, desk.product
        self.allowed = Allowed()
        self.done: set[type] = set()
        for _ in range(4):
            self._a_job(dice.choice(("queued", "running", "paused", "paused early", "frozen", "held")))
        for _ in range(3):
            self._a_schedule(dice.choice(("active", "paused")))
        self.keys = [str(self.product.ask(CreateKey("ci", ("workflow:read",)))["key_id"])]

    def _a_job(self, state: str) -> None:
        by = self.desk.somebody
        if state == "held":
            by = self.product.principal(id="somebody", limits=(Limits(approval_over=1),))
        job_id = self.desk.run(by, freeze=state == "frozen")
        self.allowed.jobs[job_id] = list(self.desk.pro)
        if state == "held":
            self.allowed.held.add(job_id)
        if state in {"running", "paused"}:
            self.desk.enrol(job_id)
        if state.startswith("paused"):
            self.product.ask(PauseBatchJob(job_id, "look first"))

    def _a_schedule(self, status: str) -> None:
        rrule = self.dice.choice(("FREQ=DAILY", "FREQ=HOURLY;INTERVAL=6"))
        # A job of the model never ends, so `skip` would let each schedule fire once.
        starts_at = f"2026-01-01T{9 + len(self.allowed.ceilings):02}:00:00"
        overlap = self.dice.choice(("skip", "allow", "allow"))
        schedule_id = self.desk.attach(rrule=rrule, starts_at=starts_at, overlap=overlap)
        self.allowed.ceilings[schedule_id] = self.desk.schedule(schedule_id)["ceiling"]
        self.allowed.versions[schedule_id] = self.desk.version
        if status == "paused":
            self.product.ask(PauseSchedule(schedule_id, "look first"))

    # -- one step

    def step(self) -> None:
        kind = self.dice.choice(THROWN)
        command = COMMANDS[kind](self)
        if isinstance(command, FireSchedule):
            command = self._due(command.schedule_id)
        try:
            self.product.ask(command, self._by(kind))
            self.done.add(kind)
        except DomainError:
            pass
        self._world()
        if self.dice.percent(20):
            self.desk.enrol(*(job for job in self.desk.jobs() if self.desk.status(job) == "queued"))
        self.check()

    def _by(self, kind: type) -> Principal:
        if kind in {FireSchedule, ExpireApproval, ExpireConfirmation}:
            return self.desk.engine
        return self.dice.choice((self.desk.somebody, self.desk.another, self.desk.agent))

    def _due(self, schedule_id: UUID) -> FireSchedule:
        """The scheduler's question at the instant of the next occurrence, or some while after it."""
        clock = self.product.clock
        upcoming = self.desk.schedule(schedule_id)["next_occurrence"] or clock.now()
        late = self.dice.choice((1, 1, 1, 7200))
        clock.advance(seconds=max(0.0, (upcoming - clock.now()).total_seconds()) + late)
        return FireSchedule(schedule_id, clock.now())

    def _world(self) -> None:
        """People change their minds."""
        if self.dice.percent(70):
            return
        plan, id = self.dice.choice(("pro", "free")), self.dice.choice(self.desk.people)
        self.product.execute(
            "UPDATE people SET properties = jsonb_build_object('plan', cast(:plan AS text)) WHERE id = :id",
            plan=plan,
            id=id,
        )

    # -- what must hold

    def check(self) -> None:
        jobs = self.product.execute("SELECT id, schedule_id, workflow_version, status FROM batch_jobs")
        active = self.desk.workflow()["status"] == "active"
        for job_id, schedule_id, version, status in jobs:
            enrolled = self.desk.enrolled(job_id)
            assert active or status != "running"
            if schedule_id is None:
                assert enrolled in ([], self.allowed.jobs[job_id])
            else:
                assert len(enrolled) <= self.allowed.ceilings[schedule_id]
                assert version == self.allowed.versions[schedule_id]
        for job_id in self.allowed.held:
            assert self.desk.enrolled(job_id) == []
            assert self.desk.status(job_id) in {"held", "rejected", "cancelled"}

    # -- material

    @property
    def workflow_id(self) -> UUID:
        return self.desk.workflow_id

    def job(self) -> UUID:
        return self.dice.choice(sorted(self.desk.jobs()))

    def schedule(self) -> UUID:
        return self.dice.choice(sorted(self.allowed.ceilings))

    def address(self) -> str:
        return f"p{1 + self.dice.below(len(self.desk.people))}@example.com"

    def content(self) -> dict[str, Any]:
        triggers: tuple[Json, ...] = (PRO, FREE, EVERYONE)
        parts: tuple[dict[str, Any], ...] = (
            {"trigger": self.dice.choice(triggers)},
            {"steps": renamed_step(self.dice.choice("ab"))},
            {"name": "Other"},
        )
        return self.dice.choice(parts)

    def terms(self) -> dict[str, Any]:
        parts: tuple[dict[str, Any], ...] = (
            {"rrule": self.dice.choice(("FREQ=HOURLY", "FREQ=WEEKLY"))},
            {"variables": {"greeting": self.dice.choice("ab")}},
            {"max_growth": self.dice.choice((0.0, 0.1))},
            {"overlap": "allow"},
            {"timezone": "Asia/Tokyo"},
        )
        return self.dice.choice(parts)


COMMANDS: Mapping[type, Callable[[Life], Any]] = {
    CreateWorkflow: lambda life: CreateWorkflow("Copy", trigger=EVERYONE, steps=[CAPTURE]),
    EditWorkflow: lambda life: EditWorkflow(life.workflow_id, life.desk.version, **life.content()),
    EnableWorkflow: lambda life: EnableWorkflow(life.workflow_id),
    DisableWorkflow: lambda life: DisableWorkflow(life.workflow_id),
    ArchiveWorkflow: lambda life: ArchiveWorkflow(life.workflow_id),
    RestoreWorkflow: lambda life: RestoreWorkflow(life.workflow_id),
    SizeAudience: lambda life: SizeAudience(life.workflow_id, freeze=life.dice.percent(50)),
    ExplainAudience: lambda life: ExplainAudience(life.workflow_id),
    PauseBatchJob: lambda life: PauseBatchJob(life.job(), "look first"),
    ResumeBatchJob: lambda life: ResumeBatchJob(life.job()),
    CancelBatchJob: lambda life: CancelBatchJob(life.job(), "enough"),
    RejectBatchJob: lambda life: RejectBatchJob(life.job(), "no"),
    RunWorkflow: lambda life: RunWorkflow(life.workflow_id),
    CancelRun: lambda life: CancelRun(f"{life.job()}.{life.desk.pro[0]}", "enough"),
    SimulateWorkflow: lambda life: SimulateWorkflow(life.workflow_id, sample=1),
    SizeFailed: lambda life: SizeFailed(life.job()),
    DecideUnknown: lambda life: DecideUnknown(f"{life.job()}.{life.desk.pro[0]}", "failed"),
    DecideStep: lambda life: DecideStep(life.job(), "note", "approved"),
    ReviseSchedule: lambda life: ReviseSchedule(life.schedule(), **life.terms()),
    PauseSchedule: lambda life: PauseSchedule(life.schedule(), "look first"),
    DetachSchedule: lambda life: DetachSchedule(life.schedule()),
    PreviewSchedule: lambda life: PreviewSchedule(life.schedule()),
    FireSchedule: lambda life: FireSchedule(life.schedule(), life.product.clock.now()),
    ExpireApproval: lambda life: ExpireApproval(life.job()),
    ShowConfirmation: lambda life: ShowConfirmation(life.job()),
    RejectConfirmation: lambda life: RejectConfirmation(life.job(), "no"),
    ExpireConfirmation: lambda life: ExpireConfirmation(life.job()),
    SetAgentRuns: lambda life: SetAgentRuns(life.workflow_id, life.dice.choice(("never", "confirmed", "free"))),
    SizeOpen: lambda life: SizeOpen(life.job()),
    ImportPeople: lambda life: ImportPeople(io.BytesIO(b"distinct_id,plan\nnew,pro\n"), "csv"),
    OptOut: lambda life: OptOut(person_id=life.dice.choice(life.desk.people)),
    OptIn: lambda life: OptIn(person_id=life.dice.choice(life.desk.people)),
    Suppress: lambda life: Suppress(life.address()),
    Unsuppress: lambda life: Unsuppress(life.address()),
    CreateCohort: lambda life: CreateCohort("all", "dynamic", conditions=[]),
    CreateKey: lambda life: CreateKey("ci", ("workflow:read",)),
    ChangeKey: lambda life: ChangeKey(life.keys[0], name="renamed"),
    RevokeKey: lambda life: RevokeKey(life.keys[0]),
    SetPolicy: lambda life: SetPolicy(Limits(max_audience=life.dice.choice((None, 1, 5)))),
}

RARE = {
    RejectConfirmation,
    ArchiveWorkflow,
    RestoreWorkflow,
    CancelBatchJob,
    DetachSchedule,
    RejectBatchJob,
    SetPolicy,
    ImportPeople,
    OptOut,
    Suppress,
}
OFTEN = {DisableWorkflow, EditWorkflow, EnableWorkflow, ResumeBatchJob, FireSchedule, ReviseSchedule}
THROWN = [kind for kind in COMMANDS for _ in range(1 if kind in RARE else 12 if kind in OFTEN else 3)]
"""What ends everything comes rarely, so that there is something to go wrong for a while."""


def test_the_model_knows_every_command() -> None:
    assert set(COMMANDS) | ACKNOWLEDGING == set(HANDLERS)


@pytest.mark.parametrize("seed", range(8))
def test_without_an_acknowledgement_nobody_is_reached_who_was_not_acknowledged(
    product_with: MakeProduct, seed: int
) -> None:
    desk = Desk(product_with(approval_hours=24), people=8)
    life = Life(desk, Dice(seed))
    for _ in range(STEPS):
        life.step()
    assert life.done

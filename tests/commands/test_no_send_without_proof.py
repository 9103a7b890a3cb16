"""Every step type with an effect outside, every command, every kind of principal: nothing begins without a proof.

A new step type or a new command fails here until it has an entry. Each command is asked in live mode with all that it
takes but the proof: agents say the right number without a token, humans another number than the one of now.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product as every
from typing import Any
from uuid import UUID

import pytest

from aggregates.base import Principal
from aggregates.errors import DomainError
from aggregates.policy import Limits
from aggregates.steps import catalogue
from commands.batch_job import RunBatch
from commands.bus import HANDLERS
from commands.schedule import AttachSchedule
from engine.bootstrap import system_principal
from tests.support.databases import Databases
from tests.support.product import CAPTURE, EVERYONE, Json, Product

PEOPLE = 2
TO: Json = {"to": "ann@example.org"}
UNKNOWN: Json = {"address": "nobody@example.org"}


def daily(hour: int) -> Json:
    """A recurrence of its own: no schedule is refused because another one comes too close to it."""
    return {"rrule": "FREQ=DAILY", "starts_at": f"2030-01-01T{hour:02}:00:00"}


LATER = daily(9)

SENDING: Mapping[str, tuple[Json, Json]] = {
    "email": (
        {"subject": "Hello", "text": "Hello"},
        {"to": "{{ inputs.to }}", "subject": "Hello", "text": "Hello"},
    ),
    "webhook": ({"url": "https://example.com/hook"}, {"url": "https://example.com/hook"}),
}
"""Step types with an effect outside: a config for a batch, and one for a manual run to the address `to`."""

KINDS = ("human", "relayed agent", "witnessed agent", "human over mcp", "scheduler")
GUARDED = KINDS[1:4]

BY_THEIR_WORD = {"RunWorkflow", "ResumeBatchJob"}
"""What a human may let happen without a number: one run that they start themselves, and going on."""

ALIVE = (
    "SELECT id::text, status FROM stream_heads WHERE project_id = :project "
    "AND (kind = 'schedule' AND status = 'active' "
    "OR kind = 'batch_job' AND status IN ('queued', 'running', 'cancelling'))"
)

DONE = "SELECT count(*) FROM log WHERE topic <> 'call.refused.v1'"

NAMED = {command.__name__: command for command in HANDLERS}


@dataclass(frozen=True)
class Scene:
    """One of everything over which people might be reached."""

    product: Product
    workflow: UUID
    manual: UUID
    draft: UUID
    held: UUID
    paused: UUID
    active_schedule: UUID
    paused_schedule: UUID
    waiting: UUID
    count: int
    key: str

    def alive(self) -> set[tuple[str, str]]:
        """Jobs and schedules from which people may be reached by themselves."""
        return {tuple(row) for row in self.product.execute(ALIVE, project=self.product.project_id)}


def principal(product: Product, kind: str) -> Principal:
    strict = (Limits(), Limits(confirmation="witnessed"))
    match kind:
        case "human":
            return product.principal(id="human")
        case "relayed agent":
            return product.principal(id="asker", agent=True)
        case "witnessed agent":
            return product.principal(id="asker", agent=True, limits=strict)
        case "human over mcp":
            return product.principal(id="asker", source="mcp")
        case _:
            return system_principal(product.project_id, source="scheduler", name="scheduler")


def workflows(product: Product, type: str) -> tuple[UUID, UUID, UUID]:
    of_batch, by_hand = SENDING[type]
    sending = {"id": "send", "name": "Send", "type": type}
    trigger = {"type": "manual", "inputs": {"to": {"type": "address", "required": True}}}
    return (
        product.workflow(trigger=EVERYONE, steps=[{**sending, "config": of_batch}]),
        product.workflow(trigger=trigger, steps=[{**sending, "config": by_hand}]),
        product.workflow(trigger=EVERYONE, steps=[{**sending, "config": of_batch}], active=False),
    )


def proven(product: Product, by: Principal, workflow: UUID, **what: Any) -> Json:
    """The count and the token of a fresh sizing."""
    sizing = product.ask(NAMED["SizeAudience"](workflow, **what), by)
    return {"acknowledged_affected_count": sizing["affected"], "confirm_token": sizing["confirm_token"]}


def scene(product: Product, type: str, kind: str) -> Scene:
    workflow, manual, draft = workflows(product, type)
    agent, owner = principal(product, "witnessed agent"), product.principal(id="owner")
    number: Json = {"acknowledged_affected_count": PEOPLE}
    active, paused = (
        UUID(product.ask(AttachSchedule(workflow, **daily(hour), **number), owner)["schedule_id"]) for hour in (3, 5)
    )
    product.ask(NAMED["PauseSchedule"](paused, "wait"), owner)
    job = UUID(product.ask(RunBatch(workflow, PEOPLE), owner)["batch_job_id"])
    product.ask(NAMED["PauseBatchJob"](job, "wait"), owner)
    held = product.ask(RunBatch(workflow, **proven(product, agent, workflow)), agent)["batch_job_id"]
    waits = daily(7)
    waiting = product.ask(AttachSchedule(workflow, **waits, **proven(product, agent, workflow, schedule=waits)), agent)
    key = product.ask(NAMED["CreateKey"]("other", ("workflow:read",)), owner)["key_id"]
    count = PEOPLE if kind in GUARDED else PEOPLE + 1
    ids = (UUID(held), job, active, paused, UUID(waiting["confirmation_id"]))
    return Scene(product, workflow, manual, draft, *ids, count, key)


def told(*names: str, **more: Any) -> Callable[[Scene], list[Json]]:
    """The fields of a command; a name that a scene has is taken from there, in each of its values."""

    def fields(scene: Scene) -> list[Json]:
        chosen = {name: getattr(scene, value) if isinstance(value, str) and hasattr(scene, value) else value
                  for name, value in more.items()}  # fmt: skip
        if not names:
            return [chosen]
        field, *values = names
        return [{**chosen, field: getattr(scene, value)} for value in values]

    return fields


COUNT: Json = {"acknowledged_affected_count": "count"}
JOBS = ("batch_job_id", "held", "paused")
SCHEDULES = ("schedule_id", "active_schedule", "paused_schedule")
FLOWS = ("workflow_id", "workflow", "manual", "draft")
WAITING = ("confirmation_id", "held", "waiting")

ASKED: Mapping[str, Callable[[Scene], list[Json]]] = {
    "CreateWorkflow": told(name="New", trigger=EVERYONE, steps=[CAPTURE]),
    "EditWorkflow": told(*FLOWS, version=1, name="Renamed by another"),
    "EnableWorkflow": told(*FLOWS),
    "DisableWorkflow": told(*FLOWS),
    "ArchiveWorkflow": told(*FLOWS),
    "RestoreWorkflow": told(*FLOWS),
    "SetAgentRuns": told(*FLOWS, agent_runs="free"),
    "SizeAudience": told(*FLOWS),
    "ExplainAudience": told(*FLOWS),
    "RunBatch": told(*FLOWS, **COUNT),
    "SizeFailed": told(*JOBS),
    "RetryFailed": told(*JOBS, **COUNT),
    "SizeOpen": told(*JOBS),
    "PauseBatchJob": told(*JOBS, reason="wait"),
    "ResumeBatchJob": told(*JOBS, **COUNT),
    "CancelBatchJob": told(*JOBS, reason="stop"),
    "RunWorkflow": told(*FLOWS, inputs=TO),
    "CancelRun": lambda scene: [{"run_id": f"{scene.paused}.1", "reason": "stop"}],
    "DecideUnknown": lambda scene: [{"run_id": f"{scene.paused}.1", "decision": "retry"}],
    "SimulateWorkflow": told(*FLOWS),
    "ApproveBatchJob": told(*JOBS, **COUNT),
    "RejectBatchJob": told(*JOBS, reason="no"),
    "DecideStep": told(*JOBS, step_id="send", decision="approved"),
    "ShowConfirmation": told(*WAITING),
    "AcceptConfirmation": told(*WAITING, **COUNT),
    "RejectConfirmation": told(*WAITING, reason="no"),
    "AttachSchedule": told(*FLOWS, **LATER, **COUNT),
    "ReviseSchedule": told(*SCHEDULES, rrule="FREQ=WEEKLY", **COUNT),
    "PauseSchedule": told(*SCHEDULES, note="wait"),
    "ResumeSchedule": told(*SCHEDULES, **COUNT),
    "DetachSchedule": told(*SCHEDULES),
    "PreviewSchedule": told(*SCHEDULES),
    "FireSchedule": lambda scene: [
        {"schedule_id": id, "seen_at": scene.product.clock.now()}
        for id in (scene.active_schedule, scene.paused_schedule)
    ],
    "ExpireApproval": told(*JOBS),
    "ExpireConfirmation": told(*WAITING),
    "ImportPeople": lambda _scene: [
        {"stream": io.BytesIO(b"distinct_id\nnobody-new\n"), "format": "csv", "dry_run": True}
    ],
    "OptOut": told(**UNKNOWN),
    "OptIn": told(**UNKNOWN),
    "Suppress": told(**UNKNOWN),
    "Unsuppress": told(**UNKNOWN),
    "CreateCohort": told(name="all", kind="dynamic"),
    "CreateKey": told(name="more", scopes=("workflow:read",)),
    "ChangeKey": lambda scene: [{"key_id": scene.key, "name": "renamed"}],
    "RevokeKey": lambda scene: [{"key_id": scene.key}],
    "SetPolicy": lambda _scene: [{"limits": Limits()}],
}
"""What each command is asked with, over everything that it may be about; never a token."""


@pytest.fixture(scope="module")
def product(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    url = databases.create()
    made = Product(url, tmp_path_factory.mktemp("proof"), send_mode="live", confirmation="relayed")
    made.add_people(PEOPLE)
    yield made
    made.close()
    databases.drop(url)


def test_every_step_type_with_an_effect_outside_and_every_command_has_an_entry() -> None:
    shipped = [type for type in catalogue().values() if type.distribution is None]
    assert {type.id for type in shipped if type.external} == set(SENDING)
    assert set(NAMED) == set(ASKED)


class Scenes:
    """The scene of a test, which the next one finds as it was unless something has been done in it."""

    def __init__(self, product: Product) -> None:
        self._product = product
        self._kept: tuple[str, str, int, Scene] | None = None

    @property
    def _done(self) -> int:
        return int(self._product.execute(DONE)[0][0])

    def get(self, type: str, kind: str) -> Scene:
        if self._kept is None or self._kept[:3] != (type, kind, self._done):
            built = scene(self._product, type, kind)
            self._kept = type, kind, self._done, built
        return self._kept[3]


@pytest.fixture(scope="module")
def scenes(product: Product) -> Scenes:
    return Scenes(product)


@pytest.mark.parametrize(("type", "kind", "name"), list(every(SENDING, KINDS, ASKED)))
def test_nothing_begins_without_a_proof(product: Product, scenes: Scenes, type: str, kind: str, name: str) -> None:
    stage, by = scenes.get(type, kind), principal(product, kind)
    for fields in ASKED[name](stage):
        before = stage.alive()
        try:
            product.ask(NAMED[name](**fields), by)
        except DomainError:
            assert stage.alive() == before
            continue
        begun = stage.alive() - before
        assert not begun or (kind not in GUARDED and name in BY_THEIR_WORD), (kind, name, begun)


# -- and with one it does, so that the tests above are about something


@pytest.mark.parametrize("type", SENDING)
def test_with_a_proof_it_begins(product: Product, type: str) -> None:
    agent, human = principal(product, "relayed agent"), principal(product, "human")
    stage = scene(product, type, "relayed agent")
    resumed = {"schedule": {"schedule_id": stage.paused_schedule}}
    one = proven(product, agent, stage.manual, inputs=TO)
    rest = product.ask(NAMED["SizeOpen"](stage.paused), agent)["confirm_token"]
    asks: list[tuple[Any, Principal]] = [
        (RunBatch(stage.workflow, **proven(product, agent, stage.workflow)), agent),
        (AttachSchedule(stage.workflow, **LATER, **proven(product, agent, stage.workflow, schedule=LATER)), agent),
        (NAMED["ResumeSchedule"](stage.paused_schedule, **proven(product, agent, stage.workflow, **resumed)), agent),
        (NAMED["ResumeBatchJob"](stage.paused, PEOPLE, rest), agent),
        (NAMED["RunWorkflow"](stage.manual, TO, **one), agent),
        (NAMED["AcceptConfirmation"](stage.held, PEOPLE), human),
        (NAMED["AcceptConfirmation"](stage.waiting, PEOPLE), human),
    ]
    for command, by in asks:
        before = stage.alive()
        product.ask(command, by)
        assert len(stage.alive() - before) == 1, command

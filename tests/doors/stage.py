"""States that commands are asked in: made by dispatching commands directly, shared where nothing is to change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import insert, text

from aggregates.base import Aggregate, Meta, Principal
from aggregates.batch_job.aggregate import BatchJob
from aggregates.batch_job.standing import COUNTS
from aggregates.schedule.aggregate import Schedule
from commands.approval import ApproveBatchJob, RejectBatchJob
from commands.batch_job import CancelBatchJob, PauseBatchJob, RunBatch, SizeAudience
from commands.binding import nonce_of
from commands.grants import SCOPES
from commands.schedule import AttachSchedule, DetachSchedule, PauseSchedule
from commands.workflow import ArchiveWorkflow, CreateWorkflow, DisableWorkflow, EditWorkflow, EnableWorkflow
from engine.ids import derived_id, new_id
from engine.store import Store
from projections import tables
from tests.doors.asks import BECAUSE, DAILY, VERSIONS, WEEKLY
from tests.doors.doors import Key
from tests.doors.model import NOUNS, NOWHERE
from tests.support.product import CAPTURE, Json, Product, batch, person
from tests.support.refusals import Refused, refusals

A = TypeVar("A", bound=Aggregate)

SETTINGS: dict[str, Any] = {"approval_over": 3, "max_audience": 5}
GROUPS = {"few": 2, "many": 4, "crowd": 6, "empty": 0}
"""How many people are in each group."""

TRACES = text(
    "SELECT (SELECT coalesce(max(notification_id), 0) FROM log WHERE topic <> 'call.refused.v1'), "
    "(SELECT count(*) FROM spent_tokens), (SELECT count(*) FROM chunks), (SELECT count(*) FROM runs)"
)

TEXTS = {"garbage": "garbage", "blank": "", "long": "x" * 5_000}
"""What is no token at all."""

TOKEN_LIFE = timedelta(minutes=20)
"""Longer than any token of these tests lives."""


@dataclass(frozen=True)
class Target:
    """What a command is asked about: its id, and the workflow whose people it would reach."""

    id: str
    workflow_id: UUID | None = None
    people: int = 0


class Stage:
    """Makes what is asked about, for whoever asks."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.others = product.other_project()
        self._looking = product.system.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._tokens: dict[tuple[object, ...], str] = {}
        self._targets: dict[tuple[str, ...], Target] = {}
        rows = [
            {"project_id": product.project_id, "distinct_id": f"{group}{n}", "properties": {"group": group}}
            for group, count in GROUPS.items()
            for n in range(count)
        ]
        with product.system.engine.begin() as connection:
            connection.execute(insert(tables.people), rows)
        self.key = cache(self.new_key)
        self.requester = self.key(SCOPES, False, "requester")
        self.stranger = self.key(SCOPES, False, "stranger")
        self.of = cache(self.workflow)

    def new_key(self, scopes: frozenset[str], agent: bool, name: str = "asker") -> Key:
        """A key of the project, with scopes that nobody would be given together if need be."""
        system = self.product.system
        with system.engine.begin() as connection:
            id, plain = system.keyring.create(
                connection,
                self.product.project_id,
                name=name,
                scopes=sorted(scopes),
                agent=agent,
                now=system.clock.now(),
            )
        return Key(id, plain, scopes, agent)

    # -- asking directly

    def ask(self, command: Any, key: Key | None = None, *, earlier: timedelta = timedelta(0), **who: Any) -> Json:
        """A command's answer, as a person with every scope who has the id of a key. Each batch is one of its own."""
        who = {"project_id": self.product.project_id, "id": (key or self.requester).id, "source": "api", **who}
        own = str(new_id()) if isinstance(command, RunBatch) else None
        meta = self.product.system.meta(Principal(scopes=SCOPES, **who), via="test", idempotency_key=own)
        answer = self.product.system.bus.dispatch(command, replace(meta, now=meta.now - earlier))
        return dict(answer.data)

    @contextmanager
    def opened(self, kind: type[A], id: UUID) -> Iterator[tuple[A, Meta]]:
        """An aggregate to be told something that only the engine tells it."""
        system = self.product.system
        meta = system.meta(self.product.principal(), via="test")
        with system.engine.begin() as connection:
            store = Store(connection, system.recorder)
            found = store.load(kind, id, meta)
            yield found, meta
            store.save(found)

    def traces(self) -> tuple[int, ...]:
        """What a refusal leaves as it was: the log but for its record, spent tokens, and who is enrolled."""
        with self._looking.connect() as connection:
            return tuple(connection.execute(TRACES).one())

    def refusals(self, after: int) -> list[Refused]:
        """What was recorded of refused calls after a position: the command or read, the code, what it was about."""
        return refusals(self._looking, after)

    def settle(self) -> None:
        """Wait until the views show everything."""
        self.product.system.reads.wait_for(self.product.log_position())

    # -- targets

    def target(self, command: str, status: str, key: Key, *, fresh: bool) -> Target:
        """What a command is asked about; a new one if it is to change."""
        noun = NOUNS[command]
        if status in NOWHERE:
            return self._nowhere(noun, status)
        self.product.execute("DELETE FROM reach")  # what was asked for before counts against nobody's day
        reached = command in {"RunBatch", "AttachSchedule"}
        if command == "AttachSchedule" and fresh and status in {"active", *GROUPS}:
            group = "few" if status == "active" else status
            id = self.workflow(group)
            return Target(str(id), id, GROUPS[group])
        # A workflow that is run stays as it is, and so does one to which nothing is attached in the end.
        place = ("place" if reached else noun, status, key.id if status == "own" else "")
        if (fresh and not reached) or place not in self._targets:
            make = {"place": self._place, "workflow": self._workflow, "schedule": self._schedule}
            target = make.get(place[0], self._batch_job)(status, key)
            if fresh and not reached:
                return target
            self._targets[place] = target
        return self._targets[place]

    def forget(self) -> None:
        """What was shared may have changed against all expectation."""
        self._targets.clear()
        self._tokens.clear()

    def _nowhere(self, noun: str, status: str) -> Target:
        ids: dict[str, Callable[[], str]] = {
            "unknown": lambda: str(new_id()),
            "foreign": lambda: str(self._foreign()[noun]),
            "malformed": lambda: "no-id",
        }
        return Target(ids[status](), self.of("few"), GROUPS["few"])

    @cache  # noqa: B019  # a stage lives as long as its tests
    def _foreign(self) -> dict[str, UUID]:
        """Something of each kind in another project."""
        there: dict[str, Any] = {"project_id": self.others}
        workflow = UUID(
            self.ask(CreateWorkflow("Foreign", trigger=_batch("few"), steps=[CAPTURE]), **there)["workflow_id"]
        )
        self.ask(EnableWorkflow(workflow), **there)
        with self.product.system.engine.begin() as connection:
            row = {"project_id": self.others, "distinct_id": "somebody", "properties": {"group": "few"}}
            connection.execute(insert(tables.people).values(row))
        attached = self.ask(AttachSchedule(workflow, acknowledged_affected_count=1, **DAILY), **there)
        job = self.ask(RunBatch(workflow, 1), **there)
        return {
            "workflow": workflow,
            "schedule": UUID(attached["schedule_id"]),
            "batch_job": UUID(job["batch_job_id"]),
        }

    def workflow(self, group: str = "few", *, status: str = "active", **content: Any) -> UUID:
        """A new workflow over a group of people."""
        made = self.ask(CreateWorkflow("Launch", **{"trigger": _batch(group), "steps": [CAPTURE], **content}))
        id = UUID(made["workflow_id"])
        if status == "active":
            self.ask(EnableWorkflow(id))
        if status == "archived":
            self.ask(ArchiveWorkflow(id))
        return id

    def _place(self, status: str, _key: Key) -> Target:
        """A workflow that is to be run."""
        if status == "manual":
            id = self.workflow(trigger={"type": "manual", "inputs": {}})
            return Target(str(id), None, GROUPS["few"])
        if status in {"draft", "archived"}:
            id = self.workflow(status=status)
            return Target(str(id), id, GROUPS["few"])
        group = "few" if status == "active" else status
        return Target(str(self.of(group)), self.of(group), GROUPS[group])

    def _workflow(self, status: str, _key: Key) -> Target:
        """A workflow that is to be moved or edited."""
        if status == "unfinished":
            made = self.ask(CreateWorkflow("Unfinished"), source="web")
            return Target(made["workflow_id"])
        return Target(str(self.workflow(status=status)))

    def _schedule(self, status: str, _key: Key) -> Target:
        status, _, off = status.partition("_")
        workflow_id = self.workflow()
        tomorrow = self.product.clock.now() + timedelta(days=1)
        once = {"rrule": "FREQ=DAILY;COUNT=1", "starts_at": f"{tomorrow:%Y-%m-%dT%H:%M:%S}"}
        terms = once if status == "completed" else DAILY
        attached = self.ask(AttachSchedule(workflow_id, acknowledged_affected_count=GROUPS["few"], **terms))
        id = UUID(attached["schedule_id"])
        if status == "paused":
            self.ask(PauseSchedule(id, BECAUSE))
        if status == "detached":
            self.ask(DetachSchedule(id))
        if status == "completed":
            with self.opened(Schedule, id) as (schedule, meta):
                schedule.skip([datetime.fromisoformat(attached["next_occurrence"])], "missed", meta=meta)
                assert schedule.status == status
        if off:
            self.ask(DisableWorkflow(workflow_id))
        return Target(str(id), workflow_id, GROUPS["few"])

    def _batch_job(self, status: str, key: Key) -> Target:
        by = key if status == "own" else self.requester
        status, _, since = status.partition("_")
        group = "many" if status in {"held", "own", "approved", "rejected"} else "few"
        workflow_id = self.workflow(group) if since else self.of(group)
        id = UUID(self.ask(RunBatch(workflow_id, GROUPS[group]), by)["batch_job_id"])
        self.moved(id, status)
        if since:
            self.ask(DisableWorkflow(workflow_id))
        if since == "stale":
            self.ask(EditWorkflow(workflow_id, VERSIONS["fresh"], steps=[{**CAPTURE, "name": "Another"}]))
            self.ask(EnableWorkflow(workflow_id))
        return Target(str(id), workflow_id, GROUPS[group])

    def moved(self, id: UUID, status: str) -> None:
        """Lead a job that was just asked for to another status."""
        if status in {"running", "completed", "cancelling"}:
            with self.opened(BatchJob, id) as (job, meta):
                job.enrol(enrolled=job.acknowledged_count, chunks=1, fingerprint=job.fingerprint, meta=meta)
                if status == "completed":
                    job.complete(dict.fromkeys(COUNTS, 0) | {"delivered": job.acknowledged_count}, meta=meta)
        moves: dict[str, Callable[[], Any]] = {
            "approved": lambda: self.ask(ApproveBatchJob(id, GROUPS["many"]), self.stranger),
            "rejected": lambda: self.ask(RejectBatchJob(id, BECAUSE)),
            "paused": lambda: self.ask(PauseBatchJob(id, BECAUSE)),
            "cancelling": lambda: self.ask(CancelBatchJob(id, BECAUSE)),
            "cancelled": lambda: self.ask(CancelBatchJob(id, BECAUSE)),
        }
        moves.get(status, lambda: None)()

    # -- confirmations

    def proof(self, command: str, target: Target, confirmation: str, key: Key, *, fresh: bool) -> Json:
        """What is said of the people of a target; `fresh` for a token that is to buy something."""
        if confirmation in VERSIONS:
            return {"version": VERSIONS[confirmation]}
        if confirmation in {"none", "nothing"}:
            return {}
        count = {"drift": target.people + 1, "drift_alone": target.people + 1, "negative": -1}
        proof: Json = {"acknowledged_affected_count": count.get(confirmation, target.people)}
        if confirmation in {"count", "drift_alone"}:
            return proof
        if confirmation in TEXTS:
            return proof | {"confirm_token": TEXTS[confirmation]}
        return proof | {"confirm_token": self._token(command, target, confirmation, key, fresh=fresh)}

    def _token(self, command: str, target: Target, confirmation: str, key: Key, *, fresh: bool) -> str:
        workflow_id = target.workflow_id or self.of("few")
        purpose = None if confirmation == "frozen" else self._purpose(command, target)
        kept = (command, str(purpose), workflow_id, confirmation, key.id)
        if fresh:
            return self._sized(command, workflow_id, confirmation, key, purpose)
        if kept not in self._tokens:
            self._tokens[kept] = self._sized(command, workflow_id, confirmation, key, purpose)
        return self._tokens[kept]

    def _purpose(self, command: str, target: Target) -> Json | None:
        """The schedule that a token is for, where a command is about one that there is or will be."""
        if command == "AttachSchedule":
            return DAILY
        there = command in {"ReviseSchedule", "ResumeSchedule"} and target.workflow_id != self.of("few")
        change = WEEKLY if command == "ReviseSchedule" else {}
        return {"schedule_id": UUID(target.id), **change} if there else None

    def _sized(self, command: str, workflow_id: UUID, confirmation: str, key: Key, purpose: Json | None) -> str:
        sizing = self.ask(
            SizeAudience(workflow_id, freeze=confirmation == "frozen", schedule=purpose),
            self.stranger if confirmation == "foreign" else key,
            earlier=TOKEN_LIFE if confirmation == "expired" else timedelta(0),
        )
        spendable = sizing["workflow_status"] == "active" and 0 < sizing["affected"] <= sizing["limit"]
        if confirmation in {"spent", "again"} and spendable:
            self._spend(command if confirmation == "again" else "", workflow_id, sizing, key)
        return str(sizing["confirm_token"])

    def _spend(self, command: str, workflow_id: UUID, sizing: Json, key: Key) -> None:
        """Spend a token on what it is for, where asking again is the same request; else on something else."""
        if command == "RunBatch":
            self.ask(RunBatch(workflow_id, **_of(sizing)), key)
        elif command == "AttachSchedule":
            attached = "SELECT id FROM stream_heads WHERE kind = 'schedule' AND status = 'active' AND parent_id = :id"
            for row in self.product.execute(attached, id=workflow_id):
                self.ask(DetachSchedule(row[0]))
            self.ask(_attaching(workflow_id, sizing), key)
        else:
            spent = derived_id("batch_job", self.product.project_id, nonce_of(sizing["confirm_token"]))
            self.product.execute("INSERT INTO spent_tokens (id, spent_at) VALUES (:id, now())", id=spent)


def _attaching(workflow_id: UUID, sizing: Json) -> AttachSchedule:
    return AttachSchedule(workflow_id, **DAILY, **_of(sizing))


def _of(sizing: Json) -> Json:
    return {"acknowledged_affected_count": sizing["affected"], "confirm_token": sizing["confirm_token"]}


def _batch(group: str) -> Json:
    return batch(person("group", "exact", [group]))

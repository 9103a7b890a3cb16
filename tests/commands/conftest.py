"""A product over a fresh database, for commands; and an active workflow over some of its people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from aggregates.base import Principal
from aggregates.errors import DomainError
from commands.approval import ApproveBatchJob
from commands.batch_job import RunBatch, SizeAudience
from commands.due import ExpireApproval, FireSchedule
from commands.refusals import subject_of
from commands.schedule import AttachSchedule
from commands.workflow import DisableWorkflow, EditWorkflow, EnableWorkflow
from engine.bootstrap import system_principal
from tests.support.product import CAPTURE, Product, batch, person
from tests.workers.conftest import Workshop
from workers.enrolment import enrol

PRO = batch(person("plan", "exact", "pro"))
FREE = batch(person("plan", "exact", "free"))
GREETING = [{"key": "greeting", "type": "string", "default": "hello"}]

TRACES = (
    "SELECT (SELECT count(*) FROM log WHERE topic <> 'call.refused.v1'), (SELECT count(*) FROM spent_tokens), "
    "(SELECT count(*) FROM chunks)"
)
"""What a refusal leaves as it was."""

BOUND = ("rrule", "starts_at", "timezone", "exdates", "max_growth", "lifted")
PACE = ("rate", "breaker")

MakeProduct = Callable[..., Product]


@pytest.fixture
def product_with(database_url: str, tmp_path: Path) -> Iterator[MakeProduct]:
    """Makes the test's product, with settings of the test's own."""
    made: list[Product] = []

    def make(**settings: Any) -> Product:
        made.append(Product(database_url, tmp_path, **settings))
        return made[-1]

    yield make
    for product in made:
        product.close()


@pytest.fixture
def product(product_with: MakeProduct) -> Product:
    return product_with()


def refused(product: Product, command: Any, principal: Principal | None = None) -> DomainError:
    """The refusal of a command, after seeing that it left nothing but the record that it was refused."""
    before, position = product.execute(TRACES), product.log_position()
    with pytest.raises(DomainError) as refusal:
        product.ask(command, principal)
    assert product.execute(TRACES) == before
    assert product.refusals(position) == [(type(command).__name__, refusal.value.code, subject_of(vars(command)))]
    return refusal.value


class Desk:
    """An active workflow over the pro half of some people, and whoever works with it.

    `somebody` is a key, `another` a second one that may approve, `agent` a key that comes through MCP.
    """

    def __init__(self, product: Product, *, people: int = 4, trigger: Any = PRO, **content: Any) -> None:
        self.product = product
        self.people = product.add_people(people)
        self.pro = self.people[::2]
        self.workflow_id = product.workflow(trigger=trigger, variables=GREETING, **content)
        self.somebody = product.principal(id="somebody")
        self.another = product.principal(id="another")
        self.agent = product.principal(id="agent", source="mcp")
        self.engine = system_principal(product.project_id, source="scheduler", name="scheduler")

    # -- acknowledging

    def token(
        self,
        principal: Principal | None = None,
        *,
        freeze: bool = False,
        schedule: dict[str, Any] | None = None,
        pace: dict[str, Any] | None = None,
        **variables: Any,
    ) -> tuple[int, str]:
        """The count and the token of a fresh sizing: for a batch, or for a schedule."""
        given = None if schedule and "schedule_id" in schedule and not variables else variables
        command = SizeAudience(self.workflow_id, given, freeze, schedule=schedule, **(pace or {}))
        sizing = self.product.ask(command, principal or self.somebody)
        return sizing["affected"], sizing["confirm_token"]

    def daily(self, **terms: Any) -> dict[str, Any]:
        """What of a daily schedule its token is bound to."""
        given = {"rrule": "FREQ=DAILY", "starts_at": "2026-01-01T09:00:00", **terms}
        return {name: given[name] for name in BOUND if name in given}

    def run(self, principal: Principal | None = None, *, freeze: bool = False) -> UUID:
        command = RunBatch(self.workflow_id, *self.token(principal, freeze=freeze))
        return UUID(self.product.ask(command, principal or self.somebody)["batch_job_id"])

    def attach(self, principal: Principal | None = None, **terms: Any) -> UUID:
        """A daily schedule, acknowledged with a fresh sizing."""
        pace = {name: terms[name] for name in PACE if name in terms}
        proof = self.token(principal, schedule=self.daily(**terms), pace=pace, **terms.get("variables", {}))
        answer = self.product.ask(self.attaching(*proof, **terms), principal or self.somebody)
        return UUID(answer["schedule_id"])

    def attach_with(self, **variables: Any) -> UUID:
        """A daily schedule with variables of its own."""
        return self.attach(variables=variables)

    def attaching(self, count: int, token: str | None = None, **terms: Any) -> AttachSchedule:
        given = {"rrule": "FREQ=DAILY", "starts_at": "2026-01-01T09:00:00", **terms}
        return AttachSchedule(self.workflow_id, acknowledged_affected_count=count, confirm_token=token, **given)

    def proven(self, principal: Principal, **terms: Any) -> AttachSchedule:
        """A daily schedule with the count and the token of a sizing for it."""
        return self.attaching(*self.token(principal, schedule=self.daily(**terms)), **terms)

    def approve(self, job_id: UUID, principal: Principal | None = None) -> dict[str, Any]:
        count, token = self.token(principal or self.another)
        return self.product.ask(ApproveBatchJob(job_id, count, token), principal or self.another)

    # -- changing

    def rewrite(self, **content: Any) -> None:
        """Disable, edit, enable."""
        self.product.ask(DisableWorkflow(self.workflow_id))
        self.edit(**content)
        self.product.ask(EnableWorkflow(self.workflow_id))

    def edit(self, **content: Any) -> dict[str, Any]:
        return self.product.ask(EditWorkflow(self.workflow_id, version=self.version, **content))

    def widen(self) -> None:
        """Make free people pro, so that twice as many match."""
        self.product.execute("""UPDATE people SET properties = '{"plan": "pro"}'""")

    def swap(self) -> None:
        """One person fewer and one more: as many as before, and not the same."""
        first, second = self.people[:2]
        self.product.execute("""UPDATE people SET properties = '{"plan": "free"}' WHERE id = :id""", id=first)
        self.product.execute("""UPDATE people SET properties = '{"plan": "pro"}' WHERE id = :id""", id=second)

    # -- what follows

    def fire(self, schedule_id: UUID) -> list[UUID]:
        """Let the next occurrence come and be decided; the jobs that it led to, enrolled if they may be."""
        before = self.jobs()
        upcoming = self.schedule(schedule_id)["next_occurrence"]
        if upcoming is not None:
            self.product.clock.advance(seconds=max(0.0, (upcoming - self.product.clock.now()).total_seconds()) + 1)
        for _ in range(3):
            self.product.ask(FireSchedule(schedule_id, self.product.clock.now()), self.engine)
        made = sorted(self.jobs() - before)
        self.enrol(*made)
        return made

    def expire(self, job_id: UUID) -> None:
        self.product.ask(ExpireApproval(job_id), self.engine)

    def enrol(self, *job_ids: UUID) -> None:
        for job_id in job_ids:
            enrol(self.product.system, job_id)
        self.product.catch_up()

    def enrolled(self, job_id: UUID) -> list[int]:
        """The people whom a job is to reach."""
        statement = (
            "SELECT unnest(c.person_ids) FROM chunks c JOIN jobs_at_work j ON j.id = c.job_id "
            "WHERE c.job_id = :id ORDER BY 1"
        )
        return [row[0] for row in self.product.execute(statement, id=job_id)]

    # -- how things are

    @property
    def version(self) -> int:
        return int(self.product.system.reads.workflows.get(self.somebody, self.workflow_id)["version"])

    def workflow(self) -> dict[str, Any]:
        return self.product.system.reads.workflows.get(self.somebody, self.workflow_id)

    def schedule(self, schedule_id: UUID) -> dict[str, Any]:
        return self.product.system.reads.schedules.get(self.somebody, schedule_id)

    def status(self, job_id: UUID) -> str:
        return str(self.product.job(job_id)["status"])

    def jobs(self) -> set[UUID]:
        return {row[0] for row in self.product.execute("SELECT id FROM stream_heads WHERE kind = 'batch_job'")}


@pytest.fixture
def desk(product: Product) -> Desk:
    return Desk(product)


@pytest.fixture
def workshop(product: Product) -> Iterator[Workshop]:
    """Workers and a scheduler that do one thing at a time, when they are told to."""
    built = Workshop(product)
    yield built
    built.deliveries.close()


def renamed_step(name: str) -> list[dict[str, Any]]:
    """Steps that differ from the usual ones in a name only."""
    return [{**CAPTURE, "name": name}]

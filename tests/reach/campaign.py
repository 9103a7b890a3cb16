"""Agents that try everything, and a book of what a human or a policy let through.

The book is kept from what the agents and humans themselves know: who was in an audience, at which address, when a job
was asked for. Whatever arrives in the sinks beyond the book was sent to somebody whom nobody had confirmed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random  # noqa: TID251  # the seed is the test's
from typing import Any

from tests.doors.doors import Key
from tests.reach.field import EMAIL, MANUAL, TO_INPUT, Field, Said
from tests.support.product import Json, batch, person

PLANS = ("pro", "free", "none")
PEOPLE = 6
DAILY: Json = {"rrule": "FREQ=DAILY", "starts_at": "2026-01-01T09:00:00"}
PAUSE: Json = {"id": "wait", "name": "Wait", "type": "delay", "config": {"duration": "PT6H"}}


@dataclass
class Tenant:
    """One project: its people as they were last imported, its keys, and what it has made."""

    number: int
    owner: Key
    human: Key
    agents: list[Key]
    people: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Address and plan by distinct id."""
    gone: set[str] = field(default_factory=set)
    """Addresses that opted out."""
    workflows: dict[str, str] = field(default_factory=dict)
    """The plan that a batch workflow is for, or `manual`."""
    jobs: dict[str, set[str]] = field(default_factory=dict)
    """Whom a job was asked for, by address, at the moment that it was asked for."""
    schedules: dict[str, str] = field(default_factory=dict)
    tokens: list[Json] = field(default_factory=list)

    def audience(self, plan: str) -> set[str]:
        return {address for address, of in self.people.values() if of == plan and address not in self.gone}


class Campaign:
    """Random commands over all doors; `allowed` counts how many messages each address may have got."""

    def __init__(self, where: Field, seed: int, tenants: list[Tenant]) -> None:
        self.field = where
        self.chance = Random(seed)
        self.tenants = tenants
        self.allowed: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()
        self.moves: list[Callable[[Tenant, Key], None]] = [
            self.imports, self.opts_out, self.makes, self.makes, self.makes_manual, self.edits, self.moves_workflow,
            self.sizes, self.runs, self.asks, self.asks, self.asks, self.asks_for_schedule, self.asks_for_schedule,
            self.runs_manual, self.attaches, self.revises, self.moves_schedule, self.moves_job, self.moves_job,
            self.retries, self.confirms_itself, self.widens, self.makes_cohort, self.human_confirms,
            self.human_confirms, self.human_stops, self.works, self.works, self.time_passes,
        ]  # fmt: skip

    def go(self, commands: int) -> None:
        for tenant in self.tenants:
            for _ in range(6):
                self.imports(tenant, tenant.owner)
        for _ in range(commands):
            tenant = self.chance.choice(self.tenants)
            self.chance.choice(self.moves)(tenant, self.chance.choice(tenant.agents))
        self.works(self.tenants[0], self.tenants[0].owner)

    def strangers(self) -> Counter[str]:
        """Messages beyond what was let through, by address."""
        return self.field.mailed - self.allowed

    # -- helpers

    def said(self, what: str, said: Said) -> Said:
        self.codes[f"{what}: {said.code}"] += 1
        return said

    def any(self, among: Any) -> str:
        known = list(among)
        return self.chance.choice(known) if known else "0" * 32

    def ask(self, key: Key, tool: str, path: str, arguments: Json, **handles: Any) -> Said:
        """The same over one of the two doors, by lot."""
        if self.chance.random() < 0.5:
            return self.said(tool, self.field.tool(key, tool, **handles, **arguments))
        return self.said(tool, self.field.post(key, path, arguments))

    def _key(self) -> dict[str, str]:
        return {"idempotency_key": f"k{self.chance.random()}"}

    def let_through(self, addresses: set[str], messages: int = 1) -> None:
        self.allowed.update(dict.fromkeys(addresses, messages))

    # -- what agents do

    def imports(self, tenant: Tenant, key: Key) -> None:
        rows, told = [], {}
        for _ in range(self.chance.randint(1, 3)):
            id = f"t{tenant.number}p{self.chance.randrange(PEOPLE)}"
            told[id] = (f"{id}x{self.chance.randrange(3)}@example.com", self.chance.choice(PLANS))
        rows = [f"{id},{address},{plan}" for id, (address, plan) in told.items()]
        if self.said("import", self.field.people(*rows, key=key)).code == "ok":
            tenant.people |= told

    def opts_out(self, tenant: Tenant, key: Key) -> None:
        if self.chance.random() < 0.2 and tenant.people:
            id = self.any(tenant.people)
            address, plan = tenant.people[id]
            header = "distinct_id,email,plan,opted_out"
            if self.field.people(f"{id},{address},{plan},true", header=header, key=key).code == "ok":
                tenant.gone.add(address)

    def makes(self, tenant: Tenant, key: Key) -> None:
        plan = self.chance.choice(PLANS)
        steps, edges = [EMAIL], []
        if self.chance.random() < 0.3:
            steps, edges = [PAUSE, EMAIL], [{"from": "wait", "to": "mail", "branch": "next"}]
        if self.chance.random() < 0.2:
            to = self.chance.choice(["evil@example.com", "{{ person.properties.plan }}", "{{ variables.to }}"])
            steps = [{**EMAIL, "config": {**EMAIL["config"], "to": to}}]
        content = {"trigger": batch(person("plan", "exact", [plan])), "steps": steps, "edges": edges}
        said = self.ask(key, "workflows-create", "/workflows", {"name": "Letter", **content})
        if said.code == "ok":
            tenant.workflows[said.data["workflow_id"]] = plan
            if self.chance.random() < 0.8:
                self.said("activate", self.field.post(key, f"/workflows/{said.data['workflow_id']}/activate"))

    def makes_manual(self, tenant: Tenant, key: Key) -> None:
        content = {"name": "One", "trigger": MANUAL, "steps": [TO_INPUT]}
        said = self.ask(key, "workflows-create", "/workflows", content)
        if said.code == "ok":
            tenant.workflows[said.data["workflow_id"]] = "manual"
            self.field.post(key, f"/workflows/{said.data['workflow_id']}/activate")

    def edits(self, tenant: Tenant, key: Key) -> None:
        id, plan = self.any(tenant.workflows), self.chance.choice(PLANS)
        change = {"version": self.chance.randint(1, 3), "trigger": batch(person("plan", "exact", [plan]))}
        if self.said("edit", self.field.http(key, "PATCH", f"/workflows/{id}", change)).code == "ok":
            tenant.workflows[id] = plan

    def moves_workflow(self, tenant: Tenant, key: Key) -> None:
        id, verb = self.any(tenant.workflows), self.chance.choice(["activate", "disable", "archive", "restore"])
        if verb != "archive" or self.chance.random() < 0.2:
            self.said(verb, self.field.post(key, f"/workflows/{id}/{verb}"))

    def asks(self, tenant: Tenant, key: Key) -> None:
        """Size and run, as an agent does that means well, or with somebody else at work in between."""
        self.sizes(tenant, key)
        if self.chance.random() < 0.3:
            self.imports(tenant, self.chance.choice(tenant.agents))
        self.runs(tenant, key)

    def asks_for_schedule(self, tenant: Tenant, key: Key) -> None:
        """Size a schedule and attach it."""
        self.sizes(tenant, key, schedule=DAILY)
        self.attaches(tenant, key)

    def sizes(self, tenant: Tenant, key: Key, **terms: Json) -> None:
        id = self.any([id for id, plan in tenant.workflows.items() if plan != "manual" or self.chance.random() < 0.05])
        body: Json = {"freeze": True} if self.chance.random() < 0.2 else {}
        said = self.said("size", self.field.size(key, id, **(terms or body)))
        if said.code == "ok":
            tenant.tokens = [*tenant.tokens[-9:], {**said.data, "workflow": id, "frozen_for": tenant.audience(
                tenant.workflows.get(id, "none"))}]  # fmt: skip

    def _proof(self, tenant: Tenant) -> tuple[str, Json, set[str] | None]:
        """Some token, mostly with its workflow and its count; whom it has kept."""
        if not tenant.tokens:
            return self.any(tenant.workflows), {"acknowledged_affected_count": 1}, None
        sizing = tenant.tokens[-1] if self.chance.random() < 0.8 else self.chance.choice(tenant.tokens)
        proof = {"acknowledged_affected_count": sizing["affected"], "confirm_token": sizing["confirm_token"]}
        if self.chance.random() < 0.1:
            proof["acknowledged_affected_count"] += 1
        if self.chance.random() < 0.1:
            del proof["confirm_token"]
        id = sizing["workflow"] if self.chance.random() < 0.9 else self.any(tenant.workflows)
        return id, proof, sizing["frozen_for"] if sizing.get("frozen") else None

    def runs(self, tenant: Tenant, key: Key) -> None:
        id, proof, kept = self._proof(tenant)
        said = self.ask(key, "workflows-run-batch", f"/workflows/{id}/run-batch", proof, workflow_id=id)
        self._asked(tenant, said, kept if kept is not None else tenant.audience(tenant.workflows.get(id, "none")))

    def _asked(self, tenant: Tenant, said: Said, people: set[str]) -> None:
        job = said.data.get("batch_job_id") or str(said.data.get("runId", "")).partition(".")[0]
        if said.code == "ok" and job not in tenant.jobs:
            tenant.jobs[job] = people
            if not (said.data.get("confirm_url") or said.data.get("confirmUrl")):
                self.let_through(people)

    def runs_manual(self, tenant: Tenant, key: Key) -> None:
        id = self.any([id for id, plan in tenant.workflows.items() if plan == "manual"])
        to = f"stranger{self.chance.randrange(1000)}@example.com"
        if self.chance.random() < 0.3:
            said = self.said(
                "studio", self.field.tool(key, "run_workflow", studio=True, workflowId=id, inputs={"to": to})
            )
        else:
            said = self.ask(
                key, "workflows-run", f"/workflows/{id}/run", {"inputs": {"to": to}}, workflow_id=id, **self._key()
            )
        self._asked(tenant, said, {to})

    def attaches(self, tenant: Tenant, key: Key) -> None:
        id, proof, _ = self._proof(tenant)
        said = self.ask(
            key, "workflows-schedule-create", f"/workflows/{id}/schedules", {**DAILY, **proof}, workflow_id=id
        )
        if said.code == "ok" and "schedule_id" in said.data:
            tenant.schedules[said.data["schedule_id"]] = id

    def revises(self, tenant: Tenant, key: Key) -> None:
        id = self.any(tenant.schedules)
        _, proof, _ = self._proof(tenant)
        change = {"rrule": self.chance.choice(["FREQ=DAILY", "FREQ=WEEKLY", "FREQ=HOURLY"]), **proof}
        self.said("revise", self.field.http(key, "PATCH", f"/schedules/{id}", change))

    def moves_schedule(self, tenant: Tenant, key: Key) -> None:
        id, verb = self.any(tenant.schedules), self.chance.choice(["pause", "resume", "detach"])
        body: Json = {"note": "because"} if verb != "resume" else self._proof(tenant)[1]
        self.said(f"schedule {verb}", self.field.post(key, f"/schedules/{id}/{verb}", body))

    def moves_job(self, tenant: Tenant, key: Key) -> None:
        id, verb = self.any(tenant.jobs), self.chance.choice(["pause", "resume", "resume", "cancel"])
        if verb != "cancel" or self.chance.random() < 0.3:
            self.said(f"job {verb}", self.field.post(key, f"/batch-jobs/{id}/{verb}", None if verb == "resume" else {
                "reason": "because"}))  # fmt: skip

    def retries(self, tenant: Tenant, key: Key) -> None:
        id = self.any(tenant.jobs)
        said = self.said("size failed", self.field.post(key, f"/batch-jobs/{id}/blast-radius"))
        if said.code == "ok" and said.data.get("affected"):
            proof = {
                "acknowledged_affected_count": said.data["affected"],
                "confirm_token": said.data["confirm_token"],
            }
            again = self.said("retry", self.field.post(key, f"/batch-jobs/{id}/retry-failed", proof))
            self._asked(tenant, again, tenant.jobs.get(id, set()))

    def confirms_itself(self, tenant: Tenant, key: Key) -> None:
        id, count = self.any(tenant.jobs), self.chance.randint(1, PEOPLE)
        said = self.said("agent confirms", self.field.confirm(key, id, count))
        assert said.code != "ok", said.data
        proof = {"acknowledged_affected_count": count}
        said = self.said("agent approves", self.field.post(key, f"/batch-jobs/{id}/approve", proof))
        assert said.code != "ok", said.data

    def widens(self, tenant: Tenant, key: Key) -> None:
        self.said("policy", self.field.http(key, "PUT", "/policy", {}))
        self.said("key", self.field.http(key, "PATCH", f"/keys/{key.id}", {"max_audience": 1000, "agent": False}))
        self.said("new key", self.field.post(key, "/keys", {"name": "mine", "scopes": ["workflow:run"]}))

    def makes_cohort(self, tenant: Tenant, key: Key) -> None:
        body = {"name": f"c{self.chance.random()}", "kind": "dynamic", "conditions": [person("plan", "exact", ["pro"])]}
        self.said("cohort", self.field.post(key, "/cohorts", body))

    # -- what humans do

    def human_confirms(self, tenant: Tenant, _key: Key) -> None:
        for id in list(tenant.jobs)[-5:]:
            if self.chance.random() < 0.5:
                count = len(tenant.jobs[id])
                said = self.said("human confirms", self.field.confirm(tenant.human, id, count))
                if said.code == "ok":
                    self.let_through(tenant.jobs[id])

    def human_stops(self, tenant: Tenant, _key: Key) -> None:
        id, verb = self.any(tenant.jobs), self.chance.choice(["pause", "resume", "reject"])
        body = None if verb == "resume" else {"reason": "because"}
        self.said(f"human {verb}", self.field.post(tenant.human, f"/batch-jobs/{id}/{verb}", body))

    # -- what happens

    def works(self, _tenant: Tenant, _key: Key) -> None:
        self.field.work()

    def time_passes(self, _tenant: Tenant, _key: Key) -> None:
        """Due occurrences reach, under their standing approvals, whoever is in their audiences now."""
        days = self.chance.choice([0.01, 0.3, 1])
        for tenant in self.tenants:
            for schedule, workflow in tenant.schedules.items():
                row = self.field.http(tenant.owner, "GET", f"/schedules/{schedule}?min_position={self.field.position}")
                if row.code == "ok" and row.data["status"] == "active":
                    # At most one occurrence of a daily, and a day of an hourly, schedule falls into this stretch.
                    self.let_through(tenant.audience(tenant.workflows.get(workflow, "none")), 25)
        self.field.later(days=days)


def tenants(where: Field) -> list[Tenant]:
    """Two projects, each with an owner, a human and two agents that hold every scope that an agent can."""
    found = []
    for number in range(2):
        project = where.product.project_id if number == 0 else where.product.other_project()
        owner, human = (where.key(name, project_id=project) for name in ("owner", "human"))
        scopes = frozenset({*where.agent().scopes, "person:write", "cohort:write"})
        agents = [where.key(f"agent{n}", scopes=scopes, agent=True, project_id=project) for n in range(2)]
        found.append(Tenant(number, owner, human, agents))
    return found

"""One set of people through the steps, as far as they come without the outside.

The set is split only where the steps split it, so a chunk of people who all take the same way costs one plan
and one statement a step. People stop at an effect outside (in progress), at a wait (waiting) or at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from aggregates.audience import Audience
from aggregates.errors import DomainError
from aggregates.steps.base import Advance, Branch, Deliver, Finish, Park, Plan, Record
from aggregates.templates import Document
from aggregates.workflow.definition import Definition
from projections.runs import run_id
from workers.ledger import Entry

Scope = dict[str, Any]


class World(Protocol):
    """What a walk asks about people."""

    def matching(self, audience: Audience, ids: Sequence[int]) -> set[int]: ...

    def people(self, ids: Sequence[int]) -> dict[int, dict[str, Any]]: ...


@dataclass(frozen=True)
class Route:
    """What everybody in a job shares: the pinned content, its variables, and whether effects stay inside."""

    job_id: UUID
    workflow: dict[str, str]
    definition: Definition
    variables: dict[str, Any]
    captures: bool

    def plan(self, step_id: str, now: datetime) -> Plan:
        step = self.definition.step(step_id)
        return step.plan(now)

    def scope(self, person: dict[str, Any]) -> Scope:
        """What a template sees for one person."""
        return {
            "person": person,
            "variables": self.variables,
            "inputs": {},
            "workflow": self.workflow,
            "run": {"id": run_id(self.job_id, person["id"])},
        }


@dataclass
class Group:
    """People who stand at the same step after the same trace."""

    step: str | None
    ids: list[int]
    trace: list[dict[str, Any]] = field(default_factory=list)
    own: dict[int, list[dict[str, Any]]] = field(default_factory=dict)

    def at(self, step: str | None, ids: list[int], note: dict[str, Any]) -> Group:
        """Some of these people one step on."""
        own = {id: self.own[id] for id in ids if id in self.own} if self.own else {}
        if own:
            return Group(step, ids, self.trace, {id: [*own.get(id, []), note] for id in ids})
        return Group(step, ids, [*self.trace, note])

    def ended(self, status: str, **facts: Any) -> Entry:
        return Entry(status, self.ids, self.trace, self.own, **facts)


class Walk:
    """Walks groups of people until everybody has stopped."""

    def __init__(self, route: Route, world: World, now: datetime) -> None:
        self._route = route
        self._world = world
        self._now = now
        self._open: list[Group] = []
        self._entries: list[Entry] = []

    def run(self, groups: Sequence[Group]) -> list[Entry]:
        """Where everybody came to; each person is in exactly one entry."""
        self._open = [group for group in groups if group.ids]
        self._entries = []
        while self._open:
            group = self._open.pop()
            if group.step is None:
                self._entries.append(group.ended("delivered"))
            else:
                self._take(group, group.step)
        return self._entries

    def _take(self, group: Group, step: str) -> None:
        plan = self._route.plan(step, self._now)
        match plan:
            case Advance(port):
                self._onward(group, port, {"step": step, "outcome": "passed"})
            case Finish(reason):
                note = {"step": step, "outcome": "exited"}
                self._entries.append(group.at(None, group.ids, note).ended("exited", reason=reason))
            case Park(until, port):
                note = {"step": step, "outcome": "waited", "until": until.isoformat()}
                target = self._route.definition.target(step, port)
                parked = group.at(target, group.ids, note)
                self._entries.append(parked.ended("waiting", at_step=target, wake_at=until))
            case Branch():
                self._branch(group, step, plan)
            case Record(payload, port):
                self._record(group, payload, port, {"step": step, "outcome": "captured"})
            case Deliver(channel, request) if self._route.captures:
                note = {"step": step, "outcome": "captured", "channel": channel}
                self._record(group, request, plan.port, note)
            case Deliver():
                self._entries.append(group.ended("in_progress", at_step=step))

    def _onward(self, group: Group, port: str, note: dict[str, Any], ids: list[int] | None = None) -> None:
        """Some of these people, or all, leave their step by a port."""
        target = self._route.definition.target(note["step"], port)
        self._open.append(group.at(target, group.ids if ids is None else ids, note))

    def _branch(self, group: Group, step: str, plan: Branch) -> None:
        """Everybody takes the first arm that matches."""
        rest = group.ids
        for port, audience in plan.arms:
            try:
                matched = self._world.matching(audience, rest) if rest else set()
            except DomainError as refusal:
                self._broken(group, step, rest, plan.otherwise, refusal.code)
                return
            taken = [id for id in rest if id in matched]
            rest = [id for id in rest if id not in matched]
            if taken:
                self._onward(group, port, {"step": step, "outcome": "branched", "port": port}, taken)
        if rest:
            self._onward(group, plan.otherwise, {"step": step, "outcome": "branched", "port": plan.otherwise}, rest)

    def _record(self, group: Group, payload: Document, port: str, note: dict[str, Any]) -> None:
        """Keep in the ledger what would have been sent: once for all when it is the same for all."""
        if payload.constant:
            self._onward(group, port, {**note, "output": payload.render({})})
            return
        rendered, broken = render(self._route, self._world.people(group.ids), payload)
        own = {id: [*group.own.get(id, []), {**note, "output": output}] for id, output in rendered.items()}
        ids = [id for id in group.ids if id in own]
        if ids:
            self._open.append(Group(self._route.definition.target(note["step"], port), ids, group.trace, own))
        if broken:
            self._broken(group, note["step"], broken, port, "template.failed")

    def _broken(self, group: Group, step: str, ids: list[int], port: str, reason: str) -> None:
        """People for whom a step could not be taken: the step says whether they go on."""
        note = {"step": step, "outcome": "failed", "reason": reason}
        if self._route.definition.step(step).on_error == "continue":
            self._onward(group, port, note, ids)
        else:
            self._entries.append(group.at(None, ids, note).ended("failed", reason=reason))


def render(route: Route, people: dict[int, dict[str, Any]], document: Document) -> tuple[dict[int, Any], list[int]]:
    """A document for each person, and those for whom it could not be rendered."""
    rendered: dict[int, Any] = {}
    broken: list[int] = []
    for id, person in people.items():
        try:
            rendered[id] = document.render(route.scope(person))
        except DomainError:
            broken.append(id)
    return rendered, broken

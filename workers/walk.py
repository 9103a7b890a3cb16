"""One set of people through the steps, as far as they come without the outside.

The set is split only where the steps split it, so a chunk of people who all take the same way costs one plan
and one statement a step. People stop at an effect outside (in progress), at a wait (waiting) or at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from aggregates.errors import DomainError
from aggregates.steps.base import Advance, Branch, Deliver, Finish, Park, Plan, Record
from aggregates.templates import Document
from aggregates.values import Audience
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
    """Walks groups until everybody has stopped."""

    def __init__(self, route: Route, world: World, now: datetime) -> None:
        self._route = route
        self._world = world
        self._now = now

    def run(self, groups: Sequence[Group]) -> list[Entry]:
        """Where everybody came to; each person is in exactly one entry."""
        entries: list[Entry] = []
        open_groups = [group for group in groups if group.ids]
        while open_groups:
            group = open_groups.pop()
            if group.step is None:
                entries.append(group.ended("delivered"))
            else:
                self._step(group, group.step, open_groups.append, entries.append)
        return entries

    def _step(
        self, group: Group, step: str, onward: Callable[[Group], None], stop: Callable[[Entry], None]
    ) -> None:
        plan = self._route.plan(step, self._now)
        match plan:
            case Advance(port):
                onward(group.at(self._target(step, port), group.ids, {"step": step, "outcome": "passed"}))
            case Finish(reason):
                stop(group.at(None, group.ids, {"step": step, "outcome": "exited"}).ended("exited", reason=reason))
            case Park(until, port):
                note = {"step": step, "outcome": "waited", "until": until.isoformat()}
                target = self._target(step, port)
                stop(group.at(target, group.ids, note).ended("waiting", at_step=target, wake_at=until))
            case Branch(arms, otherwise):
                self._branch(group, step, arms, otherwise, onward)
            case Record(payload, port):
                self._record(group, step, payload, port, onward, stop)
            case Deliver(channel, request) if self._route.captures:
                self._record(group, step, request, plan.port, onward, stop, channel=channel)
            case Deliver():
                stop(group.ended("in_progress", at_step=step))

    def _branch(
        self,
        group: Group,
        step: str,
        arms: Sequence[tuple[str, Audience]],
        otherwise: str,
        onward: Callable[[Group], None],
    ) -> None:
        rest = group.ids
        for port, audience in arms:
            matched = self._world.matching(audience, rest) if rest else set()
            taken = [id for id in rest if id in matched]
            rest = [id for id in rest if id not in matched]
            if taken:
                onward(group.at(self._target(step, port), taken, {"step": step, "outcome": "branched", "port": port}))
        if rest:
            note = {"step": step, "outcome": "branched", "port": otherwise}
            onward(group.at(self._target(step, otherwise), rest, note))

    def _record(
        self,
        group: Group,
        step: str,
        payload: Document,
        port: str,
        onward: Callable[[Group], None],
        stop: Callable[[Entry], None],
        channel: str | None = None,
    ) -> None:
        """Keep in the ledger what would have been sent: once for all when it is the same for all."""
        note: dict[str, Any] = {"step": step, "outcome": "captured"}
        if channel:
            note["channel"] = channel
        target = self._target(step, port)
        if payload.constant:
            onward(group.at(target, group.ids, {**note, "output": payload.render({})}))
            return
        rendered, broken = render(self._route, self._world.people(group.ids), payload)
        own = {id: [*group.own.get(id, []), {**note, "output": output}] for id, output in rendered.items()}
        ids = [id for id in group.ids if id in own]
        if ids:
            onward(Group(target, ids, group.trace, own))
        if broken:
            self._broken(group, step, broken, port, onward, stop)

    def _broken(
        self,
        group: Group,
        step: str,
        ids: list[int],
        port: str,
        onward: Callable[[Group], None],
        stop: Callable[[Entry], None],
    ) -> None:
        """People for whom a template could not be rendered: the step says whether they go on."""
        note = {"step": step, "outcome": "failed", "reason": "template.failed"}
        if self._route.definition.step(step).on_error == "continue":
            onward(group.at(self._target(step, port), ids, note))
        else:
            stop(group.at(None, ids, note).ended("failed", reason="template.failed"))

    def _target(self, step: str, port: str) -> str | None:
        return self._route.definition.target(step, port)


def render(
    route: Route, people: dict[int, dict[str, Any]], document: Document
) -> tuple[dict[int, Any], list[int]]:
    """A document for each person, and those for whom it could not be rendered."""
    rendered: dict[int, Any] = {}
    broken: list[int] = []
    for id, person in people.items():
        try:
            rendered[id] = document.render(route.scope(person))
        except DomainError:
            broken.append(id)
    return rendered, broken

"""One set of people through the steps, as far as they come without the outside.

The set is split only where the steps split it, so a chunk of people who all take the same way costs one plan
and one statement a step. People stop at an effect outside (in progress), at a wait (waiting) or at the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from aggregates.allowance import Allowance
from aggregates.errors import DomainError
from aggregates.secrets import MASKED
from aggregates.steps.base import (
    Advance,
    Ask,
    Assign,
    Branch,
    ByProperty,
    Deliver,
    Finish,
    Park,
    Plan,
    Record,
    Split,
)
from aggregates.templates import Document
from aggregates.walk.entry import NONE_SET, Entry, RunVariables
from aggregates.walk.route import Route
from aggregates.walk.world import CHANGED, World

Note = dict[str, Any]


@dataclass
class Group:
    """People who stand at the same step after the same trace. `passed` counts the steps of this walk."""

    step: str | None
    ids: list[int]
    trace: list[Note] = field(default_factory=list)
    own: dict[int, list[Note]] = field(default_factory=dict)
    variables: RunVariables = NONE_SET
    passed: int = 0

    def at(self, step: str | None, ids: list[int], note: Note) -> Group:
        """Some of these people one step on."""
        passed, variables = self.passed + 1, self.variables.part(ids)
        own = {id: self.own[id] for id in ids if id in self.own} if self.own else {}
        if own:
            return Group(step, ids, self.trace, {id: [*own.get(id, []), note] for id in ids}, variables, passed)
        return Group(step, ids, [*self.trace, note], {}, variables, passed)

    def part(self, ids: list[int]) -> Group:
        """Some of these people where they stand."""
        own = {id: self.own[id] for id in ids if id in self.own} if self.own else {}
        return replace(self, ids=ids, own=own, variables=self.variables.part(ids))

    def ended(self, status: str, **facts: Any) -> Entry:
        return Entry(status, self.ids, self.trace, self.own, variables=self.variables, **facts)


class Walk:
    """Walks groups of people until everybody has stopped."""

    def __init__(self, route: Route, world: World, now: datetime, allowance: Allowance | None = None) -> None:
        """`allowance` is what all that is rendered may cost together; without one this walk has its own."""
        self._route = route
        self._world = world
        self._now = now
        self._allowance = allowance or Allowance()
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
            elif group.passed > len(self._route.definition.steps):
                # They went round a circle whose waits let them pass, and would do so for ever.
                note = self._note(group.step, "failed", reason="graph.endless")
                self._entries.append(group.at(None, group.ids, note).ended("failed", reason="graph.endless"))
            else:
                self._take(group, group.step, self._route.plan(group.step, self._now))
        return self._entries

    def _take(self, group: Group, step: str, plan: Plan) -> None:
        match plan:
            case Advance(port):
                self._onward(group, port, self._note(step, "passed"))
            case Finish(reason):
                note = self._note(step, "exited")
                self._entries.append(group.at(None, group.ids, note).ended("exited", reason=reason))
            case Park():
                self._park(group, step, plan)
            case ByProperty():
                self._by_property(group, step, plan)
            case Branch():
                self._branch(group, step, plan)
            case Split():
                for port, ids in plan.lots(self._route.workflow["id"], step, group.ids).items():
                    self._onward(group, port, self._note(step, "branched", port=port), ids)
            case Assign():
                self._assign(group, step, plan)
            case Ask():
                self._ask(group, step, plan)
            case Record(payload, port):
                self._record(group, payload, port, self._note(step, "captured"))
            case Deliver():
                self._deliver(group, step, plan)

    def _note(self, step: str, outcome: str, **facts: Any) -> Note:
        """What is kept of one step. A batch's notes are the same for many, so only a manual run's tell the instant."""
        at = {} if self._route.inputs is None else {"at": self._now.isoformat()}
        return {"step": step, "outcome": outcome, **facts, **at}

    def _onward(self, group: Group, port: str, note: Note, ids: list[int] | None = None) -> None:
        """Some of these people, or all, leave their step by a port."""
        target = self._route.definition.target(note["step"], port)
        self._open.append(group.at(target, group.ids if ids is None else ids, note))

    def _park(self, group: Group, step: str, plan: Park) -> None:
        """Everybody waits, and goes on after the step or arrives at it again."""
        note = self._note(step, "waited", until=plan.until.isoformat())
        stop = step if plan.again else self._route.definition.target(step, plan.port)
        self._entries.append(group.at(stop, group.ids, note).ended("waiting", at_step=stop, wake_at=plan.until))

    def _by_property(self, group: Group, step: str, plan: ByProperty) -> None:
        """One plan for each value there is, and one way for all whose plan is the same."""
        ways: dict[Plan, list[int]] = {}
        for value, ids in self._world.values(plan.key, group.ids).items():
            ways.setdefault(plan.plan_for(value), []).extend(ids)
        for way, ids in ways.items():
            self._take(group.part(ids), step, way)

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
                self._onward(group, port, self._note(step, "branched", port=port), taken)
        if rest:
            self._onward(group, plan.otherwise, self._note(step, "branched", port=plan.otherwise), rest)

    def _ask(self, group: Group, step: str, plan: Ask) -> None:
        """The answer decides for everybody; without one they wait, each until their own question expires."""
        decision = self._world.decision(self._route.job_id, step)
        if decision is not None:
            self._onward(group, decision, self._note(step, decision))
            return
        # Who came here in this walk has not been asked about, whatever was asked when they were here before.
        asked = {} if group.passed else self._world.asked(self._route.job_id, step, group.ids)
        expired = [id for id in group.ids if id in asked and asked[id] <= self._now]
        if expired:
            self._onward(group, plan.on_expiry, self._note(step, "expired", port=plan.on_expiry), expired)
        for until in sorted({until for until in asked.values() if until > self._now}):
            still = group.part([id for id in group.ids if asked.get(id) == until])
            self._entries.append(still.ended("waiting", at_step=step, wake_at=until))
        fresh = [id for id in group.ids if id not in asked]
        if fresh:
            note = self._note(step, "asked", until=plan.until.isoformat())
            self._entries.append(group.at(step, fresh, note).ended("waiting", at_step=step, wake_at=plan.until))

    def _assign(self, group: Group, step: str, plan: Assign) -> None:
        """Set variables: once for all when they are the same for all."""
        if plan.values.constant and not group.variables.own:
            try:
                common = self._route.assigned(plan, plan.values.render({}), group.variables.common)
            except ValueError as refusal:
                self._broken(group, step, group.ids, plan.port, str(refusal))
                return
            changed = replace(group, variables=RunVariables(common, unsaved=True))
            self._onward(changed, plan.port, self._note(step, "assigned"))
            return
        values = plan.values
        constant = dict.fromkeys(group.ids, values.render({})) if values.constant else None
        rendered = constant or self._rendered(group, step, values, plan.port)
        own: dict[int, dict[str, Any]] = {}
        broken: dict[str, list[int]] = {}
        for id, found in rendered.items():
            try:
                own[id] = self._route.assigned(plan, found, group.variables.of(id))
            except ValueError as refusal:
                broken.setdefault(str(refusal), []).append(id)
        if own:
            changed = replace(group.part(list(own)), variables=RunVariables(own=own, unsaved=True))
            self._onward(changed, plan.port, self._note(step, "assigned"))
        for reason, ids in broken.items():
            self._broken(group, step, ids, plan.port, reason)

    def _deliver(self, group: Group, step: str, plan: Deliver) -> None:
        """What goes outside is the sender's, unless it is kept inside."""
        if self._route.captures:
            note = self._note(step, "captured", channel=plan.channel)
            self._record(group, plan.request, plan.port, note)
        else:
            self._entries.append(group.ended("in_progress", at_step=step))

    def _record(self, group: Group, payload: Document, port: str, note: Note) -> None:
        """Keep in the ledger what would have been sent: once for all when it is the same for all."""
        if payload.constant:
            self._onward(group, port, {**note, "output": payload.render({})})
            return
        rendered = self._rendered(group, note["step"], payload, port)
        own = {id: [*group.own.get(id, []), {**note, "output": output}] for id, output in rendered.items()}
        if own:
            target = self._route.definition.target(note["step"], port)
            stepped = replace(group.part(list(own)), step=target, own=own, passed=group.passed + 1)
            self._open.append(stepped)

    def _rendered(self, group: Group, step: str, document: Document, port: str) -> dict[int, Any]:
        """A document for each of these people; for whom it fails, the step has failed.

        Who was erased is skipped, and so is who has another address than the confirmed one, where an address is told:
        what is kept of it now may be sent when the address has been changed back.
        """
        people = self._world.people(group.ids)
        gone = [id for id in group.ids if id not in people]
        if gone:
            self._entries.append(group.part(gone).ended("skipped", reason="erased"))
        if self._route.inputs is None and self._route.definition.tells_address:
            others = self._world.changed(self._route.job_id, people)
            if others:
                self._entries.append(group.part(sorted(others)).ended("skipped", reason=CHANGED))
                people = {id: person for id, person in people.items() if id not in others}
        rendered, broken = render(
            self._route, people, document, group.variables, now=self._now, allowance=self._allowance
        )
        for reason, ids in broken.items():
            self._broken(group, step, ids, port, reason)
        return rendered

    def _broken(self, group: Group, step: str, ids: list[int], port: str, reason: str) -> None:
        """People for whom a step could not be taken: the step says whether they go on."""
        note = self._note(step, "failed", reason=reason)
        if self._route.definition.step(step).on_error == "continue":
            self._onward(group, port, note, ids)
        else:
            self._entries.append(group.at(None, ids, note).ended("failed", reason=reason))


def render(
    route: Route,
    people: dict[int, dict[str, Any]],
    document: Document,
    variables: RunVariables,
    *,
    now: datetime,
    allowance: Allowance,
    secrets: Mapping[str, Any] = MASKED,
) -> tuple[dict[int, Any], dict[str, list[int]]]:
    """A document for each person, and those for whom it could not be rendered, by reason (`template.failed`,
    `template.over_limit`, `template.together_over_limit`). Secrets are masked unless given.

    Each person has an allowance of their own within `allowance`, which is for all of them.
    """
    rendered: dict[int, Any] = {}
    broken: dict[str, list[int]] = {}
    for id, person in people.items():
        try:
            scope = route.scope(person, variables.of(id), now, secrets)
            rendered[id] = document.render(scope, allowance.person())
        except DomainError as refusal:
            broken.setdefault(refusal.code, []).append(id)
    return rendered, broken

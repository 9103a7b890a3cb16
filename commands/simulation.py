"""Simulation: some people walk through the real graph, and nothing happens.

Every effect outside is captured, every wait is over at once, and nothing is recorded: no events, no ledger rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from aggregates.allowance import Allowance
from aggregates.audience import Audience
from aggregates.errors import Problem, invalid
from aggregates.shape import at, echo
from aggregates.values import NOBODY
from aggregates.walk.entry import Entry
from aggregates.walk.route import Route
from aggregates.walk.walk import Group, Walk
from aggregates.workflow.aggregate import Workflow
from aggregates.workflow.definition import Definition
from commands.confirm import merged
from commands.context import Accepted, Context
from commands.manual import started_with
from commands.reach import reach_of

SAMPLE = 10
MOST_PEOPLE = 100
"""People of one simulation."""

WORK, CHARACTERS = 1_000_000, 8 * 1024 * 1024
"""What all the templates of one simulation may cost together: it runs while its caller waits, and may be abandoned."""

ROUNDS = 100
"""Waits that a simulated person sits through: a circle with a wait in it would go on for ever."""

DECISIONS = ("approved", "rejected", "expired")


@dataclass(frozen=True)
class SimulateWorkflow:
    """Walk some people through a workflow, draft or active, without any effect. Contacts nobody, records nothing.

    `people` are distinct ids; without them `sample` people of the audience are taken. `decisions` answer approval
    steps by their id, `approved` where nothing is said. A manual workflow is walked once, with `inputs`.
    """

    workflow_id: UUID
    sample: int = SAMPLE
    people: Sequence[str] = ()
    variables: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)
    decisions: dict[str, str] = field(default_factory=dict)


def simulate(command: SimulateWorkflow, ctx: Context) -> Accepted:
    workflow = ctx.store.load(Workflow, command.workflow_id, ctx.meta)
    definition, problems = Definition.parse(workflow.content)
    if definition is None:
        raise invalid("workflow.invalid", problems)
    _checked(command, definition)
    ids = _walkers(command, ctx, definition)
    route = _route(command, ctx, workflow, definition)
    entries = Simulation(route, ctx, command.decisions).run(ids)
    known = ctx.people.records(ids)
    beyond = _beyond(command, ctx, definition, ids)
    data = {
        "workflow_id": str(workflow.id),
        "workflow_version": workflow.content_version,
        "workflow_status": workflow.status,
        "people": len(ids) if definition.audience else 0,
        "outcomes": dict(Counter(entry.status for entry in entries for _ in entry.ids)),
        "steps": _steps(definition, entries),
        "missing_fields": _missing(definition, known),
        "runs": sorted(
            (_run(entry, id, known.get(id, {}), beyond.get(id)) for entry in entries for id in entry.ids),
            key=_by_person,
        ),
    }
    return Accepted(str(workflow.id), data)


class Simulation:
    """Walks until everybody has stopped for good; a wait is over as soon as it begins."""

    def __init__(self, route: Route, ctx: Context, decisions: Mapping[str, str]) -> None:
        self._route = route
        self._ctx = ctx
        self._decisions = decisions
        self._allowance = Allowance(WORK, CHARACTERS)

    def run(self, ids: Sequence[int]) -> list[Entry]:
        """Where everybody came to, each with the whole of their trace."""
        walking = [(Group(self._route.definition.entry, list(ids)), self._ctx.meta.now)]
        ended: list[Entry] = []
        for _ in range(ROUNDS):
            waiting: list[tuple[Group, datetime]] = []
            for group, now in walking:
                for entry in Walk(self._route, self, now, self._allowance).run([group]):
                    if entry.status == "waiting":
                        waiting.append(_after(entry, now))
                    else:
                        ended.append(entry)
            walking = waiting
        return ended + [group.ended("waiting", at_step=group.step) for group, _ in walking]

    # -- what a walk asks

    def matching(self, audience: Audience, ids: Sequence[int]) -> set[int]:
        return self._ctx.people.matching(self._ctx.meta.principal.project_id, audience, ids, now=self._ctx.meta.now)

    def people(self, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
        return self._ctx.people.records(ids)

    def changed(self, job_id: UUID, shown: Mapping[int, Mapping[str, Any]]) -> Collection[int]:
        return ()  # nobody has been confirmed

    def values(self, key: str, ids: Sequence[int]) -> dict[str | None, list[int]]:
        return self._ctx.people.values(key, ids)

    def decision(self, job_id: UUID, step_id: str) -> str | None:
        answer = self._decisions.get(step_id, "approved")
        return None if answer == "expired" else answer

    def asked(self, job_id: UUID, step_id: str, ids: Sequence[int]) -> dict[int, datetime]:
        # Only who is let expire gets here, and their question is over: the walk takes the way of expiry.
        return dict.fromkeys(ids, self._ctx.meta.now)


def _after(entry: Entry, now: datetime) -> tuple[Group, datetime]:
    """The people of an entry after their wait."""
    group = Group(entry.at_step, entry.ids, entry.trace, entry.own, entry.variables)
    return group, max(now, entry.wake_at or now)


def _checked(command: SimulateWorkflow, definition: Definition) -> None:
    problems = []
    if not 1 <= command.sample <= MOST_PEOPLE:
        message = f"A simulation takes 1 to {MOST_PEOPLE} people."
        problems.append(Problem("/sample", "field.invalid", message, None, f"1..{MOST_PEOPLE}", SAMPLE))
    if len(command.people) > MOST_PEOPLE:
        problems.append(Problem("/people", "field.invalid", f"At most {MOST_PEOPLE} people.", len(command.people)))
    approvals = [step.id for step in definition.steps if step.type.id == "approval"]
    for step_id, answer in command.decisions.items():
        if step_id not in approvals:
            message = "There is no such approval step."
            problems.append(Problem(at("/decisions", step_id), "step.unknown", message, echo(step_id), approvals))
        elif answer not in DECISIONS:
            message = "An approval step is answered by one of these."
            problems.append(
                Problem(at("/decisions", step_id), "field.invalid", message, echo(answer), list(DECISIONS), "approved")
            )
    if definition.audience is None and command.people:
        problems.append(Problem("/people", "simulation.no_person", "A manual run has no person; give its inputs."))
    if definition.audience is not None and command.inputs:
        problems.append(Problem("/inputs", "simulation.no_inputs", "A batch has no inputs; give variables."))
    if problems:
        raise invalid("request.invalid", problems)


def _walkers(command: SimulateWorkflow, ctx: Context, definition: Definition) -> list[int]:
    """Whom the simulation takes, ascending; nobody in particular for a manual workflow."""
    project = ctx.meta.principal.project_id
    if definition.audience is None:
        return [NOBODY]
    problems = [
        problem
        for pointer, audience in definition.audiences()
        for problem in ctx.people.audience_problems(project, audience, pointer)
    ]
    if problems:
        raise invalid("audience.invalid", problems)
    if not command.people:
        return ctx.people.sample(
            project, definition.audience, reach=reach_of(definition, ctx.policy), limit=command.sample, now=ctx.meta.now
        )
    found = ctx.people.named(project, command.people)
    unknown = [
        Problem(at("/people", place), "person.unknown", "No such person.", None, "a distinct_id")
        for place, name in enumerate(command.people)
        if name not in found
    ]
    if unknown:
        raise invalid("request.invalid", unknown)
    return sorted(set(found.values()))


def _beyond(command: SimulateWorkflow, ctx: Context, definition: Definition, ids: Sequence[int]) -> Mapping[int, str]:
    """Named people whom a batch would not reach now, and why; they are walked all the same."""
    if definition.audience is None or not command.people:
        return {}
    project = ctx.meta.principal.project_id
    reach = reach_of(definition, ctx.policy)
    return ctx.people.reasons(project, definition.audience, ids, reach=reach, now=ctx.meta.now)


def _route(command: SimulateWorkflow, ctx: Context, workflow: Workflow, definition: Definition) -> Route:
    inputs = None
    if definition.audience is None:
        inputs, variables = started_with(definition, command.inputs)
    else:
        variables = merged(definition, command.variables)
    return Route(
        job_id=ctx.ids.derived("simulation", ctx.meta.command_id),
        workflow={"id": str(workflow.id), "name": workflow.name},
        definition=definition,
        variables=variables,
        captures=True,
        inputs=inputs,
    )


def _steps(definition: Definition, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Each step with how many passed it, and by which way."""
    ways: dict[str, Counter[str]] = {step.id: Counter() for step in definition.steps}
    for entry in entries:
        for id in entry.ids:
            for note in [*entry.trace, *entry.own.get(id, [])]:
                ways[note["step"]][note.get("port") or note["outcome"]] += 1
    return [
        {"id": step.id, "type": step.type.id, "passed": sum(ways[step.id].values()), "ways": dict(ways[step.id])}
        for step in definition.steps
    ]


def _missing(definition: Definition, known: Mapping[int, Mapping[str, Any]]) -> dict[str, int]:
    """How many lack each property that the templates read."""
    people = [person for id, person in known.items() if id != NOBODY]
    return {name: sum(person["properties"].get(name) is None for person in people) for name in definition.needs}


def _run(entry: Entry, id: int, person: Mapping[str, Any], beyond: str | None) -> dict[str, Any]:
    return {
        "person_id": None if id == NOBODY else id,
        "distinct_id": person.get("distinct_id"),
        "status": entry.status,
        "reason": entry.reason,
        "not_reached_because": beyond,
        "steps": [*entry.trace, *entry.own.get(id, [])],
        "variables": dict(entry.variables.of(id)),
    }


def _by_person(run: Mapping[str, Any]) -> int:
    return run["person_id"] or NOBODY

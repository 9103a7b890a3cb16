"""The content of a workflow. A Definition that exists is valid."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from aggregates.audience import Audience
from aggregates.errors import Problem
from aggregates.policy import Policy
from aggregates.reach import PerPerson, Reach
from aggregates.shape import at, echo, json_problems, unknown_fields
from aggregates.steps.base import NEXT
from aggregates.templates import Template
from aggregates.values import kind_of
from aggregates.workflow.graph import graph_problems
from aggregates.workflow.sending import Sends, problems_of, recipients, sends_of
from aggregates.workflow.steps import Edge, Step, parse_edges, parse_steps
from aggregates.workflow.triggers import BatchTrigger, ManualTrigger, Trigger, parse_trigger
from aggregates.workflow.variables import Variable, merge, parse_variables

FIELDS = ("trigger", "steps", "edges", "variables", "purpose", "topic")

PURPOSES = ("marketing", "transactional")
TOPIC = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")

# Wrong in an unfinished draft too: what cannot be stored.
NEVER = frozenset({"content.not_json", "content.too_deep", "content.too_large"})


@dataclass(frozen=True)
class Definition:
    """Trigger, steps, edges and variables that are right each and together. The first step is the entry."""

    trigger: Trigger
    steps: tuple[Step, ...]
    edges: tuple[Edge, ...] = ()
    variables: tuple[Variable, ...] = ()
    purpose: str = "marketing"
    topic: str = ""

    @classmethod
    def parse(cls, content: Any, strict: bool = True) -> tuple[Definition | None, list[Problem]]:
        """The definition of stored or sent content of any shape, and everything wrong with it at once.

        None if there is an error; warnings alone leave a definition. With `strict=False`, for a draft that
        may be unfinished, what can still be corrected later is only a warning, though the definition is
        None: whoever saves refuses on any problem whose severity is `error`, in both cases.
        """
        definition, problems = _parse(content)
        if not strict:
            problems = [p if p.code in NEVER else replace(p, severity="warning") for p in problems]
        return definition, problems

    @classmethod
    def normalise(cls, content: Any) -> Any:
        """Canonical content if it is valid, otherwise the content itself."""
        definition, _ = _parse(content)
        return content if definition is None else definition.as_data()

    def as_data(self) -> dict[str, Any]:
        """Canonical content: what is left out by an author is written out. Parsing it gives an equal definition."""
        # Content that says nothing of them is what it was before there were any.
        about = {"purpose": self.purpose} if self.transactional else {}
        about |= {"topic": self.topic} if self.topic else {}
        return {
            "trigger": self.trigger.as_data(),
            "steps": [step.as_data() for step in self.steps],
            "edges": [edge.as_data() for edge in self.edges],
            "variables": [variable.as_data() for variable in self.variables],
            **about,
        }

    # -- the graph

    @property
    def entry(self) -> str:
        """The id of the step where everybody starts."""
        return self.steps[0].id

    def step(self, id: str) -> Step:
        """The step; KeyError for an id that is not of this definition."""
        return self._by_id[id]

    def target(self, step_id: str, port: str = NEXT) -> str | None:
        """The id of the step that a port leads to; None ends the run as delivered."""
        return self._targets.get((step_id, port))

    # -- what it means

    @property
    def audience(self) -> Audience | None:
        """Whom it is for; None for a manual workflow."""
        return self.trigger.audience if isinstance(self.trigger, BatchTrigger) else None

    def audiences(self) -> Iterator[tuple[str, Audience]]:
        """Every audience in the content, with the pointer of its conditions: the trigger's and the branches'."""
        if self.audience is not None:
            yield "/trigger/filters/properties", self.audience
        for index, step in enumerate(self.steps):
            for below, audience in step.type.audiences(step.config):
                yield at("/steps", index, "config") + below, audience

    @property
    def sends_email(self) -> bool:
        return any(step.type.sends_email for step in self.steps)

    @property
    def transactional(self) -> bool:
        """Whether it ignores that people left its topic."""
        return self.purpose == "transactional"

    @property
    def external(self) -> bool:
        """Whether any step has an effect outside."""
        return any(step.type.external for step in self.steps)

    @cached_property
    def tells_address(self) -> bool:
        """Whether a template of a workflow with effects outside reads the person's address, or the person as a whole.

        What a step sets may be sent by a later one, so every step's templates count.
        """
        read = (path for _, template, _ in _templates(self.steps)[0] for path in template.references)
        return self.external and any(path[:1] == ("person",) and path[1:2] in {(), ("email",)} for path in read)

    def reach(self, cap: PerPerson | None = None) -> Reach:
        """Whom it may reach, whatever its conditions say; a `cap` is the policy's."""
        return Reach(self.sends_email, self.topic, self.transactional, cap, self.tells_address)

    def input_addresses(self, inputs: Mapping[str, Any]) -> list[str]:
        """Whom a manual run with these inputs is about: the inputs that are declared to be addresses, and given."""
        return self.trigger.addresses(inputs) if isinstance(self.trigger, ManualTrigger) else []

    @cached_property
    def sends(self) -> Sends:
        """The most messages that one person can get, by step type and in all."""
        return sends_of(self.steps, self.edges)

    @cached_property
    def notifies(self) -> tuple[str, ...]:
        """The addresses that email steps name themselves, normalised, each once; only the policy can allow them."""
        found = (recipient for _, _, recipient in recipients(self.steps, self.trigger))
        return tuple(sorted({recipient.value for recipient in found if recipient.kind == "literal"}))

    def sending_problems(self, policy: Policy) -> list[Problem]:
        """Emails that go where the policy lets none go, and more messages than it allows one person.

        Content that is pinned by a job at work may have them: it was saved before the rule, or under another policy.
        """
        return list(problems_of(self.trigger, self.steps, self.edges, policy))

    @cached_property
    def needs(self) -> tuple[str, ...]:
        """The person properties that templates read and whose absence no `default` provides for."""
        return tuple(sorted({name for _, template, _ in _templates(self.steps)[0] for name in template.needs}))

    def merge_variables(self, *layers: Any) -> tuple[dict[str, Any], list[Problem]]:
        """Defaults overlaid by each layer in turn (schedule, job), and every problem with the layers."""
        return merge(self.variables, layers, "/variables")

    def merge_inputs(self, given: Any) -> tuple[dict[str, Any], list[Problem]]:
        """The inputs of a manual run: declared ones, of their types, with the required ones present."""
        inputs = self.trigger.inputs if isinstance(self.trigger, ManualTrigger) else ()
        merged, problems = merge(inputs, [given], "/inputs")
        missing = [entry for entry in inputs if entry.required and merged.get(entry.key) is None]
        problems += [
            Problem(at("/inputs", entry.key), "input.missing", "This input is required.", None, entry.type)
            for entry in missing
            if not any(problem.pointer == at("/inputs", entry.key) for problem in problems)
        ]
        return merged, problems

    @cached_property
    def _by_id(self) -> Mapping[str, Step]:
        return {step.id: step for step in self.steps}

    @cached_property
    def _targets(self) -> Mapping[tuple[str, str], str]:
        return {(edge.source, edge.port): edge.target for edge in self.edges}


def _parse(content: Any) -> tuple[Definition | None, list[Problem]]:
    if not isinstance(content, dict):
        return None, [
            Problem("", "content.not_an_object", "Content is an object.", kind_of(content), "object", list(FIELDS))
        ]
    # Everything below may then rely on plain JSON of a fair size.
    problems = json_problems(content)
    if problems:
        return None, problems
    problems = list(unknown_fields(content, FIELDS, ""))
    trigger, trigger_problems = parse_trigger(content.get("trigger"), "/trigger")
    steps, step_problems = parse_steps(content.get("steps"), "/steps")
    edges, edge_problems = parse_edges(content.get("edges"), "/edges")
    variables, variable_problems = parse_variables(content.get("variables"), "/variables")
    problems += [*trigger_problems, *step_problems, *edge_problems, *variable_problems]
    if steps:
        problems += graph_problems(steps, edges, [_sent_id(entry) for entry in content["steps"]])
    problems += _template_problems(trigger, steps, None if variable_problems else variables)
    problems += [] if variable_problems else _variable_problems(steps, variables)
    purpose, topic = content.get("purpose", PURPOSES[0]), content.get("topic", "")
    problems += _about_problems(purpose, topic)
    if trigger is None or any(problem.severity == "error" for problem in problems):
        return None, problems
    whole = (tuple(s for s in steps if s), tuple(e for e in edges if e))
    return Definition(trigger, *whole, variables, purpose, topic), problems


def _about_problems(purpose: Any, topic: Any) -> Iterator[Problem]:
    if purpose not in PURPOSES:
        yield Problem("/purpose", "field.invalid", "What it is sent for.", echo(purpose), list(PURPOSES), PURPOSES[0])
    if topic != "" and not (isinstance(topic, str) and TOPIC.fullmatch(topic)):
        message = "A topic has 1 to 64 small letters, digits and hyphens."
        yield Problem("/topic", "field.invalid", message, echo(topic), "string", "product-news")


def _sent_id(entry: Any) -> str | None:
    id = entry.get("id") if isinstance(entry, dict) else None
    return id if isinstance(id, str) else None


def _templates(steps: Sequence[Step | None]) -> tuple[list[tuple[str, Template, Step]], list[Problem]]:
    """Every template of every step with its pointer and its step, and what is wrong with the others."""
    templates, problems = [], []
    for index, step in enumerate(steps):
        for source in step.type.templates(step.config) if step else ():
            pointer = at("/steps", index, "config") + source.pointer
            template, findings = Template.parse(source.text, pointer, source.place)
            problems += findings
            if template and step:
                templates.append((pointer, template, step))
    return templates, problems


def _template_problems(
    trigger: Trigger | None, steps: Sequence[Step | None], variables: Sequence[Variable] | None
) -> Iterator[Problem]:
    """What templates name against what there will be; None for a part that could not be read."""
    templates, problems = _templates(steps)
    yield from problems
    declared: dict[str, set[str]] = {}
    if variables is not None:
        declared["variables"] = {variable.key for variable in variables}
    if trigger is not None:
        declared["inputs"] = {entry.key for entry in trigger.inputs} if isinstance(trigger, ManualTrigger) else set()
    manual = isinstance(trigger, ManualTrigger)
    for pointer, template, step in templates:
        if template.secrets and not step.type.takes_secrets:
            message = "Only a webhook may use secrets: none may come to a person or into the ledger."
            yield Problem(pointer, "template.secrets_refused", message, step.type.id, "webhook")
        for root, *below in sorted(template.references):
            if root in declared and below and below[0] not in declared[root]:
                got, expected = f"{root}.{echo(below[0])}", sorted(declared[root])
                yield Problem(
                    pointer, "template.name_undeclared", "The workflow declares no such value.", got, expected
                )
            elif root == "person" and manual:
                message = "A manual run has no person; use its inputs."
                yield Problem(pointer, "template.no_person", message, "person", "inputs", "{{ inputs.order }}")
    for index, each in enumerate(steps):
        if manual and each and each.type.needs_person:
            message = "A manual run has no person, so this step has nothing to decide by."
            yield Problem(at("/steps", index, "type"), "step.needs_person", message, each.type.id, "a batch trigger")


def _variable_problems(steps: Sequence[Step | None], variables: Sequence[Variable]) -> Iterator[Problem]:
    """What steps do to variables against those that are declared."""
    declared = {variable.key: variable.type for variable in variables}
    for index, step in enumerate(steps):
        for problem in step.type.check_variables(step.config, declared) if step else ():
            yield replace(problem, pointer=at("/steps", index, "config") + problem.pointer)

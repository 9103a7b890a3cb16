"""What a workflow sends: to whom its emails go, and how many messages one person can get.

An email goes to the person, to an input of type `address`, or to a colleague whom the policy lists; the policy is
compared by commands and again by the sender.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from aggregates.address import normalised
from aggregates.errors import DomainError, Problem
from aggregates.policy import Policy
from aggregates.shape import at, echo, json_problems
from aggregates.steps.base import ANY_INSTANT, Deliver
from aggregates.templates import Document, Template
from aggregates.values import ADDRESS
from aggregates.workflow.graph import links_of, reachable
from aggregates.workflow.steps import Edge, Step, parse_edges, parse_steps
from aggregates.workflow.triggers import ManualTrigger, Trigger, parse_trigger

ELSEWHERE = "email.to_elsewhere"

THE_PERSON = re.compile(r"\{\{\s*person\.email\s*\}\}")
AN_INPUT = re.compile(r"\{\{\s*inputs\.([A-Za-z_][A-Za-z0-9_]{0,99})\s*\}\}")


@dataclass(frozen=True)
class Recipient:
    """Where an email goes: the person, the input or the address that `value` names, or anywhere else."""

    kind: Literal["person", "input", "literal", "elsewhere"]
    value: str = ""


@dataclass(frozen=True)
class Sends:
    """The most messages that one person can get: by step type and in all; `per_person` None is without an end.

    `beyond` says that a receiver gets them which may tell anybody.
    """

    by_type: Mapping[str, int]
    per_person: int | None
    beyond: bool


def recipient_of(request: Document, trigger: Trigger | None) -> Recipient:
    """Where an email of this request goes; without a trigger that could be read, any input may be declared."""
    to = request.tree.get("to") if isinstance(request.tree, dict) else None
    text = to.source if isinstance(to, Template) else str(to)
    manual = isinstance(trigger, ManualTrigger)
    if THE_PERSON.fullmatch(text) and not manual:
        return Recipient("person")
    named = AN_INPUT.fullmatch(text)
    if named and (trigger is None or (manual and named[1] in _addresses(trigger))):
        return Recipient("input", named[1])
    address = None if "{{" in text or "{%" in text else normalised(text)
    return Recipient("elsewhere") if address is None else Recipient("literal", address)


def recipients(steps: Sequence[Step | None], trigger: Trigger | None) -> Iterator[tuple[int, Step, Recipient]]:
    """Every step that sends email, by its place, with where its emails go."""
    for index, step in enumerate(steps):
        request = _email(step) if step else None
        if step and request is not None:
            yield index, step, recipient_of(request, trigger)


def sends_of(steps: Iterable[Step], edges: Iterable[Edge]) -> Sends:
    """What can be sent on the way that sends most. The first step is the entry."""
    known = {step.id: step for step in steps}
    links = links_of(known, edges)
    entry = next(iter(known), None)
    met = {entry, *reachable(links, entry)} if entry else set()
    external = {id: reachable(links, id) for id, step in known.items() if step.type.external and id in met}
    types = sorted({known[id].type.id for id in external})
    by_type = {
        type: _longest({id: ways for id, ways in external.items() if known[id].type.id == type}) for type in types
    }
    beyond = any(not known[id].type.sends_email for id in external)
    return Sends({type: count for type, count in by_type.items() if count is not None}, _longest(external), beyond)


def sending_problems(content: Any, policy: Policy) -> list[Problem]:
    """What of a workflow's content may not be sent under a policy, as far as the content can be read."""
    if not isinstance(content, dict) or json_problems(content):
        return []
    trigger, _ = parse_trigger(content.get("trigger"), "/trigger")
    steps, _ = parse_steps(content.get("steps"), "/steps")
    edges, _ = parse_edges(content.get("edges"), "/edges")
    return list(problems_of(trigger, steps, edges, policy))


def problems_of(
    trigger: Trigger | None, steps: Sequence[Step | None], edges: Sequence[Edge | None], policy: Policy
) -> Iterator[Problem]:
    """Emails that go where this policy lets none go, and more messages than it allows one person."""
    for index, step, recipient in recipients(steps, trigger):
        listed = recipient.kind == "literal" and recipient.value in policy.notify_addresses
        if recipient.kind in {"person", "input"} or listed:
            continue
        place = at("/steps", index, "config") + ("/to" if "to" in type(step.config).model_fields else "")
        yield _elsewhere(place, recipient, trigger)
    sends = sends_of([step for step in steps if step], [edge for edge in edges if edge])
    if sends.per_person is None or sends.per_person > policy.max_sends:
        message = "One person could get more messages than policy allows."
        got = "without an end" if sends.per_person is None else sends.per_person
        yield Problem("/steps", "workflow.too_many_sends", message, got, f"at most {policy.max_sends} on any path")


def _elsewhere(pointer: str, recipient: Recipient, trigger: Trigger | None) -> Problem:
    expected, example = "the person's own address", "{{ person.email }}"
    if isinstance(trigger, ManualTrigger):
        declared = sorted(_addresses(trigger))
        expected, example = f"an input of type {ADDRESS}", f"{{{{ inputs.{declared[0] if declared else 'to'} }}}}"
    message = "An email goes to the address that a human confirms, and nowhere else."
    got = "an address that notify_addresses does not list" if recipient.kind == "literal" else "something else"
    return Problem(pointer, ELSEWHERE, message, got, expected, echo(example))


def _email(step: Step) -> Document | None:
    """What an email step sends, as far as its config says so; its templates may be wrong still."""
    if not step.type.external:
        return None
    try:
        plan = step.plan(ANY_INSTANT)
    except DomainError:
        return None
    return plan.request if isinstance(plan, Deliver) and plan.channel == "email" else None


def _addresses(trigger: Trigger | None) -> Collection[str]:
    """The inputs to which emails may go."""
    inputs = trigger.inputs if isinstance(trigger, ManualTrigger) else ()
    return {entry.key for entry in inputs if entry.type == ADDRESS}


def _longest(ways: Mapping[str, Collection[str]]) -> int | None:
    """The most of these steps that lie on one path; None if one of them leads back to itself."""
    if any(id in onward for id, onward in ways.items()):
        return None
    # Whatever a step leads to has fewer steps below it than the step itself.
    longest: dict[str, int] = {}
    for id in sorted(ways, key=lambda name: len(ways.keys() & ways[name])):
        longest[id] = 1 + max((longest[onward] for onward in ways.keys() & ways[id]), default=0)
    return max(longest.values(), default=0)

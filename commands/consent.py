"""Who may not be written to: opt-outs and opt-ins by person or address, and suppressed addresses.

A caller without `person:read` learns nothing of what was so before: what they say is recorded, said before or not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aggregates.address import normalised
from aggregates.errors import Problem, invalid
from aggregates.people.aggregate import PeopleChange, may_widen
from aggregates.people.events import SUPPRESSION_REASONS
from aggregates.workflow.definition import TOPIC
from commands.context import Accepted, Context

CODE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
"""A reason or a source: a word of the caller's own system, never a text about somebody."""


@dataclass(frozen=True)
class OptOut:
    """Let a person leave a topic, or all mail ("" as the topic). It holds for the person and for their address.

    Named by exactly one of `person_id`, `distinct_id` and `address`; `reason` and `source` are short codes.
    """

    person_id: int | None = None
    distinct_id: str | None = None
    address: str | None = None
    topic: str = ""
    reason: str = ""
    source: str = ""


@dataclass(frozen=True)
class OptIn:
    """Take back an opt-out of the same topic, for the person and for their address. Not for agents."""

    person_id: int | None = None
    distinct_id: str | None = None
    address: str | None = None
    topic: str = ""
    reason: str = ""
    source: str = ""


@dataclass(frozen=True)
class Suppress:
    """Let nothing be sent to an address: `hard_bounce`, `complaint`, `erased` or `by_hand`."""

    address: str
    reason: str = "by_hand"
    source: str = ""


@dataclass(frozen=True)
class Unsuppress:
    """Let an address be sent to again. Not for agents."""

    address: str
    source: str = ""


def opt_out(command: OptOut, ctx: Context) -> Accepted:
    whom = _whom(command, ctx)
    told = {"topic": command.topic, "reason": command.reason, "source": command.source}
    project = ctx.meta.principal.project_id
    made = ctx.people.opt_out(project, **whom, **told, now=ctx.meta.now)
    return _answer(ctx, PeopleChange.opted_out, made, told, whom)


def opt_in(command: OptIn, ctx: Context) -> Accepted:
    may_widen(ctx.meta)
    whom = _whom(command, ctx)
    told = {"topic": command.topic, "reason": command.reason, "source": command.source}
    made = ctx.people.opt_in(ctx.meta.principal.project_id, **whom, topic=command.topic, now=ctx.meta.now)
    return _answer(ctx, PeopleChange.opted_in, made, told, whom)


def suppress(command: Suppress, ctx: Context) -> Accepted:
    problems = _code_problems(source=command.source)
    if command.reason not in SUPPRESSION_REASONS:
        expected = list(SUPPRESSION_REASONS)
        problems.append(Problem("/reason", "field.invalid", "Why nothing may be sent.", None, expected, "by_hand"))
    address = _address(command.address, problems)
    made = ctx.people.suppress(ctx.meta.principal.project_id, address, command.reason, ctx.meta.now)
    told = {"reason": command.reason, "source": command.source}
    return _answer(ctx, PeopleChange.suppress, made, told, {"address": address})


def unsuppress(command: Unsuppress, ctx: Context) -> Accepted:
    may_widen(ctx.meta)
    address = _address(command.address, _code_problems(source=command.source))
    made = ctx.people.unsuppress(ctx.meta.principal.project_id, address)
    told = {"reason": "", "source": command.source}
    return _answer(ctx, PeopleChange.unsuppress, made, told, {"address": address})


def _answer(ctx: Context, record: Any, made: bool, told: Mapping[str, str], whom: Mapping[str, Any]) -> Accepted:
    """The change as an event; none where nothing changed, for a caller who may know that."""
    if not made and "person:read" in ctx.meta.principal.scopes:
        return Accepted("", dict(told))
    digest = ctx.people.digest(whom["address"]) if whom["address"] is not None else None
    change = record(ctx.ids.new(), meta=ctx.meta, **told, **{**whom, "address": digest})
    return Accepted(str(change.id), dict(told), ctx.store.save(change))


def _whom(command: OptOut | OptIn, ctx: Context) -> dict[str, Any]:
    """Who is meant: a person with the address that they have, or an address, whoever has it."""
    problems = _code_problems(reason=command.reason, source=command.source)
    if command.topic and not TOPIC.fullmatch(command.topic):
        message = "A topic has 1 to 64 small letters, digits and hyphens."
        problems.append(Problem("/topic", "field.invalid", message, None, "string", "product-news"))
    named = [name for name in ("person_id", "distinct_id", "address") if getattr(command, name) is not None]
    if len(named) != 1:
        message = "Name a person by exactly one of person_id, distinct_id and address."
        problems.append(Problem("", "field.invalid", message, named, "one of them"))
    if command.address is not None:
        return {"person_id": None, "address": _address(command.address, problems)}
    if problems:
        raise invalid("request.invalid", problems)
    project = ctx.meta.principal.project_id
    person_id, address = ctx.people.addressed(project, command.person_id, command.distinct_id)
    return {"person_id": person_id, "address": address}


def _address(text: str, problems: list[Problem]) -> str:
    address = normalised(text)
    if address is None:
        problem = Problem("/address", "email.invalid", "It is not one plain email address.", None, "ann@example.com")
        problems = [*problems, problem]
    if problems or address is None:
        raise invalid("request.invalid", problems)
    return address


def _code_problems(**codes: str) -> list[Problem]:
    message = "A short code of small letters, digits, dots, hyphens and underscores."
    return [
        Problem(f"/{name}", "field.invalid", message, None, "string", "unsubscribe-page")
        for name, code in codes.items()
        if code and not CODE.fullmatch(code)
    ]

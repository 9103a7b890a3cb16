"""Steps and edges, each on its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from aggregates.errors import Problem
from aggregates.shape import at, echo, unknown_fields
from aggregates.steps import catalogue, close_to
from aggregates.steps.base import NEXT, Config, Plan, StepType
from aggregates.steps.config import parse_config
from aggregates.values import NAME_LIMIT, kind_of

STEP_LIMIT = 200
EDGE_LIMIT = 2_000

ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
# Control characters and those that turn the direction of text could make a name read as something else.
HIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")

EXAMPLE_STEP = {"id": "welcome", "name": "Welcome", "type": "capture", "config": {"message": "Hello"}}
EXAMPLE_EDGE = {"from": "welcome", "to": "wait"}


@dataclass(frozen=True)
class Step:
    """One step with its config as a type. `content` is its config as the author wrote it."""

    id: str
    name: str
    type: StepType[Any]
    config: Config
    content: Mapping[str, Any] = field(hash=False)
    on_error: Literal["fail", "continue"] = "fail"

    @property
    def ports(self) -> tuple[str, ...]:
        return self.type.ports(self.config)

    def plan(self, now: datetime) -> Plan:
        """What happens to the people who stand here at this instant."""
        return self.type.plan(self.config, now)

    def as_data(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "type": self.type.id,
            "config": dict(self.content),
            "on_error": self.on_error,
        }


@dataclass(frozen=True)
class Edge:
    """The way from one port of a step to the next step."""

    source: str
    target: str
    port: str = NEXT

    def as_data(self) -> dict[str, Any]:
        return {"from": self.source, "to": self.target} | ({} if self.port == NEXT else {"branch": self.port})


def parse_steps(raw: Any, pointer: str) -> tuple[list[Step | None], list[Problem]]:
    """One entry for each step that was sent, None for one that could not be read, and every problem."""
    if raw is None or raw == []:
        return [], [
            Problem(pointer, "steps.missing", "A workflow needs a step.", None, "1 to 200 steps", [EXAMPLE_STEP])
        ]
    if not isinstance(raw, list):
        return [], [Problem(pointer, "steps.invalid", "Steps are a list.", kind_of(raw), "array", [EXAMPLE_STEP])]
    if len(raw) > STEP_LIMIT:
        return [], [Problem(pointer, "steps.too_many", "Too many steps.", len(raw), f"at most {STEP_LIMIT}")]
    problems: list[Problem] = []
    steps = []
    first: dict[str, int] = {}
    for index, entry in enumerate(raw):
        step, findings = _step(entry, at(pointer, index))
        problems += findings
        steps.append(step)
        id = entry.get("id") if isinstance(entry, dict) else None
        if isinstance(id, str) and first.setdefault(id, index) != index:
            message = f"Step {first[id]} has this id already."
            problems.append(Problem(at(pointer, index, "id"), "step.id_duplicate", message, echo(id), "another id"))
    return steps, problems


def parse_edges(raw: Any, pointer: str) -> tuple[list[Edge | None], list[Problem]]:
    """One entry for each edge that was sent, None for one that could not be read, and every problem."""
    if raw is None:
        return [], []
    if not isinstance(raw, list):
        return [], [Problem(pointer, "edges.invalid", "Edges are a list.", kind_of(raw), "array", [EXAMPLE_EDGE])]
    if len(raw) > EDGE_LIMIT:
        return [], [Problem(pointer, "edges.too_many", "Too many edges.", len(raw), f"at most {EDGE_LIMIT}")]
    problems: list[Problem] = []
    edges = []
    for index, entry in enumerate(raw):
        edge, findings = _edge(entry, at(pointer, index))
        problems += findings
        edges.append(edge)
    return edges, problems


def _step(raw: Any, pointer: str) -> tuple[Step | None, list[Problem]]:
    if not isinstance(raw, dict):
        return None, [Problem(pointer, "step.invalid", "A step is an object.", kind_of(raw), "object", EXAMPLE_STEP)]
    problems = list(unknown_fields(raw, ("id", "name", "type", "config", "on_error"), pointer))
    id, name, on_error = raw.get("id"), raw.get("name"), raw.get("on_error", "fail")
    if not isinstance(id, str) or not ID.fullmatch(id):
        message = "An id is 1 to 100 letters, digits, `_` and `-`."
        problems.append(Problem(at(pointer, "id"), "step.id_invalid", message, _got(id), "id", "welcome"))
    name = id if name is None else name
    if not isinstance(name, str) or not name.strip() or len(name) > NAME_LIMIT or HIDDEN.search(name):
        message = f"A name is a text of 1 to {NAME_LIMIT} printable characters."
        problems.append(Problem(at(pointer, "name"), "step.name_invalid", message, kind_of(name), "string", "Welcome"))
    if on_error not in ("fail", "continue"):
        message = "After an error a run fails or continues."
        problems.append(
            Problem(
                at(pointer, "on_error"), "step.on_error_invalid", message, echo(on_error), ["fail", "continue"], "fail"
            )
        )
    step_type, config, findings = _configured(raw, pointer)
    problems += findings
    if problems or step_type is None or config is None:
        return None, problems
    return Step(str(id), str(name), step_type, config, raw.get("config") or {}, on_error), []


def _configured(raw: Mapping[str, Any], pointer: str) -> tuple[StepType[Any] | None, Config | None, list[Problem]]:
    type_id = raw.get("type")
    step_type = catalogue().get(type_id) if isinstance(type_id, str) else None
    if step_type is None:
        return None, None, [_unknown_type(type_id, at(pointer, "type"))]
    given = raw.get("config")
    config, problems = parse_config(step_type, {} if given is None else given, at(pointer, "config"))
    return step_type, config, problems


def _unknown_type(type_id: Any, pointer: str) -> Problem:
    """The likeliest type that was meant is the example."""
    meant = next(iter(close_to(type_id, 1)), None) if isinstance(type_id, str) else None
    message = f"There is no such step type.{f' Use {meant}.' if meant else ''}"
    return Problem(pointer, "step.type_unknown", message, _got(type_id), list(catalogue()), meant)


def _edge(raw: Any, pointer: str) -> tuple[Edge | None, list[Problem]]:
    if not isinstance(raw, dict):
        return None, [Problem(pointer, "edge.invalid", "An edge is an object.", kind_of(raw), "object", EXAMPLE_EDGE)]
    problems = list(unknown_fields(raw, ("from", "to", "branch"), pointer))
    for name in ("from", "to"):
        if not isinstance(raw.get(name), str):
            message = "An edge names two steps by their ids."
            problems.append(
                Problem(at(pointer, name), "edge.invalid", message, _got(raw.get(name)), "id", EXAMPLE_EDGE)
            )
    port = NEXT if raw.get("branch") is None else raw["branch"]
    if not isinstance(port, str):
        message = "A branch is the name of a way out."
        problems.append(Problem(at(pointer, "branch"), "edge.invalid", message, kind_of(port), "string", "else"))
    return (None if problems else Edge(raw["from"], raw["to"], port)), problems


def _got(value: Any) -> str | None:
    return None if value is None else echo(value)

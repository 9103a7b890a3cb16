"""Whom or what a workflow starts for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aggregates.audience import Audience
from aggregates.errors import Problem
from aggregates.filters import EXAMPLE_FILTERS, parse_filters
from aggregates.nearest import nearest
from aggregates.shape import at, echo, unknown_fields
from aggregates.values import ADDRESS, INPUT_TYPES, kind_of
from aggregates.workflow.variables import Variable, declared

EXAMPLE_BATCH = {"type": "batch", "filters": EXAMPLE_FILTERS}
EXAMPLE_INPUT = {"order": {"type": "string", "required": True}}
EXAMPLE_MANUAL = {"type": "manual", "inputs": EXAMPLE_INPUT}
INPUTS_LIMIT = 100


@dataclass(frozen=True)
class BatchTrigger:
    """Everybody in an audience, each with their own run."""

    audience: Audience

    def as_data(self) -> dict[str, Any]:
        return {"type": "batch", "filters": {"properties": self.audience.as_data()}}


@dataclass(frozen=True)
class ManualTrigger:
    """One run without a person, started with inputs."""

    inputs: tuple[Variable, ...] = ()

    def as_data(self) -> dict[str, Any]:
        return {"type": "manual", "inputs": {entry.key: _input_data(entry) for entry in self.inputs}}

    def addresses(self, given: Mapping[str, Any]) -> list[str]:
        """The inputs that are declared to be addresses, and given."""
        return [given[entry.key] for entry in self.inputs if entry.type == ADDRESS and given.get(entry.key)]


Trigger = BatchTrigger | ManualTrigger


def parse_trigger(raw: Any, pointer: str) -> tuple[Trigger | None, list[Problem]]:
    """The trigger, or None and every problem in it."""
    if raw is None:
        message = "A workflow needs a trigger."
        return None, [Problem(pointer, "trigger.missing", message, None, ["batch", "manual"], EXAMPLE_BATCH)]
    if not isinstance(raw, dict):
        return None, [
            Problem(pointer, "trigger.invalid", "A trigger is an object.", kind_of(raw), "object", EXAMPLE_BATCH)
        ]
    match raw.get("type"):
        case "batch":
            return _batch(raw, pointer)
        case "manual":
            return _manual(raw, pointer)
        case "schedule":
            message = "There is no schedule trigger: attach a schedule to a batch workflow."
            return None, [
                Problem(
                    at(pointer, "type"), "trigger.schedule_not_offered", message, "schedule", "batch", EXAMPLE_BATCH
                )
            ]
        case other:
            message = "There is no such trigger."
            got = None if other is None else echo(other)
            manual = isinstance(other, str) and nearest(other, ("batch", "manual")) == ["manual"]
            example = EXAMPLE_MANUAL if manual else EXAMPLE_BATCH
            return None, [
                Problem(at(pointer, "type"), "trigger.type_unknown", message, got, ["batch", "manual"], example)
            ]


def _batch(raw: Mapping[str, Any], pointer: str) -> tuple[Trigger | None, list[Problem]]:
    problems = list(unknown_fields(raw, ("type", "filters"), pointer))
    audience, findings = parse_filters(raw.get("filters"), at(pointer, "filters"))
    problems += findings
    return (None if problems or audience is None else BatchTrigger(audience)), problems


def _manual(raw: Mapping[str, Any], pointer: str) -> tuple[Trigger | None, list[Problem]]:
    problems = list(unknown_fields(raw, ("type", "inputs"), pointer))
    place = at(pointer, "inputs")
    entries = {} if raw.get("inputs") is None else raw["inputs"]
    if not isinstance(entries, dict) or len(entries) > INPUTS_LIMIT:
        message = f"Inputs are an object with at most {INPUTS_LIMIT} members."
        return None, [*problems, Problem(place, "input.invalid", message, kind_of(entries), "object", EXAMPLE_INPUT)]
    inputs = []
    for name, entry in entries.items():
        where = at(place, name)
        if not isinstance(entry, dict):
            problems.append(
                Problem(where, "input.invalid", "An input is an object.", kind_of(entry), "object", EXAMPLE_INPUT)
            )
            continue
        problems += unknown_fields(entry, ("type", "required", "default"), where)
        declaration, findings = declared(name, entry, where, where, INPUT_TYPES)
        problems += findings
        if declaration:
            inputs.append(declaration)
    addressed = [entry.key for entry in inputs if entry.type == ADDRESS]
    if len(addressed) > 1:
        message = "A run is one person: at most one input is an address. Run it once for each."
        problems.append(Problem(place, "input.second_address", message, addressed[:20], "one input of type address"))
    return (None if problems else ManualTrigger(tuple(inputs))), problems


def _input_data(entry: Variable) -> dict[str, Any]:
    return {"type": entry.type, "required": entry.required, "default": entry.default}

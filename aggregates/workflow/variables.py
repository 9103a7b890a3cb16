"""Declared values: a workflow's variables, and the inputs of a manual run."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aggregates.errors import Problem
from aggregates.nearest import nearest
from aggregates.shape import at, echo, json_problems, unknown_fields
from aggregates.values import ADDRESS, VARIABLE_TYPES, VARIABLES_LIMIT, fits, kind_of

KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
EXAMPLE = {"key": "discount", "type": "number", "default": 10}


@dataclass(frozen=True)
class Variable:
    """A declared value. A null default means that there is none; `required` is for inputs only."""

    key: str
    type: str
    default: Any = None
    required: bool = False

    def as_data(self) -> dict[str, Any]:
        return {"key": self.key, "type": self.type, "default": self.default}


def parse_variables(raw: Any, pointer: str) -> tuple[tuple[Variable, ...], list[Problem]]:
    """The variables that could be read, and every problem."""
    if raw is None:
        return (), []
    if not isinstance(raw, list):
        return (), [Problem(pointer, "variable.invalid", "Variables are a list.", kind_of(raw), "array", [EXAMPLE])]
    problems = json_problems(raw, pointer, VARIABLES_LIMIT)
    if problems:
        return (), [_too_large(pointer) if p.code == "content.too_large" else p for p in problems]
    variables: dict[str, Variable] = {}
    for index, entry in enumerate(raw):
        place = at(pointer, index)
        if not isinstance(entry, dict):
            problems.append(
                Problem(place, "variable.invalid", "A variable is an object.", kind_of(entry), "object", EXAMPLE)
            )
            continue
        problems += unknown_fields(entry, ("key", "type", "default"), place)
        variable, findings = declared(entry.get("key"), entry, at(place, "key"), place)
        problems += findings
        if variable and variable.key in variables:
            problems.append(Problem(at(place, "key"), "variable.duplicate", "Keys are unique.", echo(variable.key)))
        elif variable:
            variables[variable.key] = variable
    return tuple(variables.values()), problems


def declared(
    key: Any,
    entry: Mapping[str, Any],
    key_pointer: str,
    pointer: str,
    types: Collection[str] = VARIABLE_TYPES,
) -> tuple[Variable | None, list[Problem]]:
    """One declaration: its key, its type, which is one of `types`, and a default that is of that type."""
    problems = []
    type_name, default, required = entry.get("type"), entry.get("default"), entry.get("required", False)
    if not isinstance(key, str) or not KEY.fullmatch(key):
        message = "A key is 1 to 100 letters, digits and underscores, and does not begin with a digit."
        problems.append(Problem(key_pointer, "variable.key_invalid", message, echo(key), "key", "discount"))
    if not isinstance(type_name, str) or type_name not in types:
        message = "There is no such type."
        meant = next(iter(nearest(type_name, types) if isinstance(type_name, str) else ()), "string")
        problems.append(
            Problem(at(pointer, "type"), "variable.type_unknown", message, echo(type_name), sorted(types), meant)
        )
    elif default is not None and not fits(default, type_name):
        message = "The default is not of the declared type."
        problems.append(
            Problem(at(pointer, "default"), "variable.default_invalid", message, kind_of(default), type_name)
        )
    if type_name == ADDRESS and default is not None:
        message = "An address is given with each run; a default would be written to without being confirmed."
        problems.append(Problem(at(pointer, "default"), "email.to_elsewhere", message, kind_of(default), None))
    if not isinstance(required, bool):
        problems.append(
            Problem(at(pointer, "required"), "field.invalid", "True or false.", kind_of(required), "boolean")
        )
    if problems:
        return None, problems
    return Variable(str(key), str(type_name), default, required), []


def merge(variables: Sequence[Variable], layers: Sequence[Any], pointer: str) -> tuple[dict[str, Any], list[Problem]]:
    """Defaults overlaid by each layer in turn. A null given on purpose stays null."""
    known = {variable.key: variable for variable in variables}
    merged = {variable.key: variable.default for variable in variables}
    problems: list[Problem] = []
    for layer in layers:
        if not isinstance(layer, Mapping):
            problems.append(Problem(pointer, "variable.invalid", "Values are an object.", kind_of(layer), "object"))
            continue
        for key, value in layer.items():
            place = at(pointer, key)
            if key not in known:
                message = "The workflow declares no such value."
                problems.append(Problem(place, "variable.unknown", message, echo(key), sorted(known)))
            elif value is not None and not fits(value, known[key].type):
                message = "The value is not of the declared type."
                problems.append(Problem(place, "variable.type_mismatch", message, kind_of(value), known[key].type))
            else:
                merged[key] = value
    problems = problems[:50] or json_problems(merged, pointer, VARIABLES_LIMIT)
    return merged, [_too_large(pointer) if p.code == "content.too_large" else p for p in problems]


def _too_large(pointer: str) -> Problem:
    message = "The variables are too large."
    return Problem(pointer, "variables.too_large", message, None, f"at most {VARIABLES_LIMIT} bytes as JSON")

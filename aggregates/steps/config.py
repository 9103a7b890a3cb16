"""A config against its schema, told as problems that help to correct it and never repeat long input."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from aggregates.errors import Problem
from aggregates.shape import at, echo, unknown_fields
from aggregates.steps.base import Config, StepType
from aggregates.values import kind_of

# Error kind of the schema library -> what was expected, from the facts that it gives.
EXPECTED = {
    "literal_error": "expected",
    "string_too_long": "max_length",
    "string_too_short": "min_length",
    "too_long": "max_length",
    "too_short": "min_length",
    "greater_than_equal": "ge",
    "less_than_equal": "le",
}


def parse_config(step_type: StepType[Any], raw: Any, pointer: str) -> tuple[Config | None, list[Problem]]:
    """The typed config, or None and every problem in it."""
    if not isinstance(raw, dict):
        message = "A config is an object."
        return None, [Problem(pointer, "config.invalid", message, kind_of(raw), "object", step_type.examples[0])]
    try:
        config: Config = step_type.Config.model_validate(raw)
    except ValidationError as error:
        details = error.errors(include_url=False)
        known = {field.alias or name for name, field in step_type.Config.model_fields.items()}
        unknown = {d["loc"][0]: None for d in details if d["type"] == "extra_forbidden" and len(d["loc"]) == 1}
        problems = list(unknown_fields({str(name): None for name in unknown}, known, pointer))
        problems += [_problem(d, pointer) for d in details if len(d["loc"]) != 1 or d["loc"][0] not in unknown]
        return None, problems
    return config, [_below(pointer, problem) for problem in step_type.check(config)]


def _problem(detail: Any, pointer: str) -> Problem:
    kind, facts = detail["type"], detail.get("ctx", {})
    place = at(pointer, *detail["loc"])
    message = f"{detail['msg'].removeprefix('Value error, ').rstrip('.')}."
    match kind:
        case "missing":
            return Problem(place, "field.missing", "This field is missing.", None, "a value")
        case "extra_forbidden":
            return Problem(place, "field.unknown", "There is no such field here.", echo(str(detail["loc"][-1])))
        case _ if "." in kind:  # one of our own, raised by a config's validator
            return Problem(place, kind, message, kind_of(detail["input"]), facts.get("expected"), facts.get("example"))
        case _:
            expected = facts.get(EXPECTED.get(kind, ""), kind.replace("_type", "").replace("_", " "))
            return Problem(place, "config.invalid", message, kind_of(detail["input"]), expected)


def _below(pointer: str, problem: Problem) -> Problem:
    return Problem(
        pointer + problem.pointer,
        problem.code,
        problem.message,
        problem.got,
        problem.expected,
        problem.example,
        problem.severity,
    )

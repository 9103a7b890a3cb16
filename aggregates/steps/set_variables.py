"""Sets variables of the run, which the templates of later steps see."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any

from pydantic import AfterValidator, Field, JsonValue, WithJsonSchema
from pydantic_core import PydanticCustomError

from aggregates.errors import Problem
from aggregates.shape import INTEGER_LIMIT, at, echo, json_problems
from aggregates.steps.base import Assign, Config, Plan, Source, StepType
from aggregates.templates import Document
from aggregates.values import VARIABLE_TYPES, VARIABLES_LIMIT, fits, kind_of

MARKUP = re.compile(r"\{[{%]")
NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,15})(?P<part>\.\d{1,15})?", re.ASCII)


def _checked_scalar(value: JsonValue) -> JsonValue:
    if isinstance(value, (dict, list)):
        raise PydanticCustomError(
            "variable.type_mismatch",
            "A variable is a text, a number, a boolean or null",
            {"expected": sorted(VARIABLE_TYPES), "example": 10},
        )
    return value


Scalar = Annotated[
    JsonValue, AfterValidator(_checked_scalar), WithJsonSchema({"type": ["string", "number", "boolean", "null"]})
]


class VariablesConfig(Config):
    variables: dict[str, Scalar] = Field(
        min_length=1, description="Values by key. A text is a Liquid template; anything else is itself."
    )

    @cached_property
    def values(self) -> Document:
        return Document.of(self.variables)

    @cached_property
    def templated(self) -> frozenset[str]:
        """The keys whose values may be different from person to person."""
        return frozenset(
            key for key, value in self.variables.items() if isinstance(value, str) and MARKUP.search(value)
        )


class SetVariables(StepType[VariablesConfig]):
    id = "set_variables"
    name = "Set variables"
    category = "logic"
    description = (
        "Sets variables of a person's run, all at once; later steps see them as `variables.key`. The workflow declares "
        "them. A template's text becomes a value of the declared type; a person for whom that fails follows `on_error`."
    )
    Config = VariablesConfig
    examples = ({"variables": {"discount": 10, "greeting": "Hello {{ person.properties.first_name }}"}},)

    def templates(self, config: VariablesConfig) -> Iterable[Source]:
        for key, value in config.variables.items():
            if isinstance(value, str):
                yield Source(at("/variables", key), value)

    def check(self, config: VariablesConfig) -> Iterable[Problem]:
        constants = {key: value for key, value in config.variables.items() if key not in config.templated}
        if json_problems(constants, "", VARIABLES_LIMIT):
            expected = f"at most {VARIABLES_LIMIT} bytes as JSON"
            yield Problem("/variables", "variables.too_large", "The variables are too large.", None, expected)

    def check_variables(self, config: VariablesConfig, declared: Mapping[str, str]) -> Iterable[Problem]:
        for key, value in config.variables.items():
            pointer = at("/variables", key)
            if key not in declared:
                message = "The workflow declares no such variable."
                yield Problem(pointer, "variable.unknown", message, echo(key), sorted(declared))
            elif key not in config.templated and value is not None and not fits(value, declared[key]):
                message = "The value is not of the declared type."
                yield Problem(pointer, "variable.type_mismatch", message, kind_of(value), declared[key])

    def plan(self, config: VariablesConfig, now: datetime) -> Plan:
        return Assign(config.values, config.templated)


def value_of(text: str, type_name: str | None) -> Any:
    """A rendered text as a value of a declared type; ValueError when it is none, or when nothing is declared.

    A number is written as in JSON, without an exponent; a boolean is `true` or `false`. Spaces around are ignored.
    """
    trimmed = text.strip()
    match type_name:
        case "string":
            return text
        case "boolean" if trimmed in {"true", "false"}:
            return trimmed == "true"
        case "number" if number := NUMBER.fullmatch(trimmed):
            value = float(trimmed) if number["part"] else int(trimmed)
            if abs(value) <= INTEGER_LIMIT:
                return value
    raise ValueError("the text is not of the declared type")

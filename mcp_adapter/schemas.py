"""JSON Schemas of arguments and answers, and the parser of arguments.

Every tool's schemas are in every agent's context, so they are kept small: no titles, no references, and an optional
field is one that may be missing rather than null. Bounds that nobody meets by accident are left to the refusal, and
of an answer only what is always there is described.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from aggregates.errors import Problem, invalid
from aggregates.shape import at, json_problems, unknown_fields
from aggregates.values import kind_of
from mcp_adapter.json_text import NOUNS, as_meant, text_sentence

Schema = dict[str, Any]


class Arguments(BaseModel):
    """What a tool takes: closed. Nothing is converted, but JSON that is sent as text (see `parse`).

    `REQUIRED` are fields that agents always have to send, although their absence is the guard's to refuse: the schema
    calls them required, the parser does not.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    REQUIRED: ClassVar[tuple[str, ...]] = ()


class Row(BaseModel):
    """A part of an answer. It takes from a stored row what it declares."""

    model_config = ConfigDict(frozen=True)


class Answer(Row):
    """What a tool gives. `summary` is a sentence of ours; text that somebody stored is in the other fields only."""

    summary: str

    def as_data(self) -> dict[str, Any]:
        """Plain JSON; what does not apply is left out."""
        return self.model_dump(mode="json", exclude_none=True)


def _as_text(value: object) -> object:
    """Ids and instants as they are written in JSON."""
    if isinstance(value, datetime):
        return value.isoformat()
    return value if value is None or isinstance(value, str) else str(value)


Text = Annotated[str, BeforeValidator(_as_text)]
"""An id or an instant of a row, as text."""

A = TypeVar("A", bound=Arguments)


def parse(model: type[A], raw: Mapping[str, Any]) -> A:
    """The arguments, or `request.invalid` with everything that is wrong with them; no value is sent back.

    Some clients send a list, an object, a number or a boolean as the text of its JSON. Where one is declared, text that
    is exactly that is taken for it; any other text is refused with the sentence that says so.
    """
    problems = json_problems(dict(raw))
    if problems:
        raise invalid("request.invalid", problems)
    raw = as_meant(raw, _kinds(model))
    problems = json_problems(dict(raw))
    if problems:
        raise invalid("request.invalid", problems)
    names = [field.alias or name for name, field in model.model_fields.items()]
    problems = list(unknown_fields(raw, names, ""))
    try:
        arguments = model.model_validate(raw)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
        problems += [_problem(fault, _kinds(model)) for fault in faults if fault["type"] != "extra_forbidden"]
        raise invalid("request.invalid", problems) from None
    return arguments


def _problem(fault: ErrorDetails, kinds: Mapping[str, str]) -> Problem:
    pointer = at("", *fault["loc"])
    if fault["type"] == "missing":
        return Problem(pointer, "field.missing", "This argument is required.")
    kind = kinds.get(str(fault["loc"][0])) if len(fault["loc"]) == 1 else None
    if kind is not None and isinstance(fault["input"], str):
        return Problem(pointer, "field.invalid", text_sentence(kind), "text", kind)
    return Problem(pointer, "field.invalid", f"{fault['msg']}.", kind_of(fault["input"]))


@cache
def _kinds(model: type[BaseModel]) -> Mapping[str, str]:
    """What each argument is declared as, of those that are no text."""
    fields = schema_of(model)["properties"]
    return {name: field["type"] for name, field in fields.items() if field.get("type") in NOUNS}


UNMET = 10**6
"""A bound on a number that is too far away to be worth saying."""


def schema_of(model: type[BaseModel]) -> Schema:
    """The JSON Schema of arguments, small and without references."""
    whole = model.model_json_schema()
    small = _small(whole, whole.get("$defs", {}))
    more = model.REQUIRED if issubclass(model, Arguments) else ()
    return {**small, "required": [*small.get("required", ()), *more]} if more else small


def answer_schema_of(model: type[BaseModel]) -> Schema:
    """The JSON Schema of an answer: what it always holds. It may hold more, and always does hold a summary."""
    return {**_always(schema_of(model)), "required": ["summary"]}


def _always(node: Schema) -> Schema:
    kept = _without(node, "required")
    if "properties" in node:
        always = node.get("required", ())
        kept["properties"] = {name: _always(field) for name, field in node["properties"].items() if name in always}
    if isinstance(node.get("items"), dict):
        kept["items"] = _always(node["items"])
    return kept


def _small(node: Schema, definitions: Mapping[str, Schema]) -> Schema:
    if "$ref" in node:
        return _small(definitions[node["$ref"].rpartition("/")[2]] | _without(node, "$ref"), definitions)
    if "anyOf" in node:
        # Optional fields are the only unions of ours.
        (given,) = (branch for branch in node["anyOf"] if branch != {"type": "null"})
        return _small(given | _without(node, "anyOf"), definitions)
    small = _without(node, "title", "$defs", "maxLength", "minLength")
    if small.get("maximum", 0) > UNMET:
        del small["maximum"]
    if small.get("default", 0) in (None, "", [], {}):
        del small["default"]
    if small.get("additionalProperties") is True:
        del small["additionalProperties"]
    if "properties" in small:
        small["properties"] = {name: _small(field, definitions) for name, field in small["properties"].items()}
    for inner in ("items", "additionalProperties"):
        if isinstance(small.get(inner), dict):
            small[inner] = _small(small[inner], definitions)
    return small


def _without(node: Schema, *names: str) -> Schema:
    # The description of a base class or of a model is for readers of the code.
    dropped = {*names, "description"} if "properties" in node else set(names)
    return {name: value for name, value in node.items() if name not in dropped}

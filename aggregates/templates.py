"""Templates: Liquid text with what it reads known beforehand, and JSON documents made of such texts.

A template sees `person` (id, distinct_id, email, properties), `variables`, `inputs`, `workflow` (id, name), `run` (id),
and in a webhook `secrets`. What a person lacks renders as nothing; sizing tells how many lack what. Values never form
structure: the output of a template inside a document stays one text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.output import OutputNode
from liquid.exceptions import LiquidError, ResourceLimitError

from aggregates.allowance import LETTERS, Allowance, weight
from aggregates.errors import DomainError, Problem
from aggregates.liquid import BoundedTemplate, environment
from aggregates.liquid_filters import TEXT_LIMIT
from aggregates.numbers import plain
from aggregates.places import Place, climbs
from aggregates.secrets import named_plainly
from aggregates.shape import at, echo
from aggregates.template_names import (
    EXAMPLE,
    expressions_of,
    filter_problems,
    keep_numbers_as_written,
    name_problems,
    needs_of,
    range_problems,
    references_of,
)
from aggregates.template_trial import trial_problems

SOURCE_LIMIT = 64 * 1024
"""Longest source of one template, in characters."""

Scope = Mapping[str, Any]
"""`{"person": …, "variables": …, "inputs": …, "workflow": …, "run": …, "secrets": …}`."""

Render = Callable[[Scope, Allowance], str]
Value = Callable[[Scope, Allowance], Any]

# Liquid gives these words a meaning of their own on lists and texts; the short way does not imitate it.
SPECIAL = frozenset({"size", "first", "last"})


@dataclass(frozen=True)
class Template:
    """A text that is safe to render for anybody. `references` are the dotted names that it reads, as tuples.

    `findings` are the parts that fail for everybody; saving refuses them, while content that runs goes on as it is.
    """

    source: str
    place: Place
    references: frozenset[tuple[str, ...]]
    needs: tuple[str, ...]
    _render: Render = field(repr=False, compare=False)
    _value: Value | None = field(default=None, repr=False, compare=False)
    constant: bool = False
    secrets: frozenset[str] = frozenset()
    findings: tuple[Problem, ...] = ()

    @classmethod
    def parse(cls, source: Any, pointer: str = "", place: Place = "text") -> tuple[Template | None, list[Problem]]:
        """The template, or None and every problem."""
        if not isinstance(source, str) or len(source) > SOURCE_LIMIT:
            expected = f"a text of at most {SOURCE_LIMIT} characters"
            return None, [Problem(pointer, "template.invalid", "This is not a template.", None, expected, EXAMPLE)]
        compiled = _compile(source, place)
        if isinstance(compiled, Template):
            return compiled, []
        return None, [Problem(pointer, f.code, f.message, f.got, f.expected, f.example) for f in compiled]

    @classmethod
    def of(cls, source: str, place: Place = "text") -> Template:
        """The template of a source that has been parsed without problems before."""
        template, problems = cls.parse(source, "", place)
        if template is None:
            raise DomainError("template.failed", problems=tuple(problems))
        return template

    def render(self, scope: Scope, allowance: Allowance | None = None) -> str:
        """The text for one person. `template.failed` when a filter cannot take a value, `template.over_limit` when
        it would cost more than the allowance, which is one person's unless it is given."""
        allowance = allowance or Allowance().person()
        text: str = _guarded(self._render, scope, allowance)
        allowance.write(len(text))
        if self.place == "url" and climbs(text):
            raise DomainError("template.failed", "A value would climb out of its path segment.")
        return text

    def value(self, scope: Scope, allowance: Allowance) -> Any:
        """As `render`, but a template that is exactly one `{{ … }}` keeps the type of its value, as JSON has it."""
        if self._value is None:
            return self.render(scope, allowance)
        found = plain(_guarded(self._value, scope, allowance))
        allowance.write(LETTERS * weight(found))
        return found


def _guarded(render: Callable[[Scope, Allowance], Any], scope: Scope, allowance: Allowance) -> Any:
    try:
        return render(scope, allowance)
    except DomainError:
        raise
    except ResourceLimitError as error:
        raise DomainError("template.over_limit") from error
    except Exception as error:
        # The library's sentence may hold a person's value, so it is not repeated.
        raise DomainError("template.failed", details={"error": type(error).__name__}) from error


@dataclass(frozen=True)
class Typed:
    """A template in a JSON document that keeps the type of what it names."""

    template: Template


class Document:
    """A JSON value whose texts may be templates, compiled once and rendered for many people."""

    __slots__ = ("constant", "secrets", "tree")

    def __init__(self, tree: Any) -> None:
        self.tree = tree
        leaves = list(_leaves(tree))
        self.constant = all(leaf.constant for leaf in leaves)
        self.secrets = frozenset().union(*(leaf.secrets for leaf in leaves))

    @classmethod
    def of(cls, data: Any, place: Place = "text", *, typed: bool = False) -> Document:
        """Plain data, every text in it a template; names of fields are never templates.

        With `typed`, a text that is exactly one `{{ … }}` gives a number, a list or whatever it names.
        """
        return cls(_templated(data, place, typed))

    def render(self, scope: Scope, allowance: Allowance | None = None) -> Any:
        """Plain JSON for one person, all of it from one allowance; errors as `Template.render`.

        A constant document may be rendered once with an empty scope.
        """
        return _rendered(self.tree, scope, allowance or Allowance().person())


def texts(data: Any, pointer: str) -> Iterator[tuple[str, str]]:
    """Every text inside plain data, with its pointer."""
    if isinstance(data, str):
        yield pointer, data
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from texts(value, at(pointer, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from texts(value, at(pointer, index))


def _templated(data: Any, place: Place, typed: bool) -> Any:
    if isinstance(data, str):
        template = Template.of(data, place)
        return Typed(template) if typed else template
    if isinstance(data, dict):
        return {key: _templated(value, place, typed) for key, value in data.items()}
    if isinstance(data, list):
        return [_templated(value, place, typed) for value in data]
    return data


def _leaves(tree: Any) -> Iterator[Template]:
    if isinstance(tree, (Template, Typed)):
        yield tree if isinstance(tree, Template) else tree.template
    children = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    for child in children:
        yield from _leaves(child)


def _rendered(tree: Any, scope: Scope, allowance: Allowance) -> Any:
    if isinstance(tree, Template):
        return tree.render(scope, allowance)
    if isinstance(tree, Typed):
        return tree.template.value(scope, allowance)
    if isinstance(tree, dict):
        return {key: _rendered(value, scope, allowance) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_rendered(value, scope, allowance) for value in tree]
    return tree


@lru_cache(maxsize=4096)
def _compile(source: str, place: Place) -> Template | list[Problem]:
    if "{{" not in source and "{%" not in source:
        return Template(source, place, frozenset(), (), lambda scope, allowance: source, constant=True)
    try:
        bound = environment(place).from_string(source)
        analysis = bound.analyze(include_partials=False)
    except (LiquidError, RecursionError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        message = f"This is not a template that we take: {echo(reason)}."
        return [Problem("", "template.syntax", message, None, "Liquid", EXAMPLE)]
    assert isinstance(bound, BoundedTemplate)
    expressions = list(expressions_of(bound))
    keep_numbers_as_written(expressions)
    references = frozenset(references_of(analysis))
    quick = _quick(bound.nodes, place)
    secrets, findings = named_plainly(references, plain=quick is not None)
    problems = [*name_problems(references), *filter_problems(analysis), *range_problems(expressions), *findings]
    if problems:
        return problems
    return Template(
        source,
        place,
        references,
        needs_of(analysis, expressions),
        quick or _slow(bound),
        _exact(bound),
        secrets=secrets,
        findings=tuple(trial_problems(bound, expressions)),
    )


# -- rendering


def _slow(bound: BoundedTemplate) -> Render:
    return lambda scope, allowance: bound.rendered(_without_secrets(scope), allowance)


def _exact(bound: BoundedTemplate) -> Value | None:
    """The value of the one output that the template is; None for any other template."""
    if len(bound.nodes) != 1 or not isinstance(bound.nodes[0], OutputNode):
        return None
    path = _plain_path(bound.nodes[0])
    if path is not None:
        return lambda scope, allowance: _value(scope, path)
    return lambda scope, allowance: bound.evaluated(_without_secrets(scope), allowance)


def _without_secrets(scope: Scope) -> dict[str, Any]:
    """Only what is plain may name secrets, so nothing else ever sees one, however cleverly it asks."""
    return {name: value for name, value in scope.items() if name != "secrets"}


def _plain_path(node: Node) -> tuple[str, ...] | None:
    """The names of an output that has nothing but names in it."""
    expression = node.expression if isinstance(node, OutputNode) else None
    if not isinstance(expression, FilteredExpression) or expression.filters or not isinstance(expression.left, Path):
        return None
    path = tuple(segment for segment in expression.left.path if isinstance(segment, str) and segment not in SPECIAL)
    return path if len(path) == len(expression.left.path) else None


def _quick(nodes: list[Node], place: Place) -> Render | None:
    """The short way for text with plain names in it, which is what most templates are; None for others."""
    pieces: list[str | tuple[str, ...]] = []
    for node in nodes:
        piece = node.text if isinstance(node, ContentNode) else _plain_path(node)
        if piece is None:
            return None
        pieces.append(piece)
    printed = environment(place).printed

    def render(scope: Scope, allowance: Allowance) -> str:
        text = "".join([piece if isinstance(piece, str) else printed(_value(scope, piece)) for piece in pieces])
        if len(text) > TEXT_LIMIT:
            raise ResourceLimitError("output", token=None)
        # The library's own buffer makes every line end the same.
        return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text

    return render


def _value(scope: Scope, path: tuple[str, ...]) -> Any:
    value: Any = scope
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value

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

from liquid import BoundTemplate, RenderContext
from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.expressions.primitive import IntegerLiteral, RangeLiteral
from liquid.builtin.output import OutputNode
from liquid.exceptions import LiquidError, ResourceLimitError
from liquid.expression import Expression
from liquid.static_analysis import TemplateAnalysis

from aggregates.errors import DomainError, Problem
from aggregates.liquid import FILTERS, ITEM_LIMIT, TEXT_LIMIT, Place, environment
from aggregates.secrets import named_plainly
from aggregates.shape import at, echo

SOURCE_LIMIT = 64 * 1024
"""Longest source of one template, in characters."""

PERSON_FIELDS = frozenset({"id", "distinct_id", "email", "properties"})
ROOTS: Mapping[str, frozenset[str] | None] = {
    "person": PERSON_FIELDS,
    "variables": None,
    "inputs": None,
    "workflow": frozenset({"id", "name"}),
    "run": frozenset({"id"}),
    "secrets": None,
}
"""What a template may name, and below it; None leaves the names to the workflow."""

EXAMPLE = "Hello {{ person.properties.first_name }}"
UNSEEN = "A template cannot see this."

Scope = Mapping[str, Any]
"""`{"person": …, "variables": …, "inputs": …, "workflow": …, "run": …, "secrets": …}`."""

# Liquid gives these words a meaning of their own on lists and texts; the short way does not imitate it.
SPECIAL = frozenset({"size", "first", "last"})


@dataclass(frozen=True)
class Template:
    """A text that is safe to render for anybody. `references` are the dotted names that it reads, as tuples."""

    source: str
    place: Place
    references: frozenset[tuple[str, ...]]
    needs: tuple[str, ...]
    _render: Callable[[Scope], str] = field(repr=False, compare=False)
    constant: bool = False
    secrets: frozenset[str] = frozenset()

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

    def render(self, scope: Scope) -> str:
        """The text for one person; `template.failed` when a limit is passed or a filter cannot take a value."""
        try:
            return self._render(scope)
        except ResourceLimitError as error:
            raise DomainError("template.failed", "A template passed a limit.") from error
        except Exception as error:
            # The library's sentence may hold a person's value, so it is not repeated.
            raise DomainError("template.failed", details={"error": type(error).__name__}) from error


class Document:
    """A JSON value whose texts may be templates, compiled once and rendered for many people."""

    __slots__ = ("constant", "secrets", "tree")

    def __init__(self, tree: Any) -> None:
        self.tree = tree
        leaves = list(_leaves(tree))
        self.constant = all(leaf.constant for leaf in leaves)
        self.secrets = frozenset().union(*(leaf.secrets for leaf in leaves))

    @classmethod
    def of(cls, data: Any, place: Place = "text") -> Document:
        """Plain data, every text in it a template; names of fields are never templates."""
        return cls(_templated(data, place))

    def render(self, scope: Scope) -> Any:
        """Plain JSON for one person. A constant document may be rendered once with an empty scope."""
        return _rendered(self.tree, scope)


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


def _templated(data: Any, place: Place) -> Any:
    if isinstance(data, str):
        return Template.of(data, place)
    if isinstance(data, dict):
        return {key: _templated(value, place) for key, value in data.items()}
    if isinstance(data, list):
        return [_templated(value, place) for value in data]
    return data


def _leaves(tree: Any) -> Iterator[Template]:
    if isinstance(tree, Template):
        yield tree
    children = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    for child in children:
        yield from _leaves(child)


def _rendered(tree: Any, scope: Scope) -> Any:
    if isinstance(tree, Template):
        return tree.render(scope)
    if isinstance(tree, dict):
        return {key: _rendered(value, scope) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_rendered(value, scope) for value in tree]
    return tree


@lru_cache(maxsize=4096)
def _compile(source: str, place: Place) -> Template | list[Problem]:
    if "{{" not in source and "{%" not in source:
        return Template(source, place, frozenset(), (), lambda _: source, constant=True)
    try:
        bound = environment(place).from_string(source)
        analysis = bound.analyze(include_partials=False)
    except (LiquidError, RecursionError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        message = f"This is not a template that we take: {echo(reason)}."
        return [Problem("", "template.syntax", message, None, "Liquid", EXAMPLE)]
    expressions = list(_expressions(bound))
    references = frozenset(_references(analysis))
    quick = _quick(bound.nodes, place)
    secrets, findings = named_plainly(references, plain=quick is not None)
    problems = [*_name_problems(references), *_filter_problems(analysis), *_range_problems(expressions), *findings]
    if problems:
        return problems
    return Template(
        source, place, references, _needs(analysis, _defaulted(expressions)), quick or _slow(bound), secrets=secrets
    )


# -- what a template reads, known without rendering it


def _expressions(bound: BoundTemplate) -> Iterator[Expression]:
    context = RenderContext(bound)
    nodes = list(bound.nodes)
    while nodes:
        node = nodes.pop()
        nodes += node.children(context, include_partials=False)
        pending = list(node.expressions())
        while pending:
            expression = pending.pop()
            yield expression
            pending += expression.children()


def _references(analysis: TemplateAnalysis) -> Iterator[tuple[str, ...]]:
    for variables in analysis.globals.values():
        for variable in variables:
            path: list[str] = []
            for segment in variable.segments:
                if isinstance(segment, list):  # a computed name: nothing below it is known
                    break
                path.append(str(segment))
            yield tuple(path)


def _name_problems(references: frozenset[tuple[str, ...]]) -> Iterator[Problem]:
    for path in sorted(references):
        root = path[0] if path else "[…]"  # a computed one could be any
        if root not in ROOTS:
            yield Problem("", "template.name_unknown", UNSEEN, echo(root), sorted(ROOTS), EXAMPLE)
            continue
        below = ROOTS[root]
        if below is not None and len(path) > 1 and path[1] not in below:
            got = f"{root}.{echo(path[1])}"
            example = f"person.properties.{echo(path[1])}" if root == "person" else None
            yield Problem("", "template.name_unknown", UNSEEN, got, sorted(below), example)


def _filter_problems(analysis: TemplateAnalysis) -> Iterator[Problem]:
    for name in sorted(set(analysis.filters) - FILTERS):
        yield Problem("", "template.filter_unknown", "There is no such filter.", echo(name), sorted(FILTERS), "upcase")


def _range_problems(expressions: list[Expression]) -> Iterator[Problem]:
    """A range is made in full before any loop counts it, so its size must be on the page."""
    for expression in expressions:
        if isinstance(expression, RangeLiteral):
            start, stop = expression.start, expression.stop
            if not isinstance(start, IntegerLiteral) or not isinstance(stop, IntegerLiteral):
                message = "A range is written with two whole numbers."
            elif stop.value - start.value >= ITEM_LIMIT:
                message = f"A range has at most {ITEM_LIMIT} numbers."
            else:
                continue
            yield Problem("", "template.range", message, None, "range", "(1..10)")


def _defaulted(expressions: list[Expression]) -> set[int]:
    """Where paths stand whose absence the author has provided for."""
    return {
        expression.left.token.start_index
        for expression in expressions
        if isinstance(expression, FilteredExpression) and isinstance(expression.left, Path)
        if expression.filters and expression.filters[0].name == "default"
    }


def _needs(analysis: TemplateAnalysis, defaulted: set[int]) -> tuple[str, ...]:
    read = [v for v in analysis.globals.get("person", []) if len(v.segments) > 2 and v.segments[1] == "properties"]
    needed = [v for v in read if not isinstance(v.segments[2], list) and v.span.index not in defaulted]
    return tuple(sorted({str(v.segments[2]) for v in needed}))


# -- rendering


def _slow(bound: BoundTemplate) -> Callable[[Scope], str]:
    # Only what is plain may name secrets, so nothing else ever sees one, however cleverly it asks.
    return lambda scope: bound.render({name: value for name, value in scope.items() if name != "secrets"})


def _quick(nodes: list[Node], place: Place) -> Callable[[Scope], str] | None:
    """The short way for text with plain names in it, which is what most templates are; None for others."""
    pieces: list[str | tuple[str, ...]] = []
    for node in nodes:
        if isinstance(node, ContentNode):
            pieces.append(node.text)
            continue
        expression = node.expression if isinstance(node, OutputNode) else None
        if (
            not isinstance(expression, FilteredExpression)
            or expression.filters
            or not isinstance(expression.left, Path)
        ):
            return None
        path = [segment for segment in expression.left.path if isinstance(segment, str) and segment not in SPECIAL]
        if len(path) != len(expression.left.path):
            return None
        pieces.append(tuple(path))
    printed = environment(place).printed

    def render(scope: Scope) -> str:
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

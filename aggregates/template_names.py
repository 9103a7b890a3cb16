"""What a template names, known without rendering it, and what is wrong with that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from liquid import BoundTemplate, RenderContext
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.expressions.primitive import FloatLiteral, IntegerLiteral, RangeLiteral
from liquid.expression import Expression
from liquid.static_analysis import TemplateAnalysis

from aggregates.errors import Problem
from aggregates.liquid_filters import FILTERS, ITEM_LIMIT
from aggregates.numbers import Number
from aggregates.shape import echo

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


def expressions_of(bound: BoundTemplate) -> Iterator[Expression]:
    """Every expression in the template, and every one inside it."""
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


def references_of(analysis: TemplateAnalysis) -> Iterator[tuple[str, ...]]:
    """Every name that it reads, with its segments."""
    for variables in analysis.globals.values():
        for variable in variables:
            path: list[str] = []
            for segment in variable.segments:
                if isinstance(segment, list):  # a computed name: nothing below it is known
                    break
                path.append(str(segment))
            yield tuple(path)


def name_problems(references: frozenset[tuple[str, ...]]) -> Iterator[Problem]:
    """One problem for each name that no template can see."""
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


def filter_problems(analysis: TemplateAnalysis) -> Iterator[Problem]:
    """One problem for each filter that is none of ours."""
    for name in sorted(set(analysis.filters) - FILTERS):
        yield Problem("", "template.filter_unknown", "There is no such filter.", echo(name), sorted(FILTERS), "upcase")


def range_problems(expressions: Sequence[Expression]) -> Iterator[Problem]:
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


def keep_numbers_as_written(expressions: Sequence[Expression]) -> None:
    """The library reads a number with a point as a double, which has another number of digits."""
    for expression in expressions:
        if isinstance(expression, FloatLiteral):
            expression.value = Number(expression.token.value)  # type: ignore[assignment]


def _defaulted(expressions: Sequence[Expression]) -> set[int]:
    """Where paths stand whose absence the author has provided for."""
    return {
        expression.left.token.start_index
        for expression in expressions
        if isinstance(expression, FilteredExpression) and isinstance(expression.left, Path)
        if expression.filters and expression.filters[0].name == "default"
    }


def needs_of(analysis: TemplateAnalysis, expressions: Sequence[Expression]) -> tuple[str, ...]:
    """The properties that are read and whose absence no `default` provides for."""
    defaulted = _defaulted(expressions)
    read = [v for v in analysis.globals.get("person", []) if len(v.segments) > 2 and v.segments[1] == "properties"]
    needed = [v for v in read if not isinstance(v.segments[2], list) and v.span.index not in defaulted]
    return tuple(sorted({str(v.segments[2]) for v in needed}))

"""What a template can never do, found before anybody is rendered: every literal in it is tried."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache, partial
from itertools import islice, product
from typing import Any

from liquid import BoundTemplate
from liquid.builtin.expressions import BooleanExpression, FilteredExpression, LoopExpression, Path
from liquid.builtin.expressions.filtered import Filter
from liquid.builtin.expressions.primitive import Literal
from liquid.expression import Expression

from aggregates.allowance import Allowance
from aggregates.errors import Problem
from aggregates.liquid import BoundedContext
from aggregates.liquid_filters import NOW
from aggregates.numbers import Number
from aggregates.shape import echo

MOST_FINDINGS = 20

GIVEN = ("2026-03-05", "x", 5, Number("2.5"), ["x"], [{"x": 1}], {"x": 1}, "")
"""What a filter may be given where only a person says what: one of them must come out."""

ARGUMENTS = ("1", 5, ["1"])
"""The same for its arguments."""

FAILS = "This fails for everybody."

_UNKNOWN = object()
_OURS = ("environment", "context")


def trial_problems(bound: BoundTemplate, expressions: Sequence[Expression]) -> list[Problem]:
    """One problem for each part that fails whatever a person's data are; at most `MOST_FINDINGS`."""
    context = BoundedContext(bound, globals={NOW: datetime(2026, 1, 1, tzinfo=UTC)})
    return list(islice(_problems(context, expressions), MOST_FINDINGS))


def _problems(context: BoundedContext, expressions: Sequence[Expression]) -> Iterator[Problem]:
    for expression in expressions:
        if isinstance(expression, FilteredExpression):
            yield from _filters(context, expression)
        elif isinstance(expression, LoopExpression):
            yield from _bounds(expression)
        elif (
            isinstance(expression, BooleanExpression)
            and _known(expression)
            and _result(context, partial(expression.evaluate, context)) is None
        ):
            yield Problem("", "template.never_renders", FAILS, echo(str(expression)))


def _filters(context: BoundedContext, expression: FilteredExpression) -> Iterator[Problem]:
    value: Any = expression.left.evaluate(context) if _known(expression.left) else _UNKNOWN
    for filter_ in expression.filters or ():
        function = context.env.filters.get(filter_.name)
        if function is None:
            return
        usage = _misused(function, filter_)
        if usage:
            message = f"The filter {filter_.name} is not used like this."
            yield Problem("", "template.filter_arguments", message, echo(str(filter_)), usage)
            return
        results = _tried(context, filter_, value)
        result = next(results, None)
        if result is None:
            yield Problem("", "template.never_renders", FAILS, echo(str(filter_)))
            return
        value = result[0] if value is not _UNKNOWN and all(_known(arg.value) for arg in filter_.args) else _UNKNOWN


def _tried(context: BoundedContext, filter_: Filter, value: Any) -> Iterator[tuple[Any]]:
    """What comes out, for each combination of what it may be given that works."""
    names = [getattr(arg, "name", None) for arg in filter_.args]
    choices = [(arg.value.evaluate(context),) if _known(arg.value) else ARGUMENTS for arg in filter_.args]
    for given, *arguments in product(GIVEN if value is _UNKNOWN else (value,), *choices):
        positional = [argument for name, argument in zip(names, arguments, strict=True) if name is None]
        named = {name: argument for name, argument in zip(names, arguments, strict=True) if name is not None}
        found = _result(context, partial(_applied, context, filter_.name, given, *positional, **named))
        if found is not None:
            yield found


def _applied(context: BoundedContext, name: str, *arguments: Any, **named: Any) -> Any:
    return context.filter(name, token=None)(*arguments, **named)


def _result(context: BoundedContext, evaluate: Callable[[], Any]) -> tuple[Any] | None:
    """What comes out, or None where rendering would end."""
    context.allowance = Allowance().person()
    try:
        return (evaluate(),)
    except Exception:  # noqa: BLE001 - whatever it is, rendering would end with it
        return None


def _bounds(loop: LoopExpression) -> Iterator[Problem]:
    for name, bound in (("limit", loop.limit), ("offset", loop.offset)):
        if isinstance(bound, Literal) and bound.value != "continue":
            try:
                int(bound.value)
            except (TypeError, ValueError, ArithmeticError):
                yield Problem("", "template.never_renders", FAILS, f"{name}: {echo(str(bound))}", "a whole number")


def _known(expression: Expression) -> bool:
    return not isinstance(expression, Path) and all(_known(child) for child in expression.children())


def _misused(function: Callable[..., Any], filter_: Filter) -> str | None:
    """How the filter is used, if its arguments are not of the right number or name."""
    signature = _signature(function)
    named = [name for arg in filter_.args if (name := getattr(arg, "name", None))]
    try:
        signature.bind(None, *[None] * (len(filter_.args) - len(named)), **dict.fromkeys(named))
    except TypeError:
        own = list(signature.parameters.values())[1:]
        return ", ".join(each.name.strip("_") + ("" if each.default is each.empty else "?") for each in own) or "none"
    return None


@cache
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    signature = inspect.signature(function)
    return signature.replace(parameters=[p for p in signature.parameters.values() if p.name not in _OURS])

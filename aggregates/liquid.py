"""Liquid in bounds: what a template may do, and how much of it.

A template is written by a tenant and fed with people's properties, so both are hostile. There are no
partials and no counters; loops, lists, numbers, texts and output have limits, all that is done is taken from an
allowance; and every printed value is made harmless for the place where it goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, TextIO

from liquid import BoundTemplate, Environment, RenderContext
from liquid.builtin.output import Output, OutputNode
from liquid.exceptions import LoopIterationLimitError
from liquid.output import LimitedStringIO

from aggregates.allowance import NAME, NODE, TURN, Allowance, weight
from aggregates.liquid_filters import FILTERS, IN_URL, ITEM_LIMIT, OWN, TEXT_LIMIT, WRAPPED, bounded
from aggregates.places import PLACES, Place

TAGS = frozenset({"if", "unless", "case", "for", "break", "continue", "assign", "capture", "comment", "#"})
URL_TAGS = frozenset({"if", "unless", "case", "comment", "#"})


class _PlacedNode(OutputNode):
    __slots__ = ()

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        assert isinstance(context, BoundedContext)
        assert isinstance(context.env, BoundedEnvironment)
        value = self.expression.evaluate(context)
        context.allowance.spend(weight(value))
        return buffer.write(context.env.printed(value))


class _PlacedOutput(Output):
    node_class = _PlacedNode


class BoundedContext(RenderContext):
    """Takes what is done from the allowance of its rendering, and reads of an object only what is in it."""

    turns = 0
    allowance: Allowance

    @property
    def disabled_tags(self) -> list[str]:
        """None. Every part of a template asks for them right before it is rendered, so here the parts are counted."""
        self.allowance.spend(NODE)
        return []

    @disabled_tags.setter
    def disabled_tags(self, _: list[str]) -> None:
        pass

    def get(self, *args: Any, **kwargs: Any) -> object:
        found = super().get(*args, **kwargs)
        self.allowance.spend(NAME + weight(found) // 2)
        return found

    def get_item(self, obj: Any, key: Any) -> Any:
        """Of an object its own members: that it lacks `size`, `first` or `last` tells nothing about its others."""
        return obj[key] if isinstance(obj, dict) else super().get_item(obj, key)

    def get_size_of_locals(self) -> int:
        """Not counted: whatever makes a value takes its size from the allowance."""
        return 0

    def raise_for_loop_limit(self, length: int = 1) -> None:
        """Counts every turn of every loop; the library's own limit looks at one nest of loops at a time."""
        self.turns += length
        if self.turns > ITEM_LIMIT:
            raise LoopIterationLimitError("too many loop turns", token=None)
        self.allowance.spend(TURN * length)


class BoundedTemplate(BoundTemplate):
    """A template that is rendered from an allowance."""

    context_class = BoundedContext

    def rendered(self, scope: Mapping[str, object], allowance: Allowance) -> str:
        buffer = LimitedStringIO(limit=TEXT_LIMIT)
        self.render_with_context(self._context(scope, allowance), buffer)
        return buffer.getvalue()

    def evaluated(self, scope: Mapping[str, object], allowance: Allowance) -> object:
        """The value of a template that is one output and nothing else."""
        (node,) = self.nodes
        assert isinstance(node, OutputNode)
        value = node.expression.evaluate(self._context(scope, allowance))
        allowance.spend(weight(value))
        return value

    def _context(self, scope: Mapping[str, object], allowance: Allowance) -> BoundedContext:
        context = BoundedContext(self, globals=scope)
        context.allowance = allowance
        return context


class BoundedEnvironment(Environment):
    """Tags, filters and limits for one place."""

    block_nesting_limit: ClassVar[int] = 10
    output_stream_limit: ClassVar[int | None] = TEXT_LIMIT
    template_class = BoundedTemplate

    def __init__(self, place: Place) -> None:
        self.place = place
        self.printed = PLACES[place]
        super().__init__(autoescape=place == "html")

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        allowed = (URL_TAGS if self.place == "url" else TAGS) | {"content", "output", "illegal"}
        self.tags = {name: tag for name, tag in self.tags.items() if name in allowed}
        self.add_tag(_PlacedOutput)
        self.filters |= {**OWN, **{name: wrap(self.filters[name]) for name, wrap in WRAPPED.items()}}
        if self.place == "url":
            self.filters |= IN_URL
        self.filters = {name: bounded(name, self.filters[name]) for name in FILTERS}


@cache
def environment(place: Place) -> BoundedEnvironment:
    """The one environment of a place."""
    return BoundedEnvironment(place)

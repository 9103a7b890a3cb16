"""A list on a terminal: what fits into its width, what is left out, colours of statuses.

A number, an id, a status and an instant are never wrapped or cut. Texts wrap; where that is not enough, the columns to
the right give way, which say the least.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

GAP = 2
LEAST = 10
"""Cells that a text has at least, before a column gives way."""

ID_SHOWN = 13
"""Characters of an id that are shown at least: ids begin with the millisecond, and these are all of it."""

_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(\.\d+)?")
_SOLID = re.compile(r"[\d,.]+%?|true|false|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)")

_STATUS_TITLES = frozenset({"status", "state", "outcome"})
_COLOURS = {
    "green": ("active", "completed", "delivered", "confirmed", "fired", "ok"),
    "cyan": ("running", "queued", "in_progress", "pending", "buffered", "following"),
    "yellow": ("paused", "held", "waiting", "cancelling", "completed_with_failures", "exited", "warn"),
    "red": ("failed", "cancelled", "rejected", "expired", "fail", "stopped"),
}
COLOUR = {status: colour for colour, statuses in _COLOURS.items() for status in statuses}
"""Of a status; the word stands there all the same."""


@dataclass(frozen=True)
class Shape:
    """A column as it is drawn."""

    title: str
    right: bool
    cells: Sequence[str]

    @property
    def solid(self) -> bool:
        """Whether it is of what may not be wrapped."""
        filled = [cell for cell in self.cells if cell]
        return self.is_status or (bool(filled) and all(_ID.match(cell) or _SOLID.fullmatch(cell) for cell in filled))

    @property
    def is_status(self) -> bool:
        return self.title in _STATUS_TITLES

    @property
    def natural(self) -> int:
        return max(cell_len(text) for text in (self.title, *self.cells))

    @property
    def least(self) -> int:
        """The narrowest that it can be read in; the words of a title may stand below each other."""
        title = max(map(cell_len, self.title.split()), default=0)
        if self.solid:
            return max(title, *map(cell_len, self.cells))
        return min(self.natural, max(LEAST, title))


def table(
    titles: Sequence[str], rights: Sequence[bool], rows: Sequence[Sequence[str]], width: int
) -> tuple[Table, list[str]]:
    """The rows as a table for so many columns, and the titles of what had no room."""
    shapes = [
        _with_short_ids(Shape(title, right, [row[place] for row in rows]))
        for place, (title, right) in enumerate(zip(titles, rights, strict=True))
    ]
    kept = _fitting(shapes, width)
    drawn = Table(box=None, header_style="bold", pad_edge=False)
    for shape in kept:
        side = "right" if shape.right else "left"
        whole = shape.least if shape.solid else None
        drawn.add_column(shape.title, justify=side, overflow="fold", min_width=shape.least, max_width=whole)  # type: ignore[arg-type]
    for place in range(len(rows)):
        drawn.add_row(*(_cell(shape, shape.cells[place]) for shape in kept))
    return drawn, [shape.title for shape in shapes if shape not in kept]


def coloured(title: str, text: str) -> Text:
    """A value, with the colour of its status if it is one."""
    return Text(text, style=COLOUR.get(text, "") if title in _STATUS_TITLES else "")


def _cell(shape: Shape, text: str) -> Text:
    return coloured(shape.title, text)


def _fitting(shapes: list[Shape], width: int) -> list[Shape]:
    """Those that fit: the rightmost gives way first; the first column and a status never do."""
    kept = list(shapes)
    while sum(shape.least for shape in kept) + GAP * (len(kept) - 1) > width:
        may_go = [shape for shape in kept[1:] if not shape.is_status]
        if not may_go:
            break
        kept.remove(may_go[-1])
    return kept


def _with_short_ids(shape: Shape) -> Shape:
    """Ids as the shortest beginnings that differ in this list; the number of a run stays behind its job's."""
    if not any(map(_ID.fullmatch, shape.cells)):
        return shape
    whole = {cell.partition(".")[0] for cell in shape.cells if _ID.fullmatch(cell)}
    size = ID_SHOWN
    while len({id[:size] for id in whole}) < len(whole):
        size += 1
    cells = [cell[:size] + cell[36:] if _ID.fullmatch(cell) else cell for cell in shape.cells]
    return Shape(shape.title, shape.right, cells)

"""What a command prints: data on stdout, words on stderr.

On a terminal data is a table. In a pipe it is TSV without a header, untruncated, with tabs and line ends escaped.
With `--json` it is one document. `NO_COLOR` is obeyed by rich itself.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.table import Column as TableColumn
from rich.table import Table
from rich.text import Text

from engine.cli import layout

INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?Z")
"""An instant as the server writes it, RFC 3339 in UTC; seconds are enough for an eye."""

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON document.")]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """A column of a list: its title, and the field (or function of a row) that fills it.

    `eye` and `pipe` say where it is shown: a terminal has no room for all of them.
    """

    title: str
    value: str | Callable[[Row], Any]
    right: bool = False
    eye: bool = True
    pipe: bool = True

    def of(self, row: Row) -> Any:
        return self.value(row) if callable(self.value) else row.get(self.value)


class Output:
    """Where one command prints to."""

    def __init__(self, json: bool = False) -> None:
        self.json = json
        self.terminal = sys.stdout.isatty() and not json
        self.words = Console(stderr=True, highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """Words for a human; nothing reads them."""
        self.words.print(Text(text))

    def document(self, data: Any) -> None:
        """One JSON document on a line of its own."""
        sys.stdout.write(json.dumps(data, ensure_ascii=False, default=str) + "\n")
        sys.stdout.flush()

    def record(self, data: Row, shown: Sequence[Column] | None = None) -> None:
        """One thing: names and values below each other."""
        if self.json:
            self.document(data)
            return
        columns = self._shown(shown or [Column(name, name) for name in data])
        pairs = [(column.title, column.of(data)) for column in columns]
        if not self.terminal:
            self._lines(((title, _plain(value)) for title, value in pairs))
            return
        table = Table.grid(TableColumn(no_wrap=True), TableColumn(overflow="fold"), padding=(0, 2))
        for title, value in pairs:
            table.add_row(Text(title, style="dim"), layout.coloured(title, _pretty(value)))
        self._show(table)

    def line(self, row: Row, columns: Sequence[Column]) -> None:
        """A row of what has no end, at once."""
        if self.json:
            self.document(row)
            return
        written = _pretty if self.terminal else _plain
        self._lines([[written(column.of(row)) for column in self._shown(columns)]])
        sys.stdout.flush()

    def rows(self, rows: Iterable[Row], columns: Sequence[Column]) -> None:
        """A list without pages."""
        self.page(({"data": [row]} for row in rows), columns)

    def page(self, pages: Iterable[Row], columns: Sequence[Column]) -> str | None:
        """A list that comes in pages, printed as it comes; answers the cursor where it stopped, if there is more."""
        if self.json:
            return self._page_as_json(pages)
        cursor: str | None = None
        columns = self._shown(columns)
        shown: list[list[str]] = []
        for page in pages:
            cursor = page.get("next_cursor")
            for row in page["data"]:
                if self.terminal:
                    shown.append([_pretty(column.of(row)) for column in columns])
                else:
                    self._lines([[_plain(column.of(row)) for column in columns]])
        if shown:
            self._table(columns, shown)
        elif self.terminal:
            self.say("None.")
        if cursor:
            self.say(f"There is more: --after {cursor}, or --all.")
        return cursor

    def _page_as_json(self, pages: Iterable[Row]) -> str | None:
        """Written while it is read: a list of a million rows is one document all the same."""
        pages, empty = iter(pages), dict[str, Any](data=[])
        first = next(pages, empty)  # Before anything is written: a refusal is a document of its own.
        cursor: str | None = None
        position, separator = None, ""
        sys.stdout.write('{"data": [')
        for page in chain((first,), pages):
            cursor, position = page.get("next_cursor"), page.get("as_of_position", position)
            for row in page["data"]:
                sys.stdout.write(separator + json.dumps(row, ensure_ascii=False, default=str))
                separator = ", "
        rest = json.dumps({"next_cursor": cursor, "as_of_position": position})
        sys.stdout.write(f"], {rest[1:]}\n")
        return cursor

    def _shown(self, columns: Sequence[Column]) -> list[Column]:
        return [column for column in columns if (column.eye if self.terminal else column.pipe)]

    def _table(self, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
        width = Console().width
        drawn, left_out = layout.table([each.title for each in columns], [each.right for each in columns], rows, width)
        self._show(drawn)
        if left_out:
            self.say(f"No room for: {', '.join(left_out)}. A wider terminal has it, and --json.")

    def _show(self, table: Table) -> None:
        Console(highlight=False).print(table)

    def _lines(self, rows: Iterable[Iterable[str]]) -> None:
        for row in rows:
            sys.stdout.write("\t".join(row) + "\n")


def _plain(value: Any) -> str:
    """A value for a program: no separators, nothing cut, one line."""
    text = _text(value)
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def _pretty(value: Any) -> str:
    """A value for an eye. Stored text must not steer the terminal, so what is not printable is shown escaped."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in _text(value))
    instant = INSTANT.fullmatch(text)
    return f"{instant[1]}Z" if instant else text


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case list() | tuple() if all(isinstance(each, str) for each in value):
            return ", ".join(value)
        case dict() | list() | tuple():
            return json.dumps(value, ensure_ascii=False, default=str)
        case _:
            return str(value)

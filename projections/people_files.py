"""Files of people, read line by line into rows for COPY. Memory does not grow with the file, nor with a line of it.

CSV: a header; `distinct_id` is needed, `email`, `opted_out_at` (ISO) and `opted_out` (true, false) are known in any
letter case, every other column is a property. A cell that is a number in its shortest plain form (`5`, `-1.25`, not
`05` or `5.0`) of at most 100 digits, `true` or `false` becomes a JSON number or boolean, any other stays a text, an
empty one is absent.
JSONL: one object a line, `{"distinct_id", "email", "opted_out_at", "opted_out", "properties"}`, strict JSON.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from io import StringIO
from itertools import chain
from typing import Any, BinaryIO, NoReturn

from aggregates.address import normalised
from projections.conditions import CANONICAL_NUMBER
from projections.line_json import STRICT
from projections.people_columns import (
    KNOWN,
    MOST_COLUMNS,
    Rejected,
    columns_of,
    header_faults,
    names_of,
    warnings_of,
)
from projections.person_rules import (
    NUMBER_DIGITS,
    PROPERTIES_SIZE_LIMIT,
    PersonInput,
    as_json,
    distinct_id_fault,
    email_fault,
    instant,
)

BLOCK = 256 * 1024
LINE_LIMIT = 1024 * 1024
"""Longest line, in bytes; a CSV record that spans lines is held to about the same."""

SHOWN_REJECTIONS = 100

NULL = "\\N"

quoted = json.encoder.encode_basestring


@dataclass
class Rejections:
    """What is to be told of a file: the first hundred faults and how many there are, what its columns became, and
    what is taken and worth a look."""

    shown: list[dict[str, Any]] = field(default_factory=list)
    total: int = 0
    columns: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)
    unwritable: int = 0
    """People with an email to which nothing can be sent."""

    def add(self, line: int, column: str | None, code: str, reason: str) -> None:
        self.total += 1
        column = column and column.encode(errors="replace").decode()
        if len(self.shown) < SHOWN_REJECTIONS:
            self.shown.append({"line": line, "column": column, "code": code, "reason": reason})


class Unreadable(Exception):
    """The rest of the file cannot be read; what is wrong has been added to the rejections."""


class Blocks:
    """The text of a stream in blocks of whole lines."""

    def __init__(self, stream: BinaryIO, rejections: Rejections) -> None:
        self._stream, self._rejections = stream, rejections
        self._lines = 0
        self.idle = 0
        """Blocks since the reader finished a row; it sets this to 0 with each one."""

    def __iter__(self) -> Iterator[str]:
        rest = b""
        while block := self._stream.read(BLOCK):
            whole, newline, rest_of_block = block.rpartition(b"\n")
            if newline:
                yield self._text(rest + whole + newline)
                rest = rest_of_block
            else:
                rest += block
            if len(rest) > LINE_LIMIT:
                self._give_up("line.too_long", "The line is longer than 1 MiB.")
        if rest:
            yield self._text(rest)

    def _text(self, raw: bytes) -> str:
        self.idle += 1
        if self.idle > LINE_LIMIT // BLOCK:
            self._give_up("row.too_long", "A row that ends before this line is longer than 1 MiB; is a quote open?")
        first = self._lines + 1
        self._lines += raw.count(b"\n")
        try:
            return raw.decode("utf-8-sig" if first == 1 else "utf-8")
        except UnicodeDecodeError:
            for number, line in enumerate(raw.split(b"\n"), first):
                if not _decodes(line):
                    self._rejections.add(number, None, "text.not_utf8", "The line is not UTF-8.")
            return raw.decode(errors="replace")

    def _give_up(self, code: str, reason: str) -> NoReturn:
        self._rejections.add(self._lines + 1, None, code, reason)
        raise Unreadable


def csv_rows(stream: BinaryIO, mapping: Mapping[str, str], now: datetime, rejections: Rejections) -> Iterator[str]:
    """A COPY line for each good row; what is bad is added to the rejections."""
    blocks = Blocks(stream, rejections)
    # StringIO splits at \n and nothing else; str.splitlines would also split at what may stand inside a cell.
    reader = csv.reader(chain.from_iterable(StringIO(block, newline="\n") for block in blocks), strict=True)
    try:
        header = next(reader, [])
    except csv.Error:
        header = []
    table = _Table(header, mapping, now, rejections)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
            if row:
                text = table.copy_line(line, row)
                if text:
                    yield text
        except StopIteration:
            return
        except csv.Error as error:
            rejections.add(line, None, "row.malformed", f"Not CSV: {error}.")
        blocks.idle = 0


class _Table:
    """The columns of a CSV file, and how each becomes a part of a person."""

    def __init__(
        self, header: Sequence[str], mapping: Mapping[str, str], now: datetime, rejections: Rejections
    ) -> None:
        self._now, self._reject, self._told = now, rejections.add, rejections
        header = [name.strip() for name in header]
        names = names_of(header, mapping)
        self._names, self._width = names, len(names)
        self._place = {name: index for index, name in enumerate(names) if name in KNOWN}
        self._properties = [
            (index, f"{quoted(name)}:") for index, name in enumerate(names) if name and name not in self._place
        ]
        faults = header_faults(header, names, mapping)
        for fault in faults:
            rejections.add(1, *fault)
        if len(header) <= MOST_COLUMNS:
            rejections.columns += columns_of(header, names)
            rejections.warnings += warnings_of(header, mapping)
        if faults:
            raise Unreadable
        self._id = self._place["distinct_id"]
        self._email = self._place.get("email")

    def copy_line(self, line: int, row: list[str]) -> str | None:
        """The row as a line of COPY text, or None when it was rejected."""
        if len(row) != self._width:
            self._reject(line, None, "row.columns", f"It has {len(row)} columns; the header has {self._width}.")
            return None
        distinct_id = row[self._id].strip()
        email = row[self._email].strip() if self._email is not None else ""
        properties = self._json(row)
        opted_out_at, faults = self._opted_out(row)
        if fault := distinct_id_fault(distinct_id):
            faults.append((self._names[self._id], *fault))
        if email and (fault := email_fault(email)):
            faults.append(("email", *fault))
        if len(properties) * 4 > PROPERTIES_SIZE_LIMIT and len(properties.encode()) > PROPERTIES_SIZE_LIMIT:
            faults.append(("properties", "properties.too_large", "Properties have at most 64 KiB as JSON."))
        if "\\u0000" in properties and any("\0" in cell for cell in row):
            faults.append(("properties", "text.nul", "A text contains a NUL character."))
        for rejected in faults:
            self._reject(line, *rejected)
        return None if faults else _copy_line(line, distinct_id, email, opted_out_at, properties, told=self._told)

    def _json(self, row: list[str]) -> str:
        members = []
        for index, name in self._properties:
            cell = row[index]
            if not cell:
                continue
            # Most cells begin like a word: a look at one character spares them the pattern.
            if cell[0] in "-0123456789tf" and (
                cell in ("true", "false")
                or (len(cell) <= NUMBER_DIGITS and CANONICAL_NUMBER.fullmatch(cell) and cell != "-0")
            ):
                members.append(name + cell)
            else:
                members.append(name + quoted(cell))
        return f"{{{','.join(members)}}}"

    def _opted_out(self, row: list[str]) -> tuple[str, list[Rejected]]:
        faults: list[Rejected] = []
        moment = None
        if (place := self._place.get("opted_out")) is not None and (flag := row[place].strip().lower()):
            moment = self._now if flag == "true" else None
            if flag not in ("true", "false"):
                faults.append(("opted_out", "opted_out.invalid", "opted_out is true or false."))
        if (place := self._place.get("opted_out_at")) is not None and (text := row[place].strip()):
            moment = instant(text)
            if moment is None:
                faults.append(("opted_out_at", "date.invalid", "An ISO date or date-time is expected."))
        return moment.isoformat() if moment else "", faults


def jsonl_rows(stream: BinaryIO, mapping: Mapping[str, str], now: datetime, rejections: Rejections) -> Iterator[str]:
    """A COPY line for each good line; what is bad is added to the rejections."""
    blocks = Blocks(stream, rejections)
    line = 0
    for block in blocks:
        blocks.idle = 0
        for text in block.removesuffix("\n").split("\n"):
            line += 1
            if not text.strip():
                continue
            try:
                raw = STRICT.decode(text)
            except (ValueError, RecursionError):
                rejections.add(line, None, "row.malformed", "Not one strict JSON object.")
                continue
            if mapping and isinstance(raw, dict):
                raw = {mapping.get(name, name): value for name, value in raw.items()}
            person, problems = PersonInput.parse(raw, now)
            for problem in problems:
                rejections.add(line, problem.pointer.lstrip("/") or None, problem.code, problem.message)
            if person:
                moment = person.opted_out_at.isoformat() if person.opted_out_at else ""
                properties = as_json(person.properties)
                yield _copy_line(line, person.distinct_id, person.email or "", moment, properties, told=rejections)


READERS: dict[str, Callable[[BinaryIO, Mapping[str, str], datetime, Rejections], Iterator[str]]] = {
    "csv": csv_rows,
    "jsonl": jsonl_rows,
}


def _copy_line(line: int, distinct_id: str, email: str, moment: str, properties: str, *, told: Rejections) -> str:
    """One line of COPY's text format. Only backslashes need care: no field can hold a tab or a line end."""
    distinct_id, properties = distinct_id.replace("\\", "\\\\"), properties.replace("\\", "\\\\")
    address = email and normalised(email)
    told.unwritable += address is None
    return f"{line}\t{distinct_id}\t{email or NULL}\t{address or NULL}\t{moment or NULL}\t{properties}\n"


def _decodes(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True

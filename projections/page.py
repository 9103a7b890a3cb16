"""Pages: a limit, an opaque cursor, a stable order, and the position that the view had reached."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Engine, Integer, Row, Select, Table, bindparam, literal, select, tuple_

from aggregates.base import Principal
from aggregates.errors import DomainError, Problem, invalid
from projections.tables import stream_heads, view_positions
from projections.waiting import looks

MOST = 200
"""Largest page."""

S = TypeVar("S", bound=tuple[Any, ...])


@dataclass(frozen=True)
class Page:
    """Some rows, where to go on, and the log position that they show (None for what is not a view)."""

    data: list[dict[str, Any]]
    next_cursor: str | None
    as_of_position: int | None


class Reader:
    """What every group of reads has: the database, and the check of who may read."""

    def __init__(self, engine: Engine, authorize: Callable[[Principal, str], None]) -> None:
        self.engine = engine
        self.authorize = authorize

    def newest(
        self,
        principal: Principal,
        table: Table,
        time: str,
        *,
        limit: int,
        after: str | None,
        without: Sequence[str] = (),
        **equal: object,
    ) -> Page:
        """Rows of a view, newest first by its column `time`; filters that are None do not filter."""
        given = {name: value for name, value in equal.items() if value is not None}
        values = {"of_project_id": principal.project_id, **{f"of_{name}": value for name, value in given.items()}}
        if after is not None:
            values["instant"], values["last"] = decode_cursor(after, (datetime.fromisoformat, UUID))
        statement = _newest(table, time, tuple(without), tuple(given), after is not None)
        return self._page(statement, values, limit, (time, "id"), table.name)

    def one(self, principal: Principal, table: Table, id: object, code: str) -> dict[str, Any]:
        """One row by its id; an unknown one and a foreign one are refused alike, with `code`.

        One that the log has and the view has not yet is waited for, then refused with `position.not_reached`.
        """
        values = {"of_project_id": principal.project_id, "of_id": as_id(id, code)}
        with self.engine.connect() as connection:
            row = connection.execute(_one(table), values).first()
            head = None if row is not None else connection.execute(_HEAD, values).first()
        if row is None:
            # A code begins with the kind of the stream that it is about.
            if head is None or head.kind != code.partition(".")[0]:
                raise DomainError(code)
            row = self._awaited(table, values, head.position, code)
        return dict(row._mapping)

    def _awaited(self, table: Table, values: Mapping[str, object], position: int, code: str) -> Row[Any]:
        reached = 0
        for _ in looks():
            with self.engine.connect() as connection:
                # Read before the row: once the view has come so far, a row that is not there will not come.
                reached = connection.execute(_POSITION, {"view": table.name}).scalar() or 0
                row = connection.execute(_one(table), values).first()
            if row is not None:
                return row
            if reached >= position:
                raise DomainError(code)
        raise DomainError("position.not_reached", details={"reached": reached, "asked": position})

    def page(self, statement: Select[Any], limit: int, keys: Sequence[str], view: str | None) -> Page:
        """Run a keyset statement for one row more than asked, to know whether there is a next page."""
        return self._page(statement.limit(_ROWS), {}, limit, keys, view)

    def _page(
        self, statement: Select[Any], values: Mapping[str, object], limit: int, keys: Sequence[str], view: str | None
    ) -> Page:
        if not 1 <= limit <= MOST:
            raise invalid(
                "request.invalid",
                [Problem("/limit", "field.invalid", f"A page has 1 to {MOST} rows.", limit, f"1..{MOST}", 20)],
            )
        with self.engine.connect() as connection:
            position = None
            if view is not None:
                # Read before the rows: the page is never older than it says.
                position = connection.execute(_POSITION, {"view": view}).scalar()
            rows = [dict(row._mapping) for row in connection.execute(statement, {**values, "rows": limit + 1})]
        more = rows[limit:]
        rows = rows[:limit]
        cursor = encode_cursor([rows[-1][key] for key in keys]) if more else None
        return Page(rows, cursor, position)


_ROWS = bindparam("rows", type_=Integer)

_POSITION = select(view_positions.c.position).where(view_positions.c.name == bindparam("view"))

_HEAD = select(stream_heads.c.kind, stream_heads.c.position).where(
    stream_heads.c.id == bindparam("of_id"), stream_heads.c.project_id == bindparam("of_project_id")
)


@cache
def _newest(table: Table, time: str, without: tuple[str, ...], equal: tuple[str, ...], later: bool) -> Select[Any]:
    """The statement of a list of a view. Built once: to build it costs as much as to ask it."""
    filters = [table.c[name] == bindparam(f"of_{name}") for name in ("project_id", *equal)]
    if later:
        filters.append(tuple_(table.c[time], table.c.id) < tuple_(bindparam("instant"), bindparam("last")))
    return shown(table, without).where(*filters).order_by(table.c[time].desc(), table.c.id.desc()).limit(_ROWS)


@cache
def _one(table: Table) -> Select[Any]:
    filters = (table.c.project_id == bindparam("of_project_id"), table.c.id == bindparam("of_id"))
    return shown(table).where(*filters)


def shown(table: Table, without: Sequence[str] = ()) -> Select[Any]:
    """Its rows as they are shown: without the project's id and some other columns."""
    hidden = {"project_id", *without}
    return select(*(c for c in table.c if c.name not in hidden))


def mine(principal: Principal, table: Table, without: Sequence[str] = ()) -> Select[Any]:
    """The rows of the principal's project, without the project's id and some other columns."""
    return shown(table, without).where(table.c.project_id == principal.project_id)


def paged(statement: Select[S], time: ColumnElement[Any], id: ColumnElement[Any], after: str | None) -> Select[S]:
    """Newest first, beginning after a cursor."""
    if after is not None:
        instant, last = decode_cursor(after, (datetime.fromisoformat, UUID))
        statement = statement.where(tuple_(time, id) < tuple_(literal(instant), literal(last)))
    return statement.order_by(time.desc(), id.desc())


def encode_cursor(values: Sequence[Any]) -> str:
    plain = [v.isoformat() if isinstance(v, datetime) else v if isinstance(v, int) else str(v) for v in values]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode().rstrip("=")


def decode_cursor(text: str, parsers: Sequence[Callable[[Any], Any]]) -> list[Any]:
    """The values of a cursor that we made; anything else is a refusal that names `after`."""
    try:
        plain = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return [parse(value) for parse, value in zip(parsers, plain, strict=True)]
    except (ValueError, TypeError, AttributeError, OverflowError, binascii.Error, RecursionError) as error:
        raise invalid(
            "request.invalid",
            [
                Problem(
                    "/after", "cursor.invalid", "Not a cursor of ours; send `next_cursor` as it came.", None, "cursor"
                )
            ],
        ) from error


def bigint(value: Any) -> int:
    """A cursor's number, as the database can hold it."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise ValueError("not a bigint")
    return value


def as_id(value: object, code: str) -> UUID:
    """An id as a UUID; a malformed one is as unknown as any other."""
    if isinstance(value, UUID):
        return value
    try:
        return UUID(str(value))
    except ValueError as error:
        raise DomainError(code) from error

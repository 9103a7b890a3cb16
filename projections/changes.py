"""What a batch of events does to the rows of a view, gathered: few statements for many events.

A row that one batch changes many times is written once, with what is left of all its changes. A change that is
reckoned from the row itself (an SQL expression) is written at once, after everything that came before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Table, bindparam, update
from sqlalchemy.dialects.postgresql import insert


class Changes:
    """Gathers what is to be written to one table; `write` sends it. Order is kept for each row."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._fresh: list[dict[str, Any]] = []
        self._changed: dict[UUID, dict[str, Any]] = {}
        self._kept: dict[tuple[Hashable, ...], dict[str, Any]] = {}

    def add(self, row: dict[str, Any]) -> None:
        """A new row by its id; one that is there already stays as it is."""
        self._fresh.append(row)

    def change(self, connection: Connection, id: UUID, values: dict[str, Any]) -> None:
        """Some columns of a row, if there is such a row."""
        if any(isinstance(value, ColumnElement) for value in values.values()):
            self.write(connection)
            connection.execute(update(self._table).where(self._table.c.id == id).values(**values))
        else:
            self._changed.setdefault(id, {}).update(values)

    def keep(self, keys: tuple[str, ...], row: dict[str, Any]) -> None:
        """A whole row, instead of one with the same keys; every row of the table is kept by the same keys."""
        self._kept[tuple(row[key] for key in keys)] = row

    def write(self, connection: Connection, keys: tuple[str, ...] = ()) -> None:
        """Write what was gathered. `keys` are those that rows are kept by."""
        if self._fresh:
            connection.execute(insert(self._table).on_conflict_do_nothing(), self._fresh)
        for names, rows in self._alike().items():
            statement = update(self._table).where(self._table.c.id == bindparam("row_id"))
            connection.execute(statement.values({name: bindparam(f"to_{name}") for name in names}), rows)
        if self._kept:
            fresh = insert(self._table)
            latest = {c.name: fresh.excluded[c.name] for c in self._table.c if c.name not in keys}
            kept = fresh.on_conflict_do_update(index_elements=keys, set_=latest)
            connection.execute(kept, list(self._kept.values()))
        self._fresh, self._changed, self._kept = [], {}, {}

    def _alike(self) -> dict[tuple[str, ...], list[dict[str, Any]]]:
        """The changed rows by the columns that change: one statement each."""
        alike: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
        for id, values in self._changed.items():
            named = {f"to_{name}": value for name, value in values.items()}
            alike[tuple(sorted(values))].append({"row_id": id, **named})
        return alike

"""What a batch of events does to the rows of a view, gathered: few statements for many events.

A row that one batch changes many times is written once, with what is left of all its changes. A change that is
reckoned from the row itself (an SQL expression) is written at once, after everything that came before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import Connection, Table, update

Row = dict[str, Any]

_PLAIN = frozenset({str, int, float, bool, type(None), dict, list, UUID, datetime})
"""What events say. Anything else in a change is an expression."""


class Changes:
    """Gathers what is to be written to one table; `write` sends it. Order is kept for each row."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._fresh: dict[UUID, Row] = {}
        self._changed: dict[UUID, Row] = {}
        self._kept: dict[tuple[Hashable, ...], Row] = {}

    def add(self, row: Row) -> None:
        """A new row by its id; one that is there already stays as it is."""
        self._fresh.setdefault(row["id"], row)

    def change(self, connection: Connection, id: UUID, values: Row) -> None:
        """Some columns of a row, if there is such a row."""
        if not _PLAIN.issuperset(map(type, values.values())):
            self.write(connection)
            connection.execute(update(self._table).where(self._table.c.id == id).values(**values))
        else:
            self._changed.setdefault(id, {}).update(values)

    def keep(self, keys: tuple[str, ...], row: Row) -> None:
        """A whole row, instead of one with the same keys; every row of the table is kept by the same keys."""
        self._kept[tuple(row[key] for key in keys)] = row

    def write(self, connection: Connection, keys: tuple[str, ...] = ()) -> None:
        """Write what was gathered. `keys` are those that rows are kept by."""
        fresh: Groups = defaultdict(list)
        for id, row in self._fresh.items():
            # Was the row there already, the event that made it changes nothing, and those after it change it again.
            changes = self._changed.pop(id, {})
            fresh[tuple(sorted(changes))].append({**row, **changes})
        changed: Groups = defaultdict(list)
        for id, changes in self._changed.items():
            changed[tuple(sorted(changes))].append({"id": id, **changes})
        for names, rows in fresh.items():
            self._send(connection, _INSERT, rows, ("id",), names)
        for names, rows in changed.items():
            self._send(connection, _UPDATE, rows, ("id",), names)
        latest = tuple(c.name for c in self._table.c if c.name not in keys)
        self._send(connection, _INSERT, list(self._kept.values()), keys, latest)
        self._fresh, self._changed, self._kept = {}, {}, {}

    def _send(
        self, connection: Connection, statement: str, rows: list[Row], keys: tuple[str, ...], latest: tuple[str, ...]
    ) -> None:
        """All rows as one document, which PostgreSQL takes apart by the types of the table."""
        if not rows:
            return
        source = "excluded" if statement is _INSERT else "told"
        filled = statement.format(
            table=self._table.name,
            columns=", ".join(rows[0]),
            keys=", ".join(keys),
            action="UPDATE SET" if latest else "NOTHING",
            latest=", ".join(f"{name} = {source}.{name}" for name in latest),
        )
        # A NaN stays one: PostgreSQL refuses it, and the view stands still instead of making something up.
        document = to_json(rows, inf_nan_mode="constants").decode()
        connection.exec_driver_sql(filled, {"rows": document})


Groups = defaultdict[tuple[str, ...], list[Row]]

# The names are those of our own tables; `told` is what the events say. As json it is read once; as jsonb it would be
# built first, which takes as long as the rest.
_INSERT = (
    "INSERT INTO {table} ({columns}) SELECT {columns} "
    "FROM json_populate_recordset(CAST(NULL AS {table}), CAST(%(rows)s AS json)) AS told "
    "ON CONFLICT ({keys}) DO {action} {latest}"
)
_UPDATE = (
    "UPDATE {table} AS t SET {latest} "
    "FROM json_populate_recordset(CAST(NULL AS {table}), CAST(%(rows)s AS json)) AS told WHERE t.id = told.id"
)

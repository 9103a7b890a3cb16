"""Whether the sequences that number rows are ahead of their tables.

Logical replication, by which a database moves to a newer PostgreSQL, carries rows and no sequences: each number that
the new server gives is taken, and each command and import fails until it has counted past them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Connection, text

from engine.errors import StartupError

NUMBERED = (("log", "notification_id"), ("people", "id"))
"""Every table and column whose numbers come from a sequence."""

SEQUENCES_NEXT = "Run `tidegate migrate`: it puts them right."


class Behind(NamedTuple):
    """A sequence that gives numbers that are taken: `given` is its latest, `highest` that of the table."""

    table: str
    column: str
    given: int
    highest: int

    def __str__(self) -> str:
        return f"that of {self.table}.{self.column} is at {self.given:,}, the table at {self.highest:,}"


def sequences_fault(connection: Connection) -> str | None:
    """Which sequences are behind their tables, as a sentence; None if none is."""
    found = list(_behind(connection))
    return f"Sequences are behind their tables: {'; '.join(map(str, found))}." if found else None


def require_sequences(connection: Connection) -> None:
    """Refuse to work with numbers that are taken. Raises StartupError."""
    fault = sequences_fault(connection)
    if fault is not None:
        raise StartupError(f"{fault} {SEQUENCES_NEXT}")


def mend_sequences(connection: Connection) -> None:
    """Move the sequences that are behind to the ends of their tables, in the caller's transaction."""
    for each in _behind(connection):
        # Whoever writes meanwhile takes a number by itself; under the lock none is taken and not yet seen.
        connection.execute(text(f"LOCK TABLE {each.table} IN SHARE ROW EXCLUSIVE MODE"))
        connection.execute(
            text(
                f"SELECT setval(pg_get_serial_sequence(:table, :column), max({each.column})) FROM {each.table}"  # noqa: S608
            ),
            {"table": each.table, "column": each.column},
        )


def _behind(connection: Connection) -> Iterator[Behind]:
    """A role that may not read a sequence cannot tell, and numbers rows all the same: then nothing is said."""
    for table, column in NUMBERED:
        row = connection.execute(
            text(
                f"SELECT max({column}) AS highest, coalesce(pg_sequence_last_value(s.name), 0) AS given "  # noqa: S608
                f"FROM (SELECT CAST(pg_get_serial_sequence(:table, :column) AS regclass) AS name) s "
                f"LEFT JOIN {table} ON true "
                "WHERE has_sequence_privilege(s.name, 'SELECT, USAGE') GROUP BY s.name"
            ),
            {"table": table, "column": column},
        ).first()
        if row is not None and row.highest is not None and row.highest > row.given:
            yield Behind(table, column, row.given, row.highest)

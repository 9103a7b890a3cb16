"""Import: a file of people, all of it or nothing.

The rows stream through COPY into a temporary table, where doubles show, and from there in one statement into `people`.
Nothing is kept in memory, so the size of a file does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, BinaryIO, cast
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    MetaData,
    Table,
    Text,
    func,
    literal,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from aggregates.errors import DomainError, Problem, invalid
from projections.patience import patient
from projections.people import merged
from projections.people_files import READERS, SHOWN_REJECTIONS, Rejections, Unreadable
from projections.tables import Instant, opt_outs, people

BATCH = 1_000
"""Rows handed to COPY at once."""

LARGE = 10_000
"""From so many rows on, an import is worth preparing for and cleaning up after."""

rows = Table(
    "people_rows",
    MetaData(),
    Column("line", BigInteger),
    Column("distinct_id", Text),
    Column("email", Text),
    Column("address", Text),
    Column("opted_out_at", Instant),
    Column("properties", JSONB),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DROP",
)


class Digested:
    """A stream of bytes whose SHA-256 is known when it has been read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._hash = stream, sha256()

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        self._hash.update(block)
        return block

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


@dataclass(frozen=True)
class ImportReport:
    """What an import did, or would do: rows = inserted + updated + unchanged when nothing is rejected.

    `addresses_changed` are known people with another address; `sha256` is of the file as far as it was read.

    `rejected` has the first hundred faults as {line, column, code, reason}, without what was sent. `columns` says what
    each column of a CSV file became, as {column, becomes}; `warnings` what was taken and is worth a look, as
    {column, code, reason}.
    """

    rows: int
    inserted: int
    updated: int
    unchanged: int
    addresses_changed: int
    sha256: str
    rejected: tuple[Mapping[str, Any], ...]
    total_rejected: int
    dry_run: bool
    columns: tuple[Mapping[str, Any], ...]
    warnings: tuple[Mapping[str, Any], ...]

    def as_data(self) -> dict[str, Any]:
        lists = {name: [dict(entry) for entry in getattr(self, name)] for name in ("rejected", "columns", "warnings")}
        return {**vars(self), **lists}


def import_people(
    conn: Connection,
    project_id: UUID,
    stream: BinaryIO,
    *,
    format: str,
    mapping: Mapping[str, str] | None = None,
    dry_run: bool = False,
    now: datetime,
) -> ImportReport:
    """Add or update people by distinct_id, in the caller's transaction.

    `mapping` renames columns of the file; one that is mapped to "" is left out. Properties are merged by name, an
    absent address stays, and nobody is opted in again. Any rejected row refuses the whole file with
    `people.rejected`, after all of it was looked at; a dry run returns the same as a report and writes nothing.
    """
    if format not in READERS:
        problem = Problem("/format", "field.invalid", "The format of the file.", None, sorted(READERS), "csv")
        raise invalid("request.invalid", [problem])
    rejections, digested = Rejections(), Digested(stream)
    with patient(conn), _temporary_table(conn):
        count = _copy(conn, READERS[format](cast("BinaryIO", digested), mapping or {}, now, rejections))
        _reject_doubles(conn, rejections)
        if rejections.total and not dry_run:
            raise _refusal(count, rejections)
        if dry_run:
            inserted, updated, moved = *_foreseen(conn, project_id), _moved(conn, project_id)
        else:
            with _prepared(conn, large=count >= LARGE):
                inserted, updated, moved = _write(conn, project_id, now)
    unchanged = count - inserted - updated
    shown = tuple(rejections.shown)
    told = (unchanged, moved, digested.hexdigest(), shown, rejections.total, dry_run)
    return ImportReport(count, inserted, updated, *told, tuple(rejections.columns), tuple(_warnings(rejections)))


def _warnings(told: Rejections) -> Iterator[Mapping[str, Any]]:
    yield from told.warnings
    if told.unwritable:
        reason = f"Nothing can be sent to the address of {told.unwritable} people: it is invalid_address in a sizing."
        yield {"column": "email", "code": "email.invalid_address", "reason": reason}


@contextmanager
def _temporary_table(conn: Connection) -> Iterator[None]:
    """The table of this import; it goes with the block, or with the transaction if that fails."""
    rows.create(conn)
    yield
    rows.drop(conn)


@contextmanager
def _prepared(conn: Connection, *, large: bool) -> Iterator[None]:
    """Room for the index on properties to take rows in bulk: half the time of a million rows.

    Afterwards its list of latecomers is emptied, which every `exact` would have to read, and the statistics are
    brought up to date, on which the plan of the next sizing depends.
    """
    if not large:
        yield
        return
    conn.execute(text("SET LOCAL work_mem = '64MB'"))
    conn.execute(text("SET LOCAL gin_pending_list_limit = '64MB'"))
    yield
    conn.execute(text("SET LOCAL work_mem TO DEFAULT"))
    conn.execute(text("SET LOCAL gin_pending_list_limit TO DEFAULT"))
    conn.execute(_EMPTY_PENDING_LIST)
    conn.execute(text("ANALYZE people"))


# Only the owner may; for anybody else autovacuum does it a little later.
_EMPTY_PENDING_LIST = text(
    "SELECT gin_clean_pending_list(oid::regclass) FROM pg_class"
    " WHERE oid = 'people_by_property'::regclass AND pg_has_role(relowner, 'USAGE')"
)


def _copy(conn: Connection, lines: Iterable[str]) -> int:
    """Stream good rows into the temporary table; how many there were."""
    connection = conn.connection.driver_connection
    assert connection is not None
    count, batch = 0, list[str]()
    with connection.cursor() as cursor, cursor.copy("COPY people_rows FROM STDIN") as copy:
        try:
            for line in lines:
                batch.append(line)
                if len(batch) == BATCH:
                    copy.write("".join(batch))
                    count += BATCH
                    batch.clear()
        except Unreadable:
            pass  # what is wrong is among the rejections
        copy.write("".join(batch))
    conn.execute(text("ANALYZE people_rows"))
    return count + len(batch)


def _reject_doubles(conn: Connection, rejections: Rejections) -> None:
    """Name every line whose distinct_id an earlier line has."""
    firsts = (
        select(rows.c.distinct_id, func.min(rows.c.line).label("line"))
        .group_by(rows.c.distinct_id)
        .having(func.count() > 1)
        .subquery("firsts")
    )
    again = (
        select(rows.c.line, firsts.c.line.label("first"), func.count().over().label("total"))
        .join(firsts, firsts.c.distinct_id == rows.c.distinct_id)
        .where(rows.c.line != firsts.c.line)
        .order_by(rows.c.line)
        .limit(SHOWN_REJECTIONS)
    )
    found = conn.execute(again).all()
    for double in found:
        reason = f"Line {double.first} has the same distinct_id."
        rejections.add(double.line, "distinct_id", "distinct_id.double", reason)
    rejections.total += found[0].total - len(found) if found else 0


def _refusal(count: int, rejections: Rejections) -> DomainError:
    problems = tuple(
        Problem(f"/{fault['line']}/{fault['column'] or ''}".rstrip("/"), fault["code"], fault["reason"])
        for fault in rejections.shown
    )
    details = {"rows": count, "total_rejected": rejections.total, "rejected": rejections.shown}
    details |= {"columns": rejections.columns, "warnings": list(_warnings(rejections))}
    return DomainError("people.rejected", details=details, problems=problems)


def _foreseen(conn: Connection, project_id: UUID) -> tuple[int, int]:
    """How many rows would be inserted and updated; a double counts once, as it could only be told once."""
    same = (
        (
            rows.c.email.is_(None)
            | ((rows.c.email == people.c.email) & rows.c.address.is_not_distinct_from(people.c.address))
        )
        & (rows.c.opted_out_at.is_(None) | people.c.opted_out_at.is_not(None))
        & (people.c.properties.op("||")(rows.c.properties) == people.c.properties)
    )
    known = (people.c.project_id == project_id) & (people.c.distinct_id == rows.c.distinct_id)
    new = people.c.id.is_(None)
    counts = select(
        func.count(rows.c.distinct_id.distinct()).filter(new),
        func.count(rows.c.distinct_id.distinct()).filter(~new, func.coalesce(same, False).is_(False)),
    ).select_from(rows.outerjoin(people, known))
    inserted, updated = conn.execute(counts).one()
    return inserted, updated


def _moved(conn: Connection, project_id: UUID) -> int:
    """How many known people get another address."""
    known = (people.c.project_id == project_id) & (people.c.distinct_id == rows.c.distinct_id)
    other = rows.c.email.is_not(None) & rows.c.address.is_distinct_from(people.c.address)
    moved = select(func.count()).select_from(rows.join(people, known)).where(other)
    return conn.execute(moved).scalar_one()


def _write(conn: Connection, project_id: UUID, now: datetime) -> tuple[int, int, int]:
    # Two imports of the same people in another order would lock each other out for ever.
    lock = func.hashtextextended(f"people import {project_id}", 0)
    conn.execute(select(func.pg_advisory_xact_lock(lock)))
    moved = _moved(conn, project_id)
    told = select(
        literal(project_id).label("project_id"),
        rows.c.distinct_id,
        rows.c.email,
        rows.c.address,
        rows.c.properties,
        rows.c.opted_out_at,
        literal(now, Instant).label("created_at"),
        literal(now, Instant).label("updated_at"),
    )
    columns = [column.name for column in told.selected_columns]
    written = (
        merged(insert(people).from_select(columns, told, include_defaults=False), now, only_changes=True)
        .returning(literal_column("people.xmax = 0").label("made"), people.c.address, people.c.opted_out_at)
        .cte("written")
    )
    # Whoever of the file is opted out, by it or before it, takes their address with them, also a new one.
    gone = written.c
    left = select(literal(project_id), gone.address, literal(""), literal("import"), func.min(gone.opted_out_at))
    left = left.where(gone.opted_out_at.is_not(None), gone.address.is_not(None)).group_by(gone.address)
    columns = ["project_id", "address", "topic", "source", "at"]
    kept = insert(opt_outs).from_select(columns, left, include_defaults=False)
    stored = kept.on_conflict_do_nothing().returning(opt_outs.c.address).cte("stored")
    counts = select(func.count().filter(written.c.made), func.count().filter(~written.c.made)).add_cte(stored)
    inserted, updated = conn.execute(counts).one()
    return inserted, updated, moved

"""People: the recipients of a project. Plain state, so that personal data stays out of the log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Connection,
    Engine,
    Text,
    any_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, Insert, insert
from sqlalchemy.exc import DBAPIError

from aggregates.address import normalised
from aggregates.base import Principal
from aggregates.errors import DomainError
from aggregates.values import NOBODY
from projections import consent
from projections.page import Page, Reader, bigint, decode_cursor
from projections.person_rules import PersonInput
from projections.properties import bounded, statistics, took_too_long
from projections.stored_json import as_written
from projections.tables import people

SHOWN = (
    people.c.id,
    people.c.distinct_id,
    people.c.email,
    people.c.address,
    people.c.properties,
    people.c.opted_out_at,
    people.c.created_at,
    people.c.updated_at,
)


@dataclass(frozen=True)
class Person:
    """A recipient, as stored."""

    id: int
    distinct_id: str
    email: str | None
    address: str | None
    properties: dict[str, Any]
    opted_out_at: datetime | None
    created_at: datetime
    updated_at: datetime


def upsert(conn: Connection, project_id: UUID, person: PersonInput, now: datetime) -> tuple[Person, bool]:
    """The person with this distinct_id, made or brought up to date; and whether it was made.

    Properties are merged by name, an absent address stays, and nobody is ever opted in again by this.
    """
    row = {
        "project_id": project_id,
        "distinct_id": person.distinct_id,
        "email": person.email,
        "address": person.address,
        "properties": dict(person.properties),
        "opted_out_at": person.opted_out_at,
        "created_at": now,
        "updated_at": now,
    }
    statement = merged(insert(people).values(row), now, only_changes=False)
    written = conn.execute(statement.returning(*SHOWN, literal_column("people.xmax = 0").label("made"))).one()
    if written.opted_out_at and written.address:
        consent.keep_out(conn, project_id, written.address, written.opted_out_at)
    return _person(written), bool(written.made)


def get(conn: Connection, project_id: UUID, person_id: object) -> Person:
    """The person, or `person.not_found`, alike for unknown and foreign ids."""
    row = conn.execute(
        select(*SHOWN).where(people.c.project_id == project_id, people.c.id == _as_id(person_id))
    ).one_or_none()
    if row is None:
        raise DomainError("person.not_found")
    return _person(row)


def addressed(
    conn: Connection, project_id: UUID, person_id: object | None, distinct_id: str | None
) -> tuple[int, str | None]:
    """The id and the normalised address of a person; `person.not_found`, alike for unknown and foreign ids."""
    named = people.c.distinct_id == distinct_id if person_id is None else people.c.id == _as_id(person_id)
    row = conn.execute(select(people.c.id, people.c.address).where(people.c.project_id == project_id, named)).first()
    if row is None:
        raise DomainError("person.not_found")
    return row.id, row.address


def merged(statement: Insert, now: datetime, *, only_changes: bool) -> Insert:
    """The same insert as an upsert by distinct_id; with `only_changes` a person who stays the same is not written."""
    told = statement.excluded
    email = func.coalesce(told.email, people.c.email)
    address = case((told.email.is_(None), people.c.address), else_=told.address)
    properties = people.c.properties.op("||")(told.properties)
    opted_out_at = func.coalesce(people.c.opted_out_at, told.opted_out_at)
    changed = or_(
        email.is_distinct_from(people.c.email),
        address.is_distinct_from(people.c.address),
        properties.is_distinct_from(people.c.properties),
        opted_out_at.is_distinct_from(people.c.opted_out_at),
    )
    return statement.on_conflict_do_update(
        index_elements=[people.c.project_id, people.c.distinct_id],
        set_={
            "email": email,
            "address": address,
            "properties": properties,
            "opted_out_at": opted_out_at,
            "updated_at": now,
        },
        where=changed if only_changes else None,
    )


def records(conn: Connection, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """What templates may see of these people, numbers as they were written.

    The placeholder person `NOBODY`, used by manual runs, is always included.
    """
    shown = (people.c.id, people.c.distinct_id, people.c.email, cast(people.c.properties, Text).label("properties"))
    rows = conn.execute(select(*shown).where(people.c.id == any_(_ids(ids))))
    found = {row.id: {**row._mapping, "properties": as_written(row.properties)} for row in rows}
    return {**found, NOBODY: {"id": NOBODY}} if NOBODY in ids else found


def named(conn: Connection, project_id: UUID, distinct_ids: Sequence[str]) -> dict[str, int]:
    """Who of the project has these distinct ids."""
    asked = people.c.distinct_id == any_(bindparam(None, list(distinct_ids), type_=ARRAY(Text), unique=True))
    rows = conn.execute(select(people.c.distinct_id, people.c.id).where(people.c.project_id == project_id, asked))
    return {row.distinct_id: row.id for row in rows}


def values(conn: Connection, key: str, ids: Sequence[int]) -> dict[str | None, list[int]]:
    """These people by what a property of theirs says, as text; None for those without it."""
    rows = conn.execute(
        text(
            "SELECT p.properties ->> :key AS value, array_agg(e.id ORDER BY e.id) AS ids "
            "FROM unnest(CAST(:ids AS bigint[])) AS e (id) LEFT JOIN people p ON p.id = e.id GROUP BY 1 ORDER BY 1"
        ),
        {"key": key, "ids": list(ids)},
    )
    return {row.value: row.ids for row in rows}


class PeopleReads(Reader):
    """People of the principal's project."""

    def __init__(
        self, engine: Engine, authorize: Callable[[Principal, str], None], statement_timeout_ms: int = 10_000
    ) -> None:
        super().__init__(engine, authorize)
        self._timeout = statement_timeout_ms

    def list(
        self,
        principal: Principal,
        *,
        distinct_id: str | None = None,
        email: str | None = None,
        limit: int = 20,
        after: str | None = None,
    ) -> Page:
        """By id, oldest first; `email` finds an address in whatever form it is told."""
        self.authorize(principal, "people.list")
        statement = select(*SHOWN).where(people.c.project_id == principal.project_id)
        if distinct_id is not None:
            statement = statement.where(people.c.distinct_id == distinct_id)
        if email is not None:
            told = normalised(email)
            same = people.c.address == told if told else people.c.address.is_(None) & (people.c.email == email)
            statement = statement.where(same)
        if after is not None:
            statement = statement.where(people.c.id > decode_cursor(after, (bigint,))[0])
        return self.page(statement.order_by(people.c.id), limit, ("id",), None)

    def get(self, principal: Principal, person_id: object) -> dict[str, Any]:
        """One person, with what they and their address left, and why nothing may be sent to it, if so."""
        self.authorize(principal, "people.get")
        with self.engine.connect() as connection:
            person = get(connection, principal.project_id, person_id)
            left = consent.left(connection, principal.project_id, person.id, person.address)
            suppressed = consent.suppressed(connection, principal.project_id, person.address)
        return {**vars(person), "opt_outs": left, "suppressed": suppressed}

    def properties(self, principal: Principal) -> dict[str, Any]:
        """Which properties people have: `{people, looked_at, sampled, properties: [{key, types, share, values}]}`."""
        self.authorize(principal, "people.properties")
        # A limit on a statement's time needs a transaction, which reads do without otherwise.
        try:
            with self.engine.connect() as plain:
                connection = plain.execution_options(isolation_level="READ COMMITTED")
                with connection.begin(), bounded(connection, self._timeout):
                    return statistics(connection, principal.project_id).as_data()
        except DBAPIError as error:
            if not took_too_long(error):
                raise
            raise DomainError("audience.unanswerable", "It took too long to look at the people.") from None


def _person(row: Sequence[Any]) -> Person:
    return Person(*row[: len(SHOWN)])


def _ids(ids: Sequence[int]) -> Any:
    return bindparam(None, list(ids), type_=ARRAY(BigInteger), unique=True)


def _as_id(value: object) -> int:
    """An id as a number; a malformed one is as unknown as any other."""
    digits = str(value)
    if not digits.isascii() or not digits.isdigit() or len(digits) > 18:
        raise DomainError("person.not_found")
    return int(digits)

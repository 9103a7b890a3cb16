"""A migrated database with one project, in a transaction that is rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, NullPool, create_engine, insert

from aggregates.reach import Reach
from projections.audience import Audiences
from projections.tables import projects
from tests.support.people import FOREIGN, NOW, PROJECT, add_people
from tests.support.product import Product

JOB = UUID(int=77)
ELSEWHERE = Reach()
BY_EMAIL = Reach(sends_email=True)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.connect() as conn:
        conn.execute(insert(projects), [{"id": PROJECT, "name": "ours"}, {"id": FOREIGN, "name": "theirs"}])
        yield conn
        conn.rollback()


@pytest.fixture
def product(database_url: str, tmp_path: Path) -> Iterator[Product]:
    """Of which positions count from 1."""
    built = Product(database_url, tmp_path)
    built.empty_log()
    yield built
    built.close()


@pytest.fixture
def audiences() -> Audiences:
    return Audiences(seeds=(42, -77), key=b"k" * 32, statement_timeout_ms=5_000)


@pytest.fixture
def crowd(connection: Connection) -> list[int]:
    """Eight people of ours, of whom five can be reached, three by email; and one of another project."""
    add_people(connection, {"email": "first@example.com", "properties": {"plan": "pro"}}, project=FOREIGN)
    return add_people(
        connection,
        {"email": "anna@example.com", "properties": {"plan": "pro", "city": "Lima"}, "distinct_id": "user-1042"},
        {"email": " ANNA@example.com", "properties": {"plan": "pro"}},
        {"email": "ben@example.com", "properties": {"plan": "pro", "city": None}, "opted_out_at": NOW},
        {"email": "bea@example.com", "properties": {"plan": "pro", "city": "Rome"}},
        {"email": None, "properties": {"plan": "pro"}},
        {"email": "  ", "properties": {"plan": "pro"}, "opted_out_at": NOW},
        {"email": "cleo@example.com", "properties": {"plan": "pro"}},
        {"email": "dora@example.com", "properties": {"plan": "free"}},
    )


def size(conn: Connection, audiences: Audiences, who: Any, *, reach: Reach = ELSEWHERE, **options: Any) -> Any:
    return audiences.size(conn, PROJECT, who, reach=reach, now=NOW, **options)


def freeze(
    conn: Connection, audiences: Audiences, who: Any, *, reach: Reach = ELSEWHERE, chunk_size: int = 2, job: UUID = JOB
) -> Any:
    return audiences.freeze(conn, job, PROJECT, who, reach=reach, chunk_size=chunk_size, now=NOW)

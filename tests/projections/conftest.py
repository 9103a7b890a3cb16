"""A migrated database with one project, in a transaction that is rolled back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, NullPool, create_engine, insert

from projections.audience import Audiences
from projections.tables import projects
from tests.support.people import FOREIGN, PROJECT


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.connect() as conn:
        conn.execute(insert(projects), [{"id": PROJECT, "name": "ours"}, {"id": FOREIGN, "name": "theirs"}])
        yield conn
        conn.rollback()


@pytest.fixture
def audiences() -> Audiences:
    return Audiences(seeds=(42, -77), key=b"k" * 32, statement_timeout_ms=5_000)

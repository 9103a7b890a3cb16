"""The schema's history ends where the tables are, and carries over what was there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, NullPool, create_engine, text

from engine.migrate import _config, migrate, pending
from projections.tables import metadata
from tests.support.databases import Databases


@pytest.fixture
def empty(databases: Databases) -> Iterator[Engine]:
    url = databases.create_empty()
    engine = create_engine(url, poolclass=NullPool)
    yield engine
    databases.drop(url)


def test_the_migrations_end_where_the_tables_are(empty: Engine) -> None:
    migrate(empty)
    with empty.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []
        assert pending(connection) == []


def test_a_key_keeps_its_cap_and_the_views_are_filled_again(empty: Engine) -> None:
    with empty.begin() as connection:
        command.upgrade(_config(connection), "0001")
        connection.execute(text("INSERT INTO projects (id, name) VALUES (gen_random_uuid(), 'p')"))
        connection.execute(
            text(
                "INSERT INTO api_keys (id, project_id, name, scopes, hash, max_audience) "
                "SELECT n, id, n, '{}', '', CASE n WHEN 'capped' THEN 500 END "
                "FROM projects, unnest(ARRAY['capped', 'free']) n"
            )
        )
        connection.execute(
            text("INSERT INTO view_positions (name, position) VALUES ('schedules', 9), ('workflows', 9)")
        )
    migrate(empty)
    with empty.connect() as connection:
        limits = connection.execute(text("SELECT id, limits FROM api_keys ORDER BY id")).all()
        positions = connection.execute(text("SELECT name, position FROM view_positions ORDER BY name")).all()
    assert [tuple(row) for row in limits] == [("capped", {"max_audience": 500}), ("free", {})]
    assert [tuple(row) for row in positions] == [("schedules", 0), ("workflows", 9)]

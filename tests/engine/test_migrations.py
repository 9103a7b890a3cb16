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


def test_who_was_woken_before_goes_on_with_the_chunk_that_did_so(empty: Engine) -> None:
    with empty.begin() as connection:
        command.upgrade(_config(connection), "0005")
        connection.execute(
            text(
                "INSERT INTO chunks (job_id, number, person_ids, size, state) SELECT gen_random_uuid(), c.* FROM "
                "(VALUES (0, CAST('{1,2,3}' AS bigint[]), 3, 'sending'), (1, '{1}', 0, 'done'), (2, '{1}', 0, 'ready'),"
                " (3, '{2}', 0, 'done')) c"
            )
        )
        connection.execute(text("UPDATE chunks SET job_id = (SELECT job_id FROM chunks WHERE number = 0)"))
        connection.execute(
            text(
                "INSERT INTO runs (job_id, person_id, status, steps, updated_at) "
                "SELECT job_id, r.*, '[]', now() FROM chunks, "
                "(VALUES (1, 'in_progress'), (2, 'waiting'), (3, 'in_progress')) r WHERE number = 0"
            )
        )
    migrate(empty)
    with empty.connect() as connection:
        found = connection.execute(text("SELECT person_id, resumed_by FROM runs ORDER BY person_id")).all()
    assert [tuple(row) for row in found] == [(1, 2), (2, None), (3, None)]


def test_people_of_before_get_their_address_and_stay_opted_out_by_it(empty: Engine) -> None:
    with empty.begin() as connection:
        command.upgrade(_config(connection), "0007")
        connection.execute(
            text(
                "INSERT INTO people (project_id, distinct_id, email, opted_out_at) "
                "SELECT gen_random_uuid(), e, e, at FROM (VALUES (' Ann@Example.com', now()), "
                "('bob@bücher.example', NULL), ('a..b@example.com', now())) x (e, at)"
            )
        )
    migrate(empty)
    with empty.connect() as connection:
        addresses = connection.execute(text("SELECT address FROM people ORDER BY id")).scalars().all()
        left = connection.execute(text("SELECT address, topic FROM opt_outs")).all()
    assert addresses == ["ann@example.com", "bob@xn--bcher-kva.example", None]
    assert [tuple(row) for row in left] == [("ann@example.com", "")]

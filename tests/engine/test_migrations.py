"""The schema's history ends where the tables are, and carries over what was there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, NullPool, create_engine, text

from aggregates.base import Aggregate, Event, decode, encode, fold
from engine import migrate as migrating
from engine.bootstrap import secret_check
from engine.errors import StartupError
from engine.health import is_fenced, joined
from engine.migrate import VERSION_TABLE, migrate, pending, require_schema, revisions, upgrade
from engine.secrets import Secrets
from engine.settings import load_settings
from projections.outside import values_of
from projections.tables import metadata
from tests.support.databases import Databases
from tests.support.lives import lives
from tests.support.product import Product

OPTIONS = {"version_table": VERSION_TABLE}


@pytest.fixture
def empty(databases: Databases) -> Iterator[Engine]:
    url = databases.create_empty()
    engine = create_engine(url, poolclass=NullPool)
    yield engine
    databases.drop(url)


def test_the_migrations_end_where_the_tables_are(empty: Engine) -> None:
    migrate(empty)
    with empty.connect() as connection:
        context = MigrationContext.configure(connection, opts={**OPTIONS, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
        assert pending(connection) == []


def test_a_schema_that_was_migrated_under_the_usual_name_goes_on_under_ours(empty: Engine) -> None:
    with empty.begin() as connection:
        upgrade(connection, "0005")
        connection.execute(text(f"ALTER TABLE {VERSION_TABLE} RENAME TO alembic_version"))
        assert pending(connection)[0] == "0006"
    migrate(empty)
    with empty.connect() as connection:
        require_schema(connection)
        assert connection.execute(text("SELECT to_regclass('alembic_version')")).scalar() is None


def test_the_migrations_of_another_application_are_left_alone(empty: Engine) -> None:
    with empty.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num text)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('theirs')"))
        assert pending(connection) == revisions()
    migrate(empty)
    with empty.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "theirs"


def test_tables_of_somebody_else_are_named(empty: Engine) -> None:
    with empty.begin() as connection:
        connection.execute(text("CREATE TABLE people (id int)"))
    with pytest.raises(StartupError, match='"people" already exists'):
        migrate(empty)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (f"DROP TABLE {VERSION_TABLE}", "has no schema of ours"),
        (f"UPDATE {VERSION_TABLE} SET version_num = '0013'", "lacks [0-9]+ migrations"),
        (f"UPDATE {VERSION_TABLE} SET version_num = '9999'", "revision 9999 is not known here"),
    ],
)
def test_a_schema_that_is_not_this_versions_is_refused_in_a_sentence(
    database_url: str, tmp_path: Path, change: str, sentence: str
) -> None:
    with closing(Product(database_url, tmp_path)) as product:
        assert joined(product.system)
        product.execute(change)
        with pytest.raises(StartupError, match=sentence):
            joined(product.system)


def test_a_table_that_is_in_use_is_waited_for_a_little_and_named(
    empty: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"LOCK_MILLISECONDS": 20, "TRIES": 2, "PAUSE_SECONDS": 0}.items():
        monkeypatch.setattr(migrating, name, value)
    with empty.begin() as connection:
        upgrade(connection, "0013")
    with empty.begin() as report:
        report.execute(text("SELECT count(*) FROM runs"))
        with pytest.raises(StartupError, match=r"The oldest open transaction is of process [0-9]+"):
            migrate(empty)
    migrate(empty)
    with empty.connect() as connection:
        require_schema(connection)


def test_an_installation_that_is_there_already_is_where_it_is_and_takes_its_name_at_the_first_start(
    empty: Engine, databases: Databases, tmp_path: Path
) -> None:
    url = empty.url.render_as_string(hide_password=False)
    with empty.begin() as connection:
        upgrade(connection, "0015")
        check = secret_check(Secrets.load_or_create(load_settings({}, directory=tmp_path, data_dir=tmp_path)))
        connection.execute(text("INSERT INTO installation (secret_check) VALUES (:check)"), {"check": check})
    migrate(empty)
    # A copy that is made before any process has started.
    copy = databases.copy(url)
    with closing(Product(url, tmp_path, installation="ours")) as here:
        assert not is_fenced(here.system)
    with closing(Product(url, tmp_path, installation="theirs")) as named:
        assert is_fenced(named.system)
    with closing(Product(copy, tmp_path, installation="ours")) as there:
        assert is_fenced(there.system)
    databases.drop(copy)


def test_a_key_keeps_its_cap_and_the_views_are_filled_again(empty: Engine) -> None:
    with empty.begin() as connection:
        upgrade(connection, "0001")
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


def test_the_indexes_of_a_view_that_was_rebuilt_have_their_names_again(empty: Engine) -> None:
    with empty.begin() as connection:
        upgrade(connection, "0013")
        connection.execute(text("CREATE TABLE batch_jobs__next (LIKE batch_jobs INCLUDING ALL)"))
        connection.execute(text("DROP TABLE batch_jobs"))
        connection.execute(text("ALTER TABLE batch_jobs__next RENAME TO batch_jobs"))
        connection.execute(text("CREATE TABLE workflows__next (LIKE workflows INCLUDING ALL)"))
    migrate(empty)
    with empty.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=OPTIONS), metadata) == []
        keys = text("SELECT relname FROM pg_class WHERE relname LIKE 'batch\\_jobs%pkey' OR relname LIKE '%next%'")
        assert list(connection.execute(keys).scalars()) == ["batch_jobs_pkey"]


def test_who_was_woken_before_goes_on_with_the_chunk_that_did_so(empty: Engine) -> None:
    with empty.begin() as connection:
        upgrade(connection, "0005")
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


PLANTED = "ann.planted@example.com"


def collected(life: Aggregate) -> list[Event]:
    return [event for event in life.collect_events() if isinstance(event, Event)]


def older(number: int, event: Event) -> dict[str, object]:
    """An event as a version before wrote it: everything in its state."""
    topic, state = encode(event)
    stored = json.loads(state)
    stored["meta"] |= {"reason": PLANTED, "idempotency_key": f"{PLANTED} {number}"}
    for name in type(event).OUTSIDE:
        stored[name] = {"offer": PLANTED} if name == "variables" else f"{PLANTED} {name}"
    if "content" in stored:
        stored["content"] = CONTENT_OF_THAT_TIME
    return {
        "id": event.originator_id,
        "version": event.originator_version,
        "topic": topic,
        "state": json.dumps(stored).encode(),
    }


LIKE_A_NAME = {"0" * 64: {"$outside": "0" * 64}}

CONTENT_OF_THAT_TIME = {
    "trigger": {
        "type": "batch",
        "filters": {"properties": [{"type": "person", "key": "email", "operator": "exact", "value": [PLANTED]}]},
    },
    "steps": [
        {"id": "note", "name": PLANTED, "type": "capture", "config": {"message": f"Hello {PLANTED}"}},
        {"id": "odd", "type": "capture", "config": {"$outside": "0" * 64}},
        PLANTED,
    ],
    "edges": [{"from": "note", "to": PLANTED}],
    "variables": [{"key": "offer", "type": "string", "default": PLANTED}],
}


def test_what_older_versions_recorded_moves_outside_the_log_and_folds_to_the_same(empty: Engine) -> None:
    old = [life for life in lives() if life.KIND in {"workflow", "schedule", "batch_job", "refusal"}]
    rows = [older(number, event) for life in old for number, event in enumerate(collected(life))]
    whole = text("SELECT originator_id, originator_version, topic, notification_id FROM log ORDER BY notification_id")
    with empty.begin() as connection:
        upgrade(connection, "0007")
        connection.execute(
            text(
                "INSERT INTO log (originator_id, originator_version, topic, state, project_id, command_id, actor, "
                "source, recorded_at) VALUES (:id, :version, :topic, :state, "
                "CAST('00000000-0000-0000-0000-000000000001' AS uuid), gen_random_uuid(), 'k', 'api', now())"
            ),
            rows,
        )
        places, before = connection.execute(whole).all(), streams(connection)
    migrate(empty)
    with empty.connect() as connection:
        assert connection.execute(whole).all() == places
        assert streams(connection) == before
        states = connection.execute(text("SELECT string_agg(convert_from(state, 'UTF8'), '') FROM log")).scalar_one()
        assert PLANTED not in states
        assert connection.execute(text("SELECT count(*) FROM outside")).scalar_one() > len(rows)


def streams(connection: Connection) -> dict[object, object]:
    """What every stream folds to, by its id. Before the migration what looks like a name is itself."""
    rows = connection.execute(text("SELECT * FROM log ORDER BY originator_id, originator_version")).all()
    values = (
        values_of(connection, ((row.project_id, row.state) for row in rows)) if has_outside(connection) else LIKE_A_NAME
    )
    events: dict[object, list[Event]] = {}
    for row in rows:
        event = decode(row.originator_id, row.originator_version, row.topic, row.state, values)
        events.setdefault(row.originator_id, []).append(event)
    return {id: (fold(found), [event.meta for event in found]) for id, found in events.items()}


def has_outside(connection: Connection) -> bool:
    return connection.execute(text("SELECT to_regclass('outside')")).scalar() is not None


def test_people_of_before_get_their_address_and_stay_opted_out_by_it(empty: Engine) -> None:
    with empty.begin() as connection:
        upgrade(connection, "0007")
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

"""A database that cannot hold every text is refused by name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, NullPool, create_engine, text

from engine.database import connected
from engine.encoding import require_encoding
from engine.errors import StartupError
from engine.ids import new_id
from engine.migrate import migrate
from tests.support.databases import Databases


@pytest.fixture(params=["LATIN1", "SQL_ASCII"])
def narrow(databases: Databases, request: pytest.FixtureRequest) -> Iterator[tuple[str, Engine]]:
    server = create_engine(databases.create_empty(), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    name = f"narrow_{new_id().hex}"
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} ENCODING '{request.param}' LOCALE 'C' TEMPLATE template0"))
        url = server.url.set(database=name).render_as_string(hide_password=False)
        yield request.param, connected(url, poolclass=NullPool)
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    databases.drop(server.url.render_as_string(hide_password=False))


def test_a_database_that_cannot_hold_every_text_is_refused(narrow: tuple[str, Engine]) -> None:
    encoding, engine = narrow
    with pytest.raises(StartupError, match=f"The database has the encoding {encoding}"):
        migrate(engine)
    with engine.connect() as connection, pytest.raises(StartupError, match=f"the encoding {encoding}"):
        require_encoding(connection)

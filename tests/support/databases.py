"""A database per test, copied from a template that is migrated once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, Connection, NullPool, create_engine, make_url, text

from engine.ids import new_id
from engine.migrate import migrate


class Databases:
    """Makes databases on one server and drops them again."""

    def __init__(self, server_url: str) -> None:
        self._server = make_url(server_url)
        self._template: str | None = None

    def create(self) -> str:
        """The URL of a fresh, migrated database."""
        if self._template is None:
            self._template = self._new(template=None)
            migrate(create_engine(self._url(self._template), poolclass=NullPool))
        return self._url(self._new(template=self._template))

    def create_empty(self) -> str:
        """The URL of a fresh database with nothing in it."""
        return self._url(self._new(template=None))

    def drop(self, url: str) -> None:
        """Drop a database, whoever is connected to it."""
        with self._admin() as connection:
            connection.execute(text(f'DROP DATABASE IF EXISTS "{make_url(url).database}" WITH (FORCE)'))

    def close(self) -> None:
        if self._template is not None:
            self.drop(self._url(self._template))

    def _new(self, *, template: str | None) -> str:
        name = f"test_{new_id().hex}"
        with self._admin() as connection:
            connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{template or "template0"}"'))
        return name

    def _url(self, name: str) -> str:
        return self._server.set(database=name).render_as_string(hide_password=False)

    @contextmanager
    def _admin(self) -> Iterator[Connection]:
        with _connected(self._server) as connection:
            yield connection


@contextmanager
def _connected(url: URL) -> Iterator[Connection]:
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection


def set_durable(server_url: str, *, durable: bool) -> None:
    """Whether a server survives a failure of the machine, or trusts it and is faster."""
    with _connected(make_url(server_url)) as connection:
        for name in ("fsync", "full_page_writes"):
            connection.execute(text(f"ALTER SYSTEM SET {name} = {'on' if durable else 'off'}"))
        connection.execute(text("SELECT pg_reload_conf()"))

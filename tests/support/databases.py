"""A database per test, copied from a template that is migrated once."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, NullPool, StaticPool, create_engine, make_url, text

from engine.ids import new_id
from engine.migrate import migrate

MEMORY = Path("/dev/shm")
ROOM = 2**30
"""Bytes that must be free before servers are put there: each process of a session writes about an eighth of it."""


class Databases:
    """Makes databases on one server and drops them again."""

    def __init__(self, server_url: str) -> None:
        self._server = make_url(server_url)
        self._template: str | None = None
        self._admin = create_engine(self._server, poolclass=StaticPool, isolation_level="AUTOCOMMIT")

    def create(self) -> str:
        """The URL of a fresh, migrated database."""
        if self._template is None:
            self._template = self._new(template=None)
            migrate(create_engine(self._url(self._template), poolclass=NullPool))
        return self._url(self._new(template=self._template))

    def create_empty(self) -> str:
        """The URL of a fresh database with nothing in it."""
        return self._url(self._new(template=None))

    def copy(self, url: str) -> str:
        """The URL of a copy of a database, to which nobody may be connected meanwhile."""
        return self._url(self._new(template=make_url(url).database))

    def drop(self, url: str) -> None:
        """Drop a database, whoever is connected to it."""
        with self._admin.connect() as connection:
            connection.execute(text(f'DROP DATABASE IF EXISTS "{make_url(url).database}" WITH (FORCE)'))

    def close(self) -> None:
        if self._template is not None:
            self.drop(self._url(self._template))
        self._admin.dispose()

    def _new(self, *, template: str | None) -> str:
        name = f"test_{new_id().hex}"
        # Small as it is, its files are copied sooner than its pages are logged.
        how = f'TEMPLATE "{template or "template0"}" STRATEGY file_copy'
        with self._admin.connect() as connection:
            connection.execute(text(f'CREATE DATABASE "{name}" {how}'))
        return name

    def _url(self, name: str) -> str:
        return self._server.set(database=name).render_as_string(hide_password=False)


@contextmanager
def _connected(url: URL) -> Iterator[Connection]:
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection


@contextmanager
def passing_folder() -> Iterator[Path]:
    """Where servers live that need not survive: in memory if there is room, because most of a database is files.

    Each is hundreds of files that are made and removed again; on a disk that takes longer than the tests.
    """
    with tempfile.TemporaryDirectory(prefix="tidegate-tests-", dir=MEMORY if _roomy(MEMORY) else None) as folder:
        yield Path(folder)


def _roomy(place: Path) -> bool:
    """Whether we may write there, and run what we write: as root, PostgreSQL runs from a copy of its binaries."""
    if not os.access(place, os.W_OK | os.X_OK) or os.statvfs(place).f_flag & os.ST_NOEXEC:
        return False
    return shutil.disk_usage(place).free >= ROOM


def set_passing(server_url: str) -> None:
    """Let a server trust the machine that it runs on, keep little of its log, and be faster."""
    settings = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "256MB"}
    with _connected(make_url(server_url)) as connection:
        for name, value in settings.items():
            connection.execute(text(f"ALTER SYSTEM SET {name} = '{value}'"))
        connection.execute(text("SELECT pg_reload_conf()"))

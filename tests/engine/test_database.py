"""The pool: sessions are ours whatever the server says, and no wait is without an end."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from psycopg import errors
from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import InternalError, OperationalError

from engine import database, store
from engine.database import connected
from engine.store import LOG_LOCK
from projections import failpoints
from projections.outage import is_outage
from projections.patience import patient, waiting
from tests.support.product import Product
from tests.support.wait import until

Open = Callable[..., Engine]


@pytest.fixture
def opened() -> Iterator[Open]:
    engines: list[Engine] = []

    def open_engine(url: str, **options: Any) -> Engine:
        engines.append(connected(url, **options))
        return engines[-1]

    yield open_engine
    for engine in engines:
        engine.dispose()


def shown(engine: Engine, name: str) -> str:
    with engine.connect() as connection:
        return str(connection.scalar(text(f"SHOW {name}")))


def set_for_all(url: str, engine: Engine, setting: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(f'ALTER DATABASE "{make_url(url).database}" {setting}'))


# -- sessions


@pytest.mark.parametrize(
    "setting",
    ["SET DateStyle = 'German'", "SET standard_conforming_strings = off", "SET timezone = 'Asia/Tokyo'"],
)
def test_what_the_database_says_of_sessions_changes_nothing(
    database_url: str, tmp_path: Path, opened: Open, setting: str
) -> None:
    set_for_all(database_url, opened(database_url), setting)
    with closing(Product(database_url, tmp_path)) as product:
        workflow_id = product.workflow(description="back\\slash 'quoted'")
        row = product.system.reads.workflows.get(product.principal(), workflow_id)
        assert (row["name"], row["status"]) == ("Launch", "active")
        written = product.execute("SELECT description FROM workflows")[0][0]
        assert written == "back\\slash 'quoted'"


def test_what_the_url_says_is_kept_but_for_what_is_ours(database_url: str, opened: Open) -> None:
    options = "-csearch_path=elsewhere -c timezone=Asia/Tokyo"
    engine = opened(
        make_url(database_url)
        .update_query_dict({"options": options, "application_name": "mine"})
        .render_as_string(hide_password=False)
    )
    assert [shown(engine, name) for name in ("search_path", "timezone", "application_name")] == [
        "elsewhere",
        "UTC",
        "mine",
    ]


def test_a_session_that_only_reads_is_not_used_again(database_url: str, opened: Open) -> None:
    of_before, engine = opened(database_url), opened(database_url, pool_size=1, max_overflow=0)
    set_for_all(database_url, of_before, "SET default_transaction_read_only = on")
    with engine.connect() as connection, pytest.raises(InternalError, match="read-only") as refusal:
        connection.execute(text("CREATE TABLE kept ()"))
    assert is_outage(refusal.value)
    set_for_all(database_url, of_before, "RESET ALL")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE kept ()"))


# -- ends of waits


def test_an_answer_that_does_not_come_is_not_waited_for(database_url: str, opened: Open) -> None:
    engine = opened(database_url, pool_size=1, max_overflow=0)
    with engine.connect() as connection, waiting(0.05), pytest.raises(OperationalError, match="not answered") as error:
        connection.execute(text("SELECT pg_sleep(3600)"))
    assert is_outage(error.value)
    assert shown(engine, "timezone") == "UTC"


class Wire:
    """A way to the server that falls silent: what is connected stays so, and carries nothing any more."""

    def __init__(self, folder: Path, target: str) -> None:
        self.silenced = 0
        self._target = target
        self._taken: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / Path(target).name))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._target)
                self._taken += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(source, sink, len(self._taken)), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, number: int) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if number > self.silenced:
                    sink.sendall(data)

    def fall_silent(self) -> None:
        self.silenced = len(self._taken)

    def close(self) -> None:
        for taken in (self._listener, *self._taken):
            with suppress(OSError):
                taken.shutdown(socket.SHUT_RDWR)
            taken.close()


@pytest.fixture
def wire(database_url: str) -> Iterator[tuple[Wire, str]]:
    """The wire, and the URL of the database at its end."""
    url = make_url(database_url)
    host = url.query.get("host") or url.host or ""
    port = url.query.get("port") or url.port or 5432
    with tempfile.TemporaryDirectory(prefix="tg") as folder:
        wire = Wire(Path(folder), f"{host}/.s.PGSQL.{port}")
        yield wire, url.update_query_dict({"host": folder}).render_as_string(hide_password=False)
        wire.close()


def test_a_connection_that_carries_nothing_any_more_is_replaced(
    wire: tuple[Wire, str], opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "STALE_SECONDS", 0.0)
    monkeypatch.setattr(database, "PROBE_SECONDS", 0.05)
    silent, url = wire
    engine = opened(url, pool_size=2, max_overflow=0)
    with engine.connect() as one, engine.connect() as two:
        before = {connection.scalar(text("SELECT pg_backend_pid()")) for connection in (one, two)}
    silent.fall_silent()
    with engine.connect() as one, engine.connect() as two:
        after = {connection.scalar(text("SELECT pg_backend_pid()")) for connection in (one, two)}
    assert len(before | after) == 4


def test_whoever_waits_behind_a_frozen_process_is_told_so(
    database_url: str, tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(database.SESSION, "lock_timeout", "50ms")
    with closing(Product(database_url, tmp_path)) as product:
        with opened(database_url).begin() as frozen:
            frozen.execute(text(f"SELECT pg_advisory_xact_lock({LOG_LOCK})"))
            with pytest.raises(errors.LockNotAvailable) as refusal:
                product.workflow()
            assert is_outage(refusal.value)
        product.workflow()


def test_a_process_that_is_frozen_before_its_commit_holds_up_nobody_for_long(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(database.SESSION, "lock_timeout", "1s")
    monkeypatch.setattr(store, "LOG_IDLE", "50ms")
    there, thawed, lost = threading.Event(), threading.Event(), list[bool]()

    def stop(point: str) -> None:
        if point == "before_commit" and threading.current_thread() is not threading.main_thread():
            there.set()
            thawed.wait()

    def create(product: Product) -> None:
        try:
            product.workflow()
        except Exception as error:  # noqa: BLE001  # which one depends on what has arrived
            lost.append(is_outage(error))

    with closing(Product(database_url, tmp_path)) as product:
        monkeypatch.setattr(failpoints, "reach", stop)
        frozen = threading.Thread(target=create, args=[product])
        frozen.start()
        there.wait()
        try:
            product.workflow()
        finally:
            thawed.set()
            frozen.join()
    assert lost == [True]


def test_a_transaction_in_which_nothing_happens_ends(
    database_url: str, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = opened(database_url)
    monkeypatch.setitem(database.SESSION, "idle_in_transaction_session_timeout", "50ms")
    with opened(database_url).connect() as frozen:
        pid = frozen.scalar(text("SELECT pg_backend_pid()"))
        with watcher.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            alive = text(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}")
            until(lambda: connection.scalar(alive) == 0, what="the server has ended it")
        with pytest.raises(Exception) as error:  # noqa: PT011  # which one depends on what has arrived
            frozen.execute(text("SELECT 1"))
    assert is_outage(error.value)


def test_what_touches_everybody_may_take_long(database_url: str, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(database.SESSION, "statement_timeout", "20ms")
    with opened(database_url).begin() as connection:
        with patient(connection):
            connection.execute(text("SELECT pg_sleep(0.1)"))
        assert connection.scalar(text("SHOW statement_timeout")) == "20ms"
        with pytest.raises(OperationalError, match="statement timeout"):
            connection.execute(text("SELECT pg_sleep(3600)"))

"""A pooler that gives each transaction another session is refused by name, and a server never is."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from engine.bootstrap import build
from engine.cli import doctor
from engine.cli.tree import prepare
from engine.database import connected
from engine.errors import StartupError
from engine.health import joined
from engine.pooler import PoolerError, refuse_pooler
from engine.settings import load_settings
from tests.support.pooler import Pooler

Pooled = Callable[..., str]

MODES = [
    pytest.param({"options": "refused", "sessions": 1}, "refuses the settings of a session", id="options refused"),
    pytest.param({"options": "dropped", "sessions": 2}, "drops the settings of a session", id="options dropped"),
    *(
        pytest.param({"options": "handed on", "sessions": count}, "in transaction mode", id=f"{count} sessions")
        for count in (1, 2, 3)
    ),
]


@pytest.fixture
def pooled(database_url: str) -> Iterator[Pooled]:
    """Makes the URL of the database behind a pooler."""
    url = make_url(database_url)
    server = f"{url.query.get('host') or url.host or ''}/.s.PGSQL.{url.query.get('port') or url.port or 5432}"
    with ExitStack() as stack:

        def behind(*, options: str, sessions: int) -> str:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tg")))
            login = {"user": url.username or "postgres", "database": url.database or ""}
            pooler = Pooler(folder, server, sessions=sessions, options=options, **login)
            stack.enter_context(closing(pooler))
            return url.update_query_dict({"host": str(folder)}).render_as_string(hide_password=False)

        yield behind


@pytest.mark.parametrize(("mode", "sentence"), MODES)
def test_a_process_does_not_start_behind_a_pooler_in_transaction_mode(
    pooled: Pooled, tmp_path: Path, mode: dict[str, object], sentence: str
) -> None:
    settings = load_settings({}, directory=tmp_path, data_dir=tmp_path, database_url=pooled(**mode))
    with closing(build(settings)) as system, pytest.raises(StartupError, match=f"{sentence}.*direct address"):
        joined(system)
    with pytest.raises(PoolerError, match=sentence):
        prepare(settings)
    (finding,) = doctor._database(settings)
    assert (finding.what, finding.state) == ("database", "fail")
    assert sentence in finding.found


def test_a_server_is_told_from_a_pooler_whatever_its_role_and_database_set(database_url: str) -> None:
    engine = connected(database_url)
    with engine.begin() as connection:
        name = make_url(database_url).database
        connection.execute(text(f"ALTER DATABASE \"{name}\" SET statement_timeout = '7s'"))
    engine.dispose()
    refuse_pooler(engine)
    engine.dispose()

"""The fixtures that everybody uses: two real servers, and a database per test.

TIDEGATE_DATABASE_URL and TIDEGATE_REDIS_URL, where they are set, name servers to use instead of the embedded ones.
The database user must be allowed to create databases; the logical databases 1 to 15 of the Redis are emptied.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from functools import cache

import httpcore2
import pytest

from engine.embedded import Embedded, Services
from engine.settings import PREFIX
from tests.support.brokers import emptied
from tests.support.databases import Databases, passing_folder, set_passing


def pytest_collection_finish() -> None:
    """What stays until the end is looked through by the garbage collector no more, and the rest less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def given_urls() -> Iterator[dict[str, str]]:
    """The TIDEGATE_ variables of whoever runs the tests, taken out of the environment: no test depends on them."""
    with pytest.MonkeyPatch.context() as patch:
        given = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
        for name in given:
            patch.delenv(name)
        yield given


@pytest.fixture(scope="session", autouse=True)
def certificates() -> Iterator[None]:
    """Read once, and not for every client: that takes longer than most tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpcore2, "default_ssl_context", cache(httpcore2.default_ssl_context))
        yield


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Children that a test interrupts listen, also where the tests run in the background of a script.

    A shell without job control lets what it starts there ignore SIGINT, and all that is started from it inherits that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def services(given_urls: dict[str, str]) -> Iterator[Services]:
    """The URLs of a PostgreSQL and a Redis or Valkey that live as long as the test session."""
    database_url, redis_url = (given_urls.get(f"{PREFIX}{name}_URL") for name in ("DATABASE", "REDIS"))
    if database_url and redis_url:
        yield Services(database_url, redis_url)
        return
    with passing_folder() as folder, Embedded(folder) as embedded:
        # Its databases are made and dropped by the hundred; tests that kill servers start servers of their own.
        set_passing(embedded.database_url)
        yield Services(database_url or embedded.database_url, redis_url or embedded.redis_url)


@pytest.fixture(scope="session")
def databases(services: Services) -> Iterator[Databases]:
    """Where a test that needs more than one database gets them."""
    made = Databases(services.database_url)
    yield made
    made.close()


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """The URL of a fresh, migrated database; dropped after the test."""
    url = databases.create()
    yield url
    databases.drop(url)


@pytest.fixture
def redis_url(services: Services, worker_id: str) -> str:
    """The URL of an empty logical database."""
    return emptied(services.redis_url, worker_id)

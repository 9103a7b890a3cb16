"""The field of a test: live, with two humans and as many agents as it wants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.reach.field import Field, opened
from tests.support.databases import Databases

Open = Callable[..., Field]

COMMANDS = 150
"""Commands of a short campaign."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long the random agents go on; only where this folder is asked for by name."""
    parser.addoption("--seeds", type=int, default=1, help="Campaigns of random agents.")
    parser.addoption("--commands", type=int, default=COMMANDS, help="Commands of each campaign.")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes a seed runs with each of those asked for."""
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(int(metafunc.config.getoption("--seeds", 1))))


@pytest.fixture
def field_with(databases: Databases, tmp_path: Path) -> Iterator[Open]:
    """Opens a field under settings of the test's own."""
    with ExitStack() as stack:

        def open_field(**settings: Any) -> Field:
            url = databases.create()
            stack.callback(databases.drop, url)
            home = tmp_path / url.rpartition("/")[2].partition("?")[0]
            return stack.enter_context(opened(url, home, **settings))

        yield open_field


@pytest.fixture
def field(field_with: Open) -> Field:
    """Live, with every default."""
    return field_with()


@pytest.fixture
def relayed(field_with: Open) -> Field:
    """Live, where an agent's count and token are enough."""
    return field_with(confirmation="relayed")

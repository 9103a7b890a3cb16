"""A product over a fresh database, for commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.product import Product


@pytest.fixture
def product(database_url: str, tmp_path: Path) -> Iterator[Product]:
    built = Product(database_url, tmp_path)
    yield built
    built.close()

"""Sequences that logical replication has left behind their tables are named, and put right by `migrate`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from engine.errors import StartupError
from engine.health import joined
from engine.migrate import migrate
from engine.sequences import NUMBERED, sequences_fault
from tests.support.product import Product

AS_REPLICATED = "SELECT setval(pg_get_serial_sequence('log', 'notification_id'), 1, false)"

IDENTITIES = (
    "SELECT table_name, column_name FROM information_schema.columns "
    "WHERE table_schema = current_schema AND (is_identity = 'YES' OR column_default LIKE 'nextval%') ORDER BY 1"
)


@pytest.fixture
def product(database_url: str, tmp_path: Path) -> Iterator[Product]:
    with closing(Product(database_url, tmp_path)) as product:
        yield product


def test_every_column_that_a_sequence_numbers_is_looked_at(product: Product) -> None:
    assert [tuple(row) for row in product.execute(IDENTITIES)] == list(NUMBERED)


def test_a_sequence_behind_its_table_is_named_at_the_start_and_mended_by_migrate(product: Product) -> None:
    product.workflow()
    assert joined(product.system)
    (highest,) = product.execute("SELECT max(notification_id) FROM log")[0]
    product.execute(AS_REPLICATED)
    sentence = rf"log\.notification_id is at 0, the table at {highest}\. Run `tidegate migrate`"
    with pytest.raises(StartupError, match=sentence):
        joined(product.system)
    migrate(product.system.engine)
    assert joined(product.system)
    product.workflow()
    with product.system.engine.connect() as connection:
        assert sequences_fault(connection) is None

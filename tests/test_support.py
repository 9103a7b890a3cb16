"""The fixtures keep their word: no test sees what another one left."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
import redis
from sqlalchemy import NullPool, create_engine, inspect, text

from commands.workflow import ArchiveWorkflow
from projections.tables import metadata
from tests.support.databases import Databases
from tests.support.followers import rows
from tests.support.gates import beginning, somebody_waits
from tests.support.product import Product
from tests.support.wait import until


def test_a_fresh_database_has_every_table_and_is_empty(database_url: str) -> None:
    engine = create_engine(database_url, poolclass=NullPool)
    assert set(metadata.tables) <= set(inspect(engine).get_table_names())
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM log")) == 0


def test_two_databases_share_nothing(database_url: str, databases: Databases) -> None:
    other = databases.create_empty()
    try:
        engine = create_engine(other, poolclass=NullPool)
        assert inspect(engine).get_table_names() == []
    finally:
        databases.drop(other)


@pytest.mark.parametrize("turn", [1, 2])
def test_a_fresh_broker_is_empty(redis_url: str, turn: int) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("left", turn)


def test_waiting_for_what_never_comes_fails_and_says_for_what() -> None:
    with pytest.raises(AssertionError, match="the moon"):
        until(lambda: False, seconds=0.01, what="the moon")


def test_what_another_runner_has_in_hand_is_waited_for(database_url: str, tmp_path: Path) -> None:
    with closing(Product(database_url, tmp_path)) as product:
        workflow_id = product.workflow()
        with product.system.engine.connect() as other:
            other.execute(text("SELECT name FROM view_positions FOR UPDATE"))
            with beginning(lambda: product.ask(ArchiveWorkflow(workflow_id))) as answer:
                somebody_waits(product.system.engine)
                other.rollback()
                answer.result()
        assert [row.status for row in rows(product)] == ["archived"]

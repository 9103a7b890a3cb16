"""The fixtures keep their word: no test sees what another one left."""

from __future__ import annotations

import pytest
import redis
from sqlalchemy import NullPool, create_engine, inspect, text

from projections.tables import metadata
from tests.support.databases import Databases
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

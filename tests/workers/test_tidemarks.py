"""What the broker remembers of a log."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
import redis

from engine.fence import Tidemark
from workers.tidemarks import Tidemarks

TIDEMARK = Tidemark(datetime(2026, 11, 29, 2, 0, 0, 7, UTC), 41, UUID(int=7))


def test_each_location_has_its_own_until_the_broker_is_emptied(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        tidemarks = Tidemarks(client)
        tidemarks.remember("1/2", TIDEMARK)
        assert (tidemarks.recall("1/2"), tidemarks.recall("1/3")) == (TIDEMARK, None)
        client.set("tidegate:tidemark:1/3", "[]")
        assert tidemarks.recall("1/3") is None
        client.flushdb()
        assert tidemarks.recall("1/2") is None


def test_a_broker_that_is_away_says_so() -> None:
    with redis.Redis.from_url("redis://127.0.0.1:9/0") as client:
        with pytest.raises(ConnectionError):
            Tidemarks(client).recall("1/2")
        with pytest.raises(ConnectionError):
            Tidemarks(client).remember("1/2", TIDEMARK)

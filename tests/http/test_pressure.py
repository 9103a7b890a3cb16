"""A server with more callers than it can serve: those beyond are told to come back, and nobody else notices."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from starlette.types import Receive, Scope, Send

from engine.http.pressure import Pressure
from tests.http.conftest import bearer, problem
from tests.support.product import Product
from tests.support.serving import serving
from tests.support.wait import until

MOST = 3


@pytest.fixture
def product(database_url: str, tmp_path: Path) -> Iterator[Product]:
    built = Product(database_url, tmp_path, http_port=0, http_requests=MOST)
    yield built
    built.close()


def waiting(product: Product) -> int:
    """How many sessions wait for a lock."""
    statement = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return int(product.execute(statement)[0][0])


@pytest.mark.parametrize("path", ["/api/v1/workflows", "/api/v1/no-such-thing", "/docs", "/mcp"])
def test_whoever_comes_beyond_what_a_server_has_in_hand_is_told_to_come_back(product: Product, path: str) -> None:
    with (
        serving(product.system) as url,
        httpx2.Client(base_url=url, headers=bearer(str(product.owner_key)), timeout=60, trust_env=False) as client,
        ThreadPoolExecutor(MOST) as callers,
        product.system.engine.connect() as holder,
    ):
        holder.execute(text("LOCK TABLE workflows IN ACCESS EXCLUSIVE MODE"))
        slow = [callers.submit(client.get, "/api/v1/workflows") for _ in range(MOST)]
        until(lambda: waiting(product) == MOST, what="as many requests as the server takes")
        refused = client.get(path)
        assert problem(refused, 503)["code"] == "service.busy"
        assert refused.headers["retry-after"] == "1"
        assert client.get("/health/ready").status_code == 200
        holder.rollback()
        assert [answer.result().status_code for answer in slow] == [200] * MOST
        assert client.get("/api/v1/workflows").status_code == 200


def test_requests_that_failed_are_not_in_hand_any_more(product: Product) -> None:
    with serving(product.system) as url, httpx2.Client(base_url=url, timeout=60, trust_env=False) as client:
        for path in ("/api/v1/workflows", "/nowhere", "/mcp") * MOST:
            assert client.get(path).status_code in {401, 404}
        assert client.get("/docs").status_code == 200


def test_a_request_that_never_began_to_be_answered_is_not_in_hand_any_more() -> None:
    """What is raised in here is answered further out."""

    async def fails(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise ConnectionError

    async def nothing(*_: object) -> Any:
        raise AssertionError("nobody is told anything here")

    pressure = Pressure(fails, most=1)
    for _ in range(3):
        with pytest.raises(ConnectionError):
            asyncio.run(pressure({"type": "http", "path": "/api/v1/workflows"}, nothing, nothing))

"""A server with more callers than it can serve: those beyond are told to come back, and nobody else notices."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import text
from starlette.types import Receive, Scope, Send

import engine.http.body
import engine.http.uploads
import mcp_adapter.server
from aggregates.errors import DomainError
from commands.grants import SCOPES
from engine.http import pressure
from engine.http.connections import protocol
from engine.http.pressure import Pressure
from tests.http.conftest import bearer, problem
from tests.support.agents import Agent
from tests.support.product import Product
from tests.support.serving import serving
from tests.support.wait import until

MOST = 4
SHARE = 3
ONE, OTHER = UUID(int=1), UUID(int=2)


@pytest.fixture
def product(database_url: str, tmp_path: Path) -> Iterator[Product]:
    built = Product(database_url, tmp_path, http_port=0, http_requests=MOST)
    yield built
    built.close()


@contextmanager
def asking(url: str, key: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, headers=bearer(key), timeout=60, trust_env=False) as client:
        yield client


def stranger(product: Product) -> str:
    """A key of another project."""
    system = product.system
    with system.engine.begin() as connection:
        scopes = sorted(SCOPES)
        _, plain = system.keyring.create(
            connection, product.other_project(), name="other", scopes=scopes, now=product.clock.now()
        )
    return plain


def waiting(product: Product) -> int:
    """How many sessions wait for a lock."""
    statement = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return int(product.execute(statement)[0][0])


@pytest.mark.parametrize("path", ["/api/v1/batch-jobs", "/api/v1/no-such-thing", "/docs", "/mcp"])
def test_whoever_comes_beyond_what_a_server_has_in_hand_is_told_to_come_back(product: Product, path: str) -> None:
    with (
        serving(product.system) as url,
        asking(url, str(product.owner_key)) as client,
        asking(url, stranger(product)) as other,
        ThreadPoolExecutor(MOST) as callers,
        product.system.engine.connect() as holder,
    ):
        holder.execute(text("LOCK TABLE workflows IN ACCESS EXCLUSIVE MODE"))
        slow = [callers.submit(client.get, "/api/v1/workflows") for _ in range(SHARE)]
        until(lambda: waiting(product) == SHARE, what="as many requests as a project has")
        said = problem(client.get("/api/v1/batch-jobs"), 503)
        assert (said["code"], said["details"]) == ("service.busy", {"limit": SHARE})
        assert other.get("/api/v1/batch-jobs").status_code == 200
        slow.append(callers.submit(other.get, "/api/v1/workflows"))
        until(lambda: waiting(product) == MOST, what="as many requests as the server takes")
        for whoever in (client, other):
            refused = whoever.get(path)
            assert problem(refused, 503)["details"] == {"limit": MOST}
            assert refused.headers["retry-after"] == "1"
        assert client.get("/health/ready").status_code == 200
        holder.rollback()
        assert [answer.result().status_code for answer in slow] == [200] * MOST
        assert client.get("/api/v1/workflows").status_code == 200


# -- callers who only wait


def half(url: str, path: str, key: str, stack: ExitStack) -> socket.socket:
    """A request of which the body does not come."""
    host, port = url.removeprefix("http://").split(":")
    connection = stack.enter_context(socket.create_connection((host, int(port)), timeout=60))
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {key}\r\nContent-Length: 100\r\n"
        f"Content-Type: {'text/csv' if 'import' in path else 'application/json'}\r\n"
        "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-11-25\r\n\r\n{"
    )
    connection.sendall(head.encode())
    return connection


def answered(connection: socket.socket) -> dict[str, Any]:
    """The problem document that comes on a connection, which then may stay open."""
    head, _, body = taken(connection, b"\r\n\r\n").partition(b"\r\n\r\n")
    while not body.endswith(b"}"):
        body += connection.recv(65_536)
    assert head.startswith(b"HTTP/1.1 ")
    return dict(json.loads(body))


def taken(connection: socket.socket, until: bytes) -> bytes:
    """What comes, until it holds something."""
    said = b""
    while until not in said and (more := connection.recv(65_536)):
        said += more
    return said


@pytest.mark.parametrize("path", ["/mcp", "/mcp/studio", "/api/v1/workflows", "/api/v1/people:import"])
def test_a_body_that_does_not_come_keeps_nobody_waiting(
    product: Product, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.http.body, "SECONDS", 3600.0)
    monkeypatch.setattr(engine.http.uploads, "IDLE_SECONDS", 3600.0)
    key = str(product.owner_key)
    with serving(product.system) as url, ExitStack() as stack, asking(url, key) as client:
        for _ in range(MOST):
            half(url, path, key, stack)
        # One more than a project may have waiting: when it is told, the others are known to wait.
        until(lambda: refused(url, path, key, stack), what="as many wait as may")
        until(lambda: client.get("/api/v1/workflows").status_code == 200, what="nobody is in hand any more")


def refused(url: str, path: str, key: str, stack: ExitStack) -> bool:
    """Whether one more may not wait; who waits after all goes on waiting."""
    connection = half(url, path, key, stack)
    connection.settimeout(0.2)
    try:
        return bool(answered(connection)["code"] == "service.busy")
    except TimeoutError:
        return False


@pytest.mark.parametrize("path", ["/mcp", "/mcp/studio", "/api/v1/workflows"])
def test_a_body_has_so_long_and_no_longer(product: Product, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.http.body, "SECONDS", 0.05)
    with serving(product.system) as url, ExitStack() as stack:
        assert answered(half(url, path, str(product.owner_key), stack))["code"] == "request.too_slow"


def test_whoever_waits_for_a_job_keeps_nobody_waiting(product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    product.add_people(1)
    job_id = product.run(product.workflow())
    inside: list[None] = []

    @contextmanager
    def seen() -> Iterator[None]:
        with pressure.aside():
            inside.append(None)
            yield
            inside.pop()

    monkeypatch.setattr(mcp_adapter.server, "aside", seen)
    key = str(product.owner_key)
    with serving(product.system) as url, asking(url, key) as client, ThreadPoolExecutor(MOST) as callers:
        ask = partial(Agent(f"{url}/mcp", key).call, "batch-jobs-get", batch_job_id=str(job_id), wait_seconds=25)
        waits: list[Future[dict[str, Any]]] = []
        while len(waits) < MOST:
            waits.append(callers.submit(ask))
            until(lambda: len(inside) == len(waits), what="so many wait")
        assert client.get("/api/v1/workflows").status_code == 200
        product.clock.advance(seconds=30)
        assert {wait.result()["status"] for wait in waits} == {"queued"}


def test_a_place_is_left_and_taken_again() -> None:
    """A task of a request that has ended changes nothing any more."""
    counts = pressure._Counts(MOST)
    first = pressure.Turn(counts)
    first.claim(ONE)
    with first.aside(), first.aside():
        assert (counts.held.total(), counts.aside.total()) == (0, 1)
    assert (counts.held, counts.aside) == ({ONE: 1}, {})
    with first.aside():
        first.end()
        assert not counts.aside
    assert not counts.held
    turns = [pressure.Turn(counts) for _ in range(MOST)]
    with pytest.raises(DomainError, match="in hand"):
        pressure.Turn(counts)
    for turn in turns[:SHARE]:
        turn.claim(ONE)
    with pytest.raises(DomainError, match="in hand"):
        turns[-1].claim(ONE)
    turns[-1].claim(OTHER)


# -- connections


@pytest.mark.parametrize("said", [b"", b"GET /health/live HT", b"GET /health/live HTTP/1.1\r\nHost: x\r\n"])
def test_a_connection_that_does_not_say_what_it_wants_is_closed(product: Product, said: bytes) -> None:
    with serving(product.system, http=protocol(head_seconds=0.05)) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(said)
            assert connection.recv(1) == b""


def test_a_second_request_has_as_long_as_the_first(product: Product) -> None:
    with serving(product.system, http=protocol(head_seconds=0.05), timeout_keep_alive=600) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"200 OK" in taken(connection, b"}")
            connection.sendall(b"GET /health/live HT")
            assert taken(connection, b"never") == b""


def test_a_server_takes_no_more_connections_than_it_has_room_for(product: Product) -> None:
    with serving(product.system, http=protocol(most=1)) as url:
        host, port = url.removeprefix("http://").split(":")
        with asking(url, str(product.owner_key)) as client:
            assert client.get("/health/live").status_code == 200
            with socket.create_connection((host, int(port)), timeout=60) as connection:
                assert closed(connection)
            assert client.get("/health/live").status_code == 200
        until(lambda: reachable(url), what="there is room again")


def closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def reachable(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/health/live", timeout=60, trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False


# -- what has failed


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

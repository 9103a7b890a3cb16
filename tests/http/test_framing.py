"""Where a request ends: one length, and a caller who goes away in the middle."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.product import Product
from tests.support.serving import serving


@pytest.fixture
def product(database_url: str, tmp_path: Path) -> Iterator[Product]:
    with closing(Product(database_url, tmp_path)) as made:
        yield made


def connected(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=60)


def head(url: str, path: str, key: str, *lines: str) -> bytes:
    shown = [
        f"POST {path} HTTP/1.1",
        f"Host: {url.removeprefix('http://')}",
        f"Authorization: Bearer {key}",
        "Content-Type: application/json",
    ]
    shown += ["Accept: application/json, text/event-stream", "MCP-Protocol-Version: 2025-11-25"]
    return "\r\n".join([*shown, *lines, "", ""]).encode()


@pytest.mark.parametrize("path", ["/api/v1/workflows", "/mcp", "/health/live"])
@pytest.mark.parametrize("first", [0, 1])
def test_a_body_with_two_lengths_is_refused_and_nothing_behind_it_is_read(
    product: Product, path: str, first: int
) -> None:
    lengths = ["Content-Length: 4", "Transfer-Encoding: chunked"]
    with serving(product.system) as url, connected(url) as connection:
        request = head(url, path, str(product.owner_key), lengths[first], lengths[1 - first]) + b"0\r\n\r\n"
        connection.sendall(request + b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        said = b""
        while more := connection.recv(65_536):
            said += more
    assert said.startswith(b"HTTP/1.1 400 ")
    assert said.count(b"HTTP/1.1 ") == 1
    assert b"/Content-Length" in said


@pytest.mark.parametrize("path", ["/api/v1/workflows", "/mcp", "/mcp/studio"])
def test_a_caller_who_hangs_up_in_the_middle_is_no_failure(
    product: Product, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    # The server ends when whatever it had in hand has ended.
    with serving(product.system) as url, connected(url) as connection:
        connection.sendall(head(url, path, str(product.owner_key), "Content-Length: 100") + b"{")
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []

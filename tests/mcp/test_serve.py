"""The process that serves both doors."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from engine.errors import StartupError
from engine.settings import child_environment, load_settings
from mcp_adapter.auth import Address
from mcp_adapter.serve import announced, config, listening
from tests.support.processes import ROOT
from tests.support.wait import until


def test_an_idle_connection_outlives_what_proxies_and_clients_keep() -> None:
    assert config(FastAPI()).timeout_keep_alive > 60


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_announces_its_url_and_stops_when_it_is_told(
    database_url: str, tmp_path: Path, number: signal.Signals
) -> None:
    environment = child_environment(
        TIDEGATE_DATABASE_URL=database_url, TIDEGATE_DATA_DIR=str(tmp_path), TIDEGATE_HTTP_PORT="0"
    )
    announcement = tmp_path / "url"
    process = subprocess.Popen(
        [sys.executable, "-m", "mcp_adapter"], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        until(announcement.exists, seconds=30, what="the URL is announced")
        url = announcement.read_text().strip()
        assert httpx2.get(f"{url}/health/live", timeout=30, trust_env=False).status_code == 200
        assert httpx2.post(f"{url}/mcp", timeout=30, trust_env=False).status_code == 401
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, announcement.exists()) == (0, False)
    assert "Traceback" not in said


def test_a_port_that_is_taken_is_refused_in_words() -> None:
    with listening("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartupError, match=f"Cannot listen on 127.0.0.1 port {port}"), listening("127.0.0.1", port):
            pass


def test_the_announcement_of_a_later_server_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "url"
    with announced(path, "http://127.0.0.1:1"):
        path.write_text("http://127.0.0.1:2\n")
    assert path.read_text() == "http://127.0.0.1:2\n"


def test_a_server_runs_where_nothing_can_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a file").touch()
    with announced(tmp_path / "a file" / "data" / "url", "http://127.0.0.1:1"):
        assert "Not a directory" in caplog.text
        assert "TIDEGATE_URL" in caplog.text


def test_a_listener_takes_connections_before_the_server_runs() -> None:
    with listening("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        pass


def test_answers_are_not_held_back_for_acknowledgements() -> None:
    with listening("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize(
    ("changes", "url", "hosts"),
    [
        ({}, "http://127.0.0.1:80", {"127.0.0.1", "127.0.0.1:80", "localhost", "localhost:80", "[::1]", "[::1]:80"}),
        ({"http_host": "10.0.0.5"}, "http://10.0.0.5:80", {"10.0.0.5", "10.0.0.5:80"}),
        (
            {"http_host": "::1"},
            "http://[::1]:80",
            {"127.0.0.1", "127.0.0.1:80", "localhost", "localhost:80", "[::1]", "[::1]:80"},
        ),
        (
            {"http_host": "10.0.0.5", "public_url": "https://tidegate.example.com/", "mcp_allowed_hosts": "inner:8787"},
            "https://tidegate.example.com",
            {"10.0.0.5", "10.0.0.5:80", "tidegate.example.com", "inner:8787"},
        ),
    ],
)
def test_the_address_follows_the_settings(changes: dict[str, Any], url: str, hosts: set[str]) -> None:
    address = Address.of(load_settings({}, **changes), 80)
    assert (address.url, set(address.hosts)) == (url, hosts)


@pytest.mark.parametrize("host", ["*", "127.0.0.1:*", "https://tidegate.example.com"])
def test_a_host_that_is_not_exact_is_refused(host: str) -> None:
    with pytest.raises(StartupError, match="Hosts are exact"):
        Address.of(load_settings({}, mcp_allowed_hosts=host), 8787)

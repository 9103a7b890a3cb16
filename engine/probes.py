"""Whether a server that was just started answers yet."""

from __future__ import annotations

import socket
from pathlib import Path


def postgres_ready(data: Path, pid: int) -> bool:
    """Whether `postmaster.pid` says ready, and says so about this process and not about an earlier one."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"


def valkey_ready(path: Path) -> bool:
    """Whether the server answers a PING; while it loads its file it answers an error."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(1)
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False

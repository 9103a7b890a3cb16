"""A terminal of its own for a process of ours."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Mapping

from engine.settings import child_environment
from tests.support.processes import ROOT


def at_terminal(*arguments: str, env: Mapping[str, str], typed: str = "", seconds: float = 30) -> tuple[int, str]:
    """The exit code of Python with these arguments on a terminal, and all that the terminal shows."""
    ours, theirs = pty.openpty()
    environment = child_environment(**env, COLUMNS="100", TERM="xterm")
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    try:
        os.write(ours, typed.encode())
        shown = _until_closed(ours)
        return process.wait(timeout=seconds), shown
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _until_closed(terminal: int) -> str:
    shown = b""
    while True:
        try:
            block = os.read(terminal, 4096)
        except OSError:  # what Linux says when nobody is at the other end any more
            block = b""
        if not block:
            return shown.decode(errors="replace")
        shown += block

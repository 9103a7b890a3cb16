"""Processes of ours that a test starts and kills."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def python(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process that runs `code` in the root of the tree; killed at the end if it still runs."""
    argv = [sys.executable, "-c", code, *arguments]
    process = subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def line_from(process: subprocess.Popen[str]) -> str:
    """The next line that the process prints; fails if it ends without one."""
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    assert line, f"The process ended with {process.wait()} before it printed a line."
    return line


def alive(pid: int | None) -> bool:
    """Whether the process runs; one that is dead and not yet reaped does not."""
    try:
        return pid is not None and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def living_in(directory: Path) -> list[psutil.Process]:
    """The processes that work in the directory or below it."""
    return [process for process in psutil.process_iter() if _works_below(process, str(directory))]


def _works_below(process: psutil.Process, directory: str) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and f"{process.cwd()}/".startswith(f"{directory}/")
    except psutil.Error:
        return False

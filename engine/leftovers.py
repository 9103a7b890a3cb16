"""Servers that an earlier owner of a directory left running, and how to be rid of them."""

from __future__ import annotations

import signal
import threading
from contextlib import suppress
from pathlib import Path

import psutil

from engine.clock import SystemClock

PATIENCE_SECONDS = 20.0


def end_leftovers(program: str, directory: Path, stop_signal: signal.Signals) -> None:
    """Return when no process called `program` works in `directory` any more.

    Asks the topmost ones to stop, waits for all, and kills those that stay. The caller must be the directory's only
    owner: a server that answers to somebody else would be stopped just the same.
    """
    found = _working_in(program, directory)
    pids = {process.pid for process in found}
    for process in found:
        with suppress(psutil.Error):
            if process.ppid() not in pids:
                process.send_signal(stop_signal)
    if not _await_none(program, directory):
        for process in _working_in(program, directory):
            with suppress(psutil.Error):
                process.kill()
        _await_none(program, directory)


def _await_none(program: str, directory: Path) -> bool:
    clock, pause = SystemClock(), threading.Event()
    deadline = clock.monotonic() + PATIENCE_SECONDS
    while _working_in(program, directory):
        if clock.monotonic() > deadline:
            return False
        pause.wait(0.02)
    return True


def _working_in(program: str, directory: Path) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if _works_in(process, program, str(directory))]


def _works_in(process: psutil.Process, program: str, directory: str) -> bool:
    """Whether the process has that name and that working directory. A zombie works nowhere: it may never be reaped.

    Where the working directory is not ours to read (another uid, no ptrace capability) the command line decides.
    """
    try:
        if process.name() != program or process.status() == psutil.STATUS_ZOMBIE:
            return False
        try:
            return bool(process.cwd() == directory)
        except psutil.AccessDenied:
            return directory in process.cmdline()
    except psutil.Error:
        return False

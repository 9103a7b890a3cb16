"""Two ways to start a process of the product: from scratch, as an operator does, or forked from one that imported it.

Both run the product's own entry points. The second one starts in a tenth of the time, for a round that has a minute.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from engine.supervise import launch_argv
from mcp_adapter import serve
from workers import __main__ as workers

PR_SET_PDEATHSIG = 1

ENTRIES = {"server": ["mcp_adapter"], **{role: ["workers", role] for role in ("projector", "scheduler", "worker")}}
"""The module of each kind of process, and its arguments."""


class Life(Protocol):
    """A process from its start to its end."""

    pid: int

    def alive(self) -> bool: ...

    def wait(self) -> None: ...


Begin = Callable[[str, Mapping[str, str], Path], Life]
"""Begins a life of a role, with an environment and a log."""


class FromScratch:
    """`python -m ...`."""

    def __init__(self, role: str, environment: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as output:
            # The kernel ends it when the harness dies, however that dies.
            words = launch_argv([sys.executable, "-m", *ENTRIES[role]], "same", signal.SIGKILL)
            self._process = subprocess.Popen(words, env=environment, stdout=output, stderr=subprocess.STDOUT)
        self.pid = self._process.pid

    def alive(self) -> bool:
        return self._process.poll() is None

    def wait(self) -> None:
        self._process.wait()


class Forked:
    """The same main function, in a process that was forked from one with everything imported and nothing begun."""

    def __init__(self, role: str, environment: Mapping[str, str], log: Path) -> None:
        self._process = _starter().Process(target=_live, args=(role, dict(environment), str(log)), daemon=True)
        self._process.start()
        self.pid: int = self._process.pid

    def alive(self) -> bool:
        return bool(self._process.is_alive())

    def wait(self) -> None:
        self._process.join()


def _starter() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _live(role: str, environment: dict[str, str], log: str) -> None:
    # The process that we were forked from ends with the harness, and we with it.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.environ.clear()
    os.environ.update(environment)
    if role == "server":
        serve.main()
    else:
        workers.main(role)

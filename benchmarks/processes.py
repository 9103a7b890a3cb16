"""The processes of a running product: started, watched while they work, killed, ended."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

MODULES = {
    "server": ("mcp_adapter",),
    "projector": ("workers", "projector"),
    "scheduler": ("workers", "scheduler"),
    "worker": ("workers", "worker"),
}

SAMPLE_SECONDS = 0.1
MIB = 1024 * 1024


def start(role: str, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """One process of the product, as `tidegate up` starts it."""
    return subprocess.Popen([sys.executable, "-P", "-m", *MODULES[role]], env=dict(environment))


def end(processes: list[subprocess.Popen[bytes]]) -> None:
    """End those that still run, and wait for them."""
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass
class Memory:
    """What processes held, in MiB: ours by resident set, the servers' by what is not shared between their processes."""

    first: dict[str, float] = field(default_factory=dict)
    most: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def take(self, ours: Mapping[int, str]) -> None:
        """One sample."""
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error, OSError, ValueError):
                name = ours.get(process.pid) or process.name()
                held = _held(process.pid, "VmRSS" if process.pid in ours else "RssAnon") / MIB
                self.first.setdefault(name, held)
                self.most[name] = max(self.most[name], held)

    @property
    def largest(self) -> float:
        return max(self.most.values())

    def told(self) -> str:
        return ", ".join(f"{name} {self.first[name]:.0f} to {most:.0f}" for name, most in sorted(self.most.items()))


@contextmanager
def memory_of(ours: Mapping[int, str]) -> Iterator[Memory]:
    """Sample every process as long as the block runs."""
    memory, over = Memory(), threading.Event()

    def sample() -> None:
        while not over.wait(SAMPLE_SECONDS):
            memory.take(ours)

    memory.take(ours)
    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield memory
    finally:
        over.set()
        sampler.join()


def _held(pid: int, what: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name == what:
            return int(value.split()[0]) * 1024
    raise ValueError(what)

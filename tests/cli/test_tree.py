"""`up` as a process: it starts, answers, refuses a second one, and leaves nothing behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from engine.cli.client import Api
from engine.cli.tree import environment_of
from engine.settings import child_environment, load_settings
from tests.cli.conftest import ROOT, Tidegate
from tests.support.processes import alive
from tests.support.wait import until


@contextmanager
def up(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """A `tidegate up` with one worker on a free port; ended if the test did not."""
    argv = [sys.executable, "-m", "engine.cli", "up", "--port", "0", "--workers", "1"]
    environment = child_environment(TIDEGATE_DATA_DIR=str(data_dir))
    process = subprocess.Popen(argv, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=60)


def greeting(process: subprocess.Popen[str]) -> str:
    """What it says until it says how to stop it."""
    assert process.stderr is not None
    told = ""
    while "Ctrl-C" not in told:
        line = process.stderr.readline()
        assert line, told
        told += line
    return told


def family(process: subprocess.Popen[str]) -> list[int]:
    """The pids of everything that it started."""
    return [child.pid for child in psutil.Process(process.pid).children(recursive=True)]


def said(pids: list[int]) -> str:
    """What these processes are, for the message of a failure."""
    return ", ".join(f"{pid} {' '.join(psutil.Process(pid).cmdline()[-3:])}" for pid in pids)


def test_up_answers_serves_the_command_line_beside_it_and_leaves_nothing(tidegate: Tidegate, tmp_path: Path) -> None:
    with up(tmp_path / ".tidegate") as process:
        told = greeting(process)
        key = (tmp_path / ".tidegate" / "owner-key").read_text().strip()
        assert told.count(key) == 1
        assert "tidegate mcp-config claude --key KEY" in told
        children = family(process)
        assert len(children) >= 6
        assert tidegate("workflows", "list").code == 0
        assert tidegate("keys", "list").rows[0][1] == "owner"
        second = tidegate("up", "--port", "0")
        assert second.code == 1
        assert f"process {process.pid}" in second.err
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    assert not any(alive(pid) for pid in children)
    assert not (tmp_path / ".tidegate" / "url").exists()
    assert not (tmp_path / ".tidegate" / "services.json").exists()


def test_a_killed_up_takes_everything_with_it_and_starts_again(tmp_path: Path) -> None:
    with up(tmp_path / ".tidegate") as process:
        greeting(process)
        children = family(process)
        names = said(children)
        process.kill()
        process.wait()
        until(lambda: not any(map(alive, children)), seconds=30, what=f"the end of {names}")
    with up(tmp_path / ".tidegate") as process:
        assert "owner key" not in greeting(process)
        assert Api(_url(tmp_path), _key(tmp_path)).get("/policy")["send_mode"] == "capture"


def test_a_child_gets_every_setting_as_its_parent_resolved_it(tmp_path: Path) -> None:
    given = load_settings(
        {}, directory=tmp_path, database_url="postgresql://x/y", secret_key="s" * 32, outbound_allow="::1,127.0.0.0/8"
    )
    environment = environment_of(given)
    again = load_settings({name: value for name, value in environment.items() if name.startswith("TIDEGATE_")})
    assert again.model_dump() == given.model_dump()
    assert "TIDEGATE_URL" not in environment


def _url(directory: Path) -> str:
    return (directory / ".tidegate" / "url").read_text().strip()


def _key(directory: Path) -> str:
    return (directory / ".tidegate" / "owner-key").read_text().strip()

"""What the command line says beside its data, without a server."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from aggregates.errors import CODES
from commands.resume import SIZE_REST
from engine.cli.app import build
from engine.cli.output import Output
from engine.cli.words import COMMANDS, OF_HTTP, next_steps, typed
from engine.cli.workflows import PAUSED, say_paused


def test_a_job_that_stands_still_is_told_with_the_command_that_lets_it_go_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    say_paused(Output(), {"paused_jobs": ["j1", "j2"]}, PAUSED)
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(": ")[2] for line in told] == ["tidegate batch resume j1", "tidegate batch resume j2"]


@pytest.mark.parametrize("code", CODES)
def test_a_hint_names_nothing_that_only_http_has(code: str) -> None:
    (step,) = next_steps({"code": code, "next": [CODES[code].next]}) if CODES[code].next else ("",)
    assert not OF_HTTP.search(step)


def test_a_hint_of_its_own_is_said_in_commands_too() -> None:
    (step,) = next_steps({"code": "acknowledgement.missing", "next": [SIZE_REST]})
    assert step == "Size the rest: `tidegate batch unfinished JOB`; have a human confirm the number."


@pytest.mark.parametrize("command", COMMANDS.values())
def test_every_command_that_a_hint_names_exists(command: str) -> None:
    words = [word for word in shlex.split(command) if word.islower() and not word.startswith("--")]
    _, apps, rest = build().parse_commands(words)
    assert (len(apps), rest) == (1 + len(words), [])


OF_THE_MACHINE = ("follower.", "installation.", "project.", "server.", "secret.", "outbound.")
"""Codes that only who is at the machine meets, or can do something about."""


@pytest.mark.parametrize("code", [code for code in CODES if not code.startswith(OF_THE_MACHINE)])
def test_over_http_a_hint_names_no_command(code: str) -> None:
    assert "`tidegate" not in CODES[code].next.partition("at the machine")[0].partition("to the machine")[0]


def test_a_command_that_is_told_can_be_typed_where_the_shell_does_not_know_the_program(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    line = typed("tidegate --version")
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert typed("tidegate up") == "tidegate up"

"""What the command line says beside its data, without a server."""

from __future__ import annotations

import pytest

from engine.cli.output import Output
from engine.cli.workflows import PAUSED, say_paused


def test_a_job_that_stands_still_is_told_with_the_command_that_lets_it_go_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    say_paused(Output(), {"paused_jobs": ["j1", "j2"]}, PAUSED)
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(": ")[2] for line in told] == ["tidegate batch resume j1", "tidegate batch resume j2"]

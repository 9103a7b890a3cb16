"""Failpoints: off they are nothing; armed they kill, stop or fail the process at the pass that was asked for."""

from __future__ import annotations

import ast
import os
import re
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import StartupError
from engine.failpoints import FILE, Armed, FailpointRaised, Watch, arm, parse
from engine.settings import load_settings
from projections import failpoints
from tests.support.processes import ROOT, python
from tests.support.wait import until

PASSES = """
import sys
from pathlib import Path
from engine.failpoints import arm
from projections import failpoints
arm(sys.argv[1], Path(sys.argv[2]))
for _ in range(3):
    print("passing", flush=True)
    failpoints.reach("answered")
print("through", flush=True)
"""


@pytest.fixture(autouse=True)
def off_again() -> Iterator[None]:
    yield
    failpoints.reach = failpoints.nothing


def test_nothing_is_armed_unless_the_setting_says_so(tmp_path: Path) -> None:
    arm("", tmp_path)
    assert failpoints.reach is failpoints.nothing
    assert load_settings({}, directory=tmp_path).failpoints == ""


def test_the_words_of_the_setting() -> None:
    text = "watch, answered=kill@3,before_commit=raise@1"
    assert parse(text) == {"answered": Armed("kill", 3), "before_commit": Armed("raise", 1)}


@pytest.mark.parametrize("text", ["nowhere=kill@1", "answered", "answered=kill", "answered=kill@0", "answered=burn@1"])
def test_a_word_that_is_none_stops_the_start(text: str, tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="not a failpoint"):
        load_settings({"TIDEGATE_FAILPOINTS": text}, directory=tmp_path)


def test_a_place_fails_at_its_pass_and_never_again(tmp_path: Path) -> None:
    watch = Watch(parse("answered=raise@2"), tmp_path / FILE)
    watch.reach("answered")
    with pytest.raises(FailpointRaised, match="answered"):
        watch.reach("answered")
    watch.reach("answered")
    watch.reach("committed")
    pid = os.getpid()
    assert (tmp_path / FILE).read_text().splitlines() == [
        f"answered reached {pid}",
        f"answered raise {pid}",
        f"committed reached {pid}",
    ]


def test_a_process_kills_itself_at_the_pass_that_was_asked_for(tmp_path: Path) -> None:
    with python(PASSES, "answered=kill@2", str(tmp_path)) as process:
        assert process.stdout is not None
        assert process.stdout.read().split() == ["passing", "passing"]
        assert process.wait() == -signal.SIGKILL
    assert f"answered kill {process.pid}" in (tmp_path / FILE).read_text()


def test_a_process_that_stops_itself_goes_on_when_it_is_told_to(tmp_path: Path) -> None:
    with python(PASSES, "answered=stop@3", str(tmp_path)) as process:
        note = f"answered stop {process.pid}"
        until(lambda: (tmp_path / FILE).exists() and note in (tmp_path / FILE).read_text(), what="it stops")
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        os.kill(process.pid, signal.SIGCONT)
        assert process.stdout is not None
        assert process.stdout.read().split() == ["passing", "passing", "passing", "through"]


def test_every_declared_place_is_somewhere_in_the_product_and_each_only_once() -> None:
    found: Counter[str] = Counter()
    for package in ("aggregates", "commands", "projections", "engine", "mcp_adapter", "workers"):
        for path in (ROOT / package).rglob("*.py"):
            found.update(re.findall(r"failpoints\.reach\('([a-z_]+)'\)", ast.unparse(ast.parse(path.read_text()))))
    assert found == Counter(dict.fromkeys(failpoints.POINTS, 1))

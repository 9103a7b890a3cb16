from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import StartupError
from engine.supervise import Program, Supervisor
from tests.support.processes import ROOT, alive, line_from, python
from tests.support.wait import until

SLEEPER = (sys.executable, "-c", "import signal; signal.pause()")
STUBBORN = "import signal, sys; signal.signal(15, signal.SIG_IGN); open(sys.argv[1], 'w').close(); signal.pause()"
# It waits for the signal with the signal blocked: one that comes right after the touch is not lost.
DIARIST = """
import pathlib, signal, sys
diary, name, told = sys.argv[1:]
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
pathlib.Path(told).touch()
signal.sigwait({signal.SIGTERM})
with open(diary, "a") as file:
    file.write(name + " ")
"""
TELLER = """
import os, pathlib, signal, sys
told = pathlib.Path(sys.argv[1])
draft = told.with_suffix(".draft")
draft.write_text(os.environ.get("COLOUR", "none"))
draft.rename(told)
signal.pause()
"""
PARENT_OF_ONE = """
import pathlib, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
child.wait()
"""
OWNER = """
import sys
from engine.supervise import Program, StopSignals, Supervisor
with StopSignals() as stop, Supervisor() as supervisor:
    for name in ("first", "second"):
        supervisor.start(Program(name, (sys.executable, "-c", "import signal; signal.pause()")))
        supervisor.wait_ready(name)
    print(supervisor.pid("first"), supervisor.pid("second"), flush=True)
    stop.wait()
"""

PATIENT = """
import sys
from engine.supervise import StopSignals
with StopSignals() as stop:
    print("ready", flush=True)
    while not stop.wait(0.001):
        pass
    sys.stdin.read()
"""


def exists(path: Path) -> Callable[[int], bool]:
    return lambda _pid: path.exists()


def running(supervisor: Supervisor, name: str) -> int:
    supervisor.wait_ready(name)
    pid = supervisor.pid(name)
    assert pid is not None
    return pid


def test_a_child_that_dies_is_started_again() -> None:
    with Supervisor() as supervisor:
        supervisor.start(Program("sleeper", SLEEPER))
        first = running(supervisor, "sleeper")
        os.kill(first, signal.SIGKILL)
        assert until(lambda: supervisor.pid("sleeper") not in (None, first))


def test_signals_on_top_of_signals_cannot_lock_up_the_one_who_waits() -> None:
    for _ in range(3):
        with python(PATIENT) as process:
            assert line_from(process) == "ready"
            for number in (signal.SIGTERM, signal.SIGINT) * 200:
                process.send_signal(number)
            process.communicate(timeout=30)
            assert process.returncode == 0


def test_what_a_dead_child_leaves_in_its_group_is_ended(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    with Supervisor() as supervisor:
        supervisor.start(Program("parent", (sys.executable, "-c", PARENT_OF_ONE, str(note))))
        leader = running(supervisor, "parent")
        orphan = int(until(lambda: note.exists() and note.read_text()))
        os.kill(leader, signal.SIGKILL)
        assert until(lambda: not alive(orphan))


def test_stopping_stops_all_the_last_started_first(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    names = ("first", "second", "third")
    with Supervisor() as supervisor:
        for name in names:
            told = tmp_path / name
            argv = (sys.executable, "-c", DIARIST, str(diary), name, str(told))
            supervisor.start(Program(name, argv, ready=exists(told)))
        pids = [running(supervisor, name) for name in names]
    assert diary.read_text().split() == ["third", "second", "first"]
    assert not [pid for pid in pids if alive(pid)]


def test_a_child_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    deaf = tmp_path / "deaf"
    with Supervisor() as supervisor:
        argv = (sys.executable, "-c", STUBBORN, str(deaf))
        supervisor.start(Program("stubborn", argv, ready=exists(deaf), stop_seconds=0.1))
        pid = running(supervisor, "stubborn")
    assert not alive(pid)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_supervisor_stops_its_children(number: signal.Signals) -> None:
    with python(OWNER) as owner:
        children = [int(pid) for pid in line_from(owner).split()]
        owner.send_signal(number)
        assert owner.wait(10) == 0
    assert not [pid for pid in children if alive(pid)]


def test_children_do_not_outlive_a_killed_supervisor() -> None:
    with python(OWNER) as owner:
        children = [int(pid) for pid in line_from(owner).split()]
        owner.kill()
        assert until(lambda: not [pid for pid in children if alive(pid)])


def test_ready_means_that_the_callback_said_so(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    with Supervisor() as supervisor:
        supervisor.start(Program("slow", SLEEPER, ready=exists(flag)))
        with pytest.raises(StartupError, match="is not ready"):
            supervisor.wait_ready("slow", seconds=0.1)
        flag.touch()
        supervisor.wait_ready("slow")


def test_a_program_that_keeps_failing_is_an_error_with_the_end_of_its_log(tmp_path: Path) -> None:
    argv = (sys.executable, "-c", "import sys; sys.exit('no such thing')")
    with Supervisor() as supervisor:
        supervisor.start(Program("broken", argv, log=tmp_path / "log", ready=lambda _: False))
        with pytest.raises(StartupError, match=r"exit code 1[\s\S]*no such thing") as refused:
            supervisor.wait_ready("broken")
    assert str(tmp_path / "log") in str(refused.value)


def test_a_child_has_the_environment_that_it_was_given(tmp_path: Path) -> None:
    told = tmp_path / "told"
    with Supervisor() as supervisor:
        argv = (sys.executable, "-c", TELLER, str(told))
        supervisor.start(Program("teller", argv, env={"COLOUR": "blue"}, ready=exists(told)))
        running(supervisor, "teller")
    assert told.read_text() == "blue"


def test_the_launcher_needs_nothing_but_the_standard_library() -> None:
    source = (ROOT / "engine/launch.py").read_text()
    names = {line.split()[1].partition(".")[0] for line in source.splitlines() if line.startswith(("import ", "from "))}
    assert names <= sys.stdlib_module_names

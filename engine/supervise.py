"""Child processes that are kept alive, and that never outlive us.

Each program has a thread of its own, which starts it, waits for it and starts it again. The thread must be the same
all along: the kernel ties a child to the thread that started it, not to the process. Signals go to single pids, never
to a process group, because a Dramatiq master forwards them and a worker that gets one twice hangs for ever. Only when
a leader is already dead is the rest of its group ended.
"""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal, Self

from engine.clock import Clock, SystemClock
from engine.errors import StartupError

Identity = Literal["same", "namespace", "nobody"]
Report = Callable[[str], None]

STEADY_SECONDS = 5.0
LONGEST_BACKOFF = 5.0
READY_POLL_SECONDS = 0.01
LOOK_UP_SECONDS = 0.2
ATTEMPTS_BEFORE_READY = 5
LOG_LIMIT = 10 * 1024 * 1024


@dataclass(frozen=True)
class Program:
    """What to run and how to treat it.

    `argv[0]` is looked up on the PATH if it is not a path. `env` is the whole environment (None: ours). `log`
    receives stdout and stderr (None: they go where ours go). `before` runs ahead of each start. `ready` is asked
    with the pid until it answers true (None: ready once started). Stopping sends `stop_signal`, then after
    `stop_seconds` SIGKILL; the kernel sends `stop_signal` too when we die.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] | None = None
    log: Path | None = None
    before: Callable[[], None] | None = None
    ready: Callable[[int], bool] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 30.0
    identity: Identity = "same"


def launch_argv(argv: Sequence[str], identity: Identity, death_signal: signal.Signals) -> list[str]:
    """The command that runs `argv` under `identity` and ends it when this process dies."""
    program = shutil.which(argv[0])
    if program is None:
        raise StartupError(f"There is no program {argv[0]}.")
    launcher = [sys.executable, "-I", "-S", str(Path(__file__).with_name("launch.py"))]
    return [*launcher, str(os.getpid()), str(int(death_signal)), identity, program, *argv[1:]]


class StopSignals:
    """Notes SIGINT and SIGTERM from the moment it is entered, in the main thread, instead of ending the process.

    Enter it before anything is started: a signal that comes during the start is then answered after it.
    """

    # A handler runs between two instructions of the main thread, which may just then hold the lock of whatever the
    # handler would set. So it sets a plain attribute, and whoever waits looks up now and then.
    def __init__(self) -> None:
        self._arrived = False
        self._never = threading.Event()
        self._previous: dict[signal.Signals, Any] = {}

    def is_set(self) -> bool:
        """Whether a signal has come."""
        return self._arrived

    def wait(self, seconds: float = math.inf) -> bool:
        """Return when a signal has come, at once if one has come already, or after some time; whether one has."""
        while not self._arrived and seconds > 0:
            self._never.wait(min(seconds, LOOK_UP_SECONDS))
            seconds -= LOOK_UP_SECONDS
        return self._arrived

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._note)
        return self

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._arrived = True

    def __exit__(self, *_exc: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)


class Supervisor:
    """Starts programs in order, keeps them running, stops them in reverse order."""

    def __init__(self, *, report: Report | None = None, clock: Clock | None = None) -> None:
        self._report = report or (lambda _message: None)
        self._clock = clock or SystemClock()
        self._keepers: dict[str, _Keeper] = {}

    def start(self, program: Program) -> None:
        """Begin to run `program`; does not wait for it."""
        if program.name in self._keepers:
            raise StartupError(f"There is a program {program.name} already.")
        keeper = self._keepers[program.name] = _Keeper(program, self._report, self._clock)
        keeper.start()

    def wait_ready(self, name: str, seconds: float = 60.0) -> None:
        """Return once the program is ready; StartupError with the end of its log if it does not get there."""
        self._keepers[name].wait_ready(seconds)

    def pid(self, name: str) -> int | None:
        """The pid of the program's present process, if it has one."""
        return self._keepers[name].pid

    def stop(self) -> None:
        """Stop every program, the last started first, and leave none behind."""
        while self._keepers:
            _, keeper = self._keepers.popitem()
            keeper.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()


class _Keeper(threading.Thread):
    """The thread that keeps one program alive."""

    def __init__(self, program: Program, report: Report, clock: Clock) -> None:
        super().__init__(name=f"keep-{program.name}", daemon=True)
        self._program = program
        self._report = report
        self._clock = clock
        self._guard = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        # Notified when the program becomes ready and when a life of it ends.
        self._changed = threading.Condition()
        self._is_ready = False
        self._lost_lives = 0
        self._failure = ""

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process else None

    def run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            began = self._clock.monotonic()
            self._live_once()
            if self._stopping.is_set():
                return
            self._note_end()
            steady = self._clock.monotonic() - began > STEADY_SECONDS
            failures = 0 if steady else failures + 1
            self._report(f"{self._program.name} {self._failure}; starting it again")
            self._stopping.wait(min(LONGEST_BACKOFF, 0.05 * 2**failures) if failures > 1 else 0)

    def wait_ready(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_ready or self._lost_lives >= ATTEMPTS_BEFORE_READY, seconds)
            if self._is_ready:
                return
            failure = self._failure or f"is not ready after {seconds:g} seconds"
        raise StartupError(f"{self._program.name} {failure}.{_end_of_log(self._program.log)}")

    def stop(self) -> None:
        with self._guard:
            self._stopping.set()
        self._signal(self._program.stop_signal)
        self.join(self._program.stop_seconds)
        if self.is_alive():
            self._report(f"{self._program.name} does not stop; killing it")
            self._signal(signal.SIGKILL)
            self.join()

    def _live_once(self) -> None:
        """One life of the program, from before its start to after its end."""
        try:
            if self._program.before:
                self._program.before()
            with self._guard:
                if self._stopping.is_set():
                    return
                process = self._process = self._spawn()
        except (OSError, StartupError) as error:
            self._failure = f"cannot be started: {error}"
            return
        self._watch_until_ready(process)
        _await_end(process)
        # While the leader is a zombie its pid cannot be another's: whoever it left in its group is ended safely.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with self._guard:
            self._process = None
            code = process.wait()
        self._failure = f"ended with {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def _spawn(self) -> subprocess.Popen[bytes]:
        program = self._program
        output = _open_log(program.log)
        try:
            # A session of its own: Ctrl-C on the terminal is ours to handle, in our order.
            return subprocess.Popen(
                launch_argv(program.argv, program.identity, program.stop_signal),
                env=program.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output is not None else None,
                start_new_session=True,
            )
        finally:
            if output is not None:
                os.close(output)

    def _watch_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        while not _has_ended(process):
            if self._program.ready is None or self._program.ready(process.pid):
                with self._changed:
                    self._is_ready = True
                    self._changed.notify_all()
                return
            self._stopping.wait(READY_POLL_SECONDS)
            if self._stopping.is_set():
                return

    def _note_end(self) -> None:
        with self._changed:
            self._lost_lives = 0 if self._is_ready else self._lost_lives + 1
            self._is_ready = False
            self._changed.notify_all()

    def _signal(self, number: signal.Signals) -> None:
        with self._guard:
            # Not `Popen.send_signal`: it may reap the process under the keeper. Until we reap it, its pid is its own.
            if self._process is not None:
                os.kill(self._process.pid, number)


# Where there is `waitid` (Linux; macOS from Python 3.13 on) an ended child is noticed without being reaped.


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    if hasattr(os, "waitid"):
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
    return process.poll() is not None


def _await_end(process: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "waitid"):
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    else:
        process.wait()


def _open_log(path: Path | None) -> int | None:
    """A descriptor to append to; a log that has grown large is set aside first, over the one before."""
    if path is None:
        return None
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        path.replace(path.with_suffix(path.suffix + ".1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _end_of_log(path: Path | None, lines: int = 8) -> str:
    if path is None or not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4096))
        tail = file.read().decode(errors="replace").splitlines()[-lines:]
    return f" The end of {path}:\n" + "\n".join(tail) if tail else ""

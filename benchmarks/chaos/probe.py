"""A job over one person, again and again: how long after a fault until one that was asked for after it has ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.chaos.client import PATIENCE_SECONDS, NoAnswerError
from benchmarks.chaos.load import ENDED, Load
from benchmarks.chaos.nemesis import Injected

PAUSE_SECONDS = 0.3
LOOK_SECONDS = 0.1


@dataclass
class Probe:
    load: Load
    done: list[tuple[float, float]] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="probe", daemon=True)
        self._thread.start()

    def stop(self, injected: Sequence[Injected] = ()) -> None:
        """End, once there is a whole job after each of some faults."""
        while not self.failures and len(self.recoveries(injected)) < len(injected):
            time.sleep(LOOK_SECONDS)
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopped.wait(PAUSE_SECONDS):
                began = time.monotonic()
                job = self.load.start("capture", [])
                while job and self.load.client.status_of(job) not in ENDED:
                    if time.monotonic() - began > PATIENCE_SECONDS:
                        raise NoAnswerError(f"the job {job} of the probe does not end")
                    time.sleep(LOOK_SECONDS)
                self.done.append((began, time.monotonic()))
        except BaseException as error:  # noqa: BLE001 - it is the round's to raise
            self.failures.append(error)

    def recoveries(self, injected: Sequence[Injected]) -> list[float]:
        """For each fault the seconds until a job that was asked for after it had ended."""
        ends = ((fault, [end for began, end in self.done if began >= fault.at][:1]) for fault in injected)
        return [end[0] - fault.at for fault, end in ends if end]

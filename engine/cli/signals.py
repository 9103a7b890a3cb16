"""SIGTERM as an orderly end: it unwinds the stack like Ctrl-C does, so that whatever was started is stopped."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

LOOK_UP_SECONDS = 0.2


class Terminated(KeyboardInterrupt):
    """SIGTERM came."""


@contextmanager
def orderly() -> Iterator[None]:
    """Inside the block SIGTERM and SIGINT raise once; what comes later cannot break the clearing up."""

    def end(number: int, _frame: FrameType | None) -> None:
        for each in previous:
            signal.signal(each, signal.SIG_IGN)
        raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in previous:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def wait_for_end() -> None:
    """Wait until `orderly` raises."""
    never = threading.Event()
    # The kernel may give a signal to another thread, which wakes nobody: this one has to look up now and then.
    while not never.wait(LOOK_UP_SECONDS):
        pass

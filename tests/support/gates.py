"""Threads that stop at a place of the code until they are let through."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Engine, text

from tests.support.wait import until

T = TypeVar("T")
PATIENCE = 20.0


class Gate:
    """A place where one thread, and once, stops: `reached` is set when it is there, `open` lets it through."""

    def __init__(self) -> None:
        self.reached, self.open = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._passed = False

    def stops(self, act: Callable[..., T], *, before: bool = False) -> Callable[..., T]:
        """The same act, with the gate before or after it."""

        def gated(*args: Any, **kwargs: Any) -> T:
            if before:
                self._stop()
            answer = act(*args, **kwargs)
            if not before:
                self._stop()
            return answer

        return gated

    def _stop(self) -> None:
        if threading.current_thread() is self._thread and not self._passed:
            self._passed = True
            self.reached.set()
            assert self.open.wait(PATIENCE), "nobody opened the gate"

    def run(self, work: Callable[[], T]) -> Future[T]:
        """Begin work in the thread that this gate stops, and wait until it is there."""
        pool = ThreadPoolExecutor(1)
        self._thread = pool.submit(threading.current_thread).result()
        begun = pool.submit(work)
        pool.shutdown(wait=False)
        until(lambda: self.reached.is_set() or begun.done(), seconds=PATIENCE, what="the gate")
        assert self.reached.is_set(), begun.result()
        return begun


@contextmanager
def beginning(work: Callable[[], T]) -> Iterator[Future[T]]:
    """Work that another thread has begun; it has ended when the block has."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(work)


def somebody_waits(engine: Engine) -> None:
    """Return when a session of this database waits for a lock of another one."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )

    def found() -> bool:
        with engine.connect() as connection:
            return bool(connection.execute(waiting).scalar())

    until(found, seconds=PATIENCE, what="a session that waits for a lock")

"""Schedulers in processes of their own, started fast, that look once, look together, or die at a step of a look."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg

from engine.bootstrap import System, build
from engine.settings import load_settings
from tests.support.product import MovableClock, Product
from tests.support.timetable import scheduler_of


@dataclass(frozen=True)
class Place:
    """Where a process finds the product, and what time it is there."""

    database_url: str
    data_dir: Path
    ahead: timedelta

    @classmethod
    def of(cls, product: Product) -> Place:
        settings = product.system.settings
        assert settings.database_url is not None
        return cls(settings.database_url, settings.data_dir, product.clock.now() - MovableClock().now())

    def system(self) -> System:
        settings = load_settings(
            {},
            directory=self.data_dir,
            database_url=self.database_url,
            redis_url="unix:///unused",
            data_dir=self.data_dir,
            catch_up_spread_seconds=0.0,
        )
        clock = MovableClock()
        clock.advance(seconds=self.ahead.total_seconds())
        return build(settings, clock=clock)


def _starter() -> Any:
    """Processes are forked from one that has imported everything and holds no connection."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def look_and_die(place: Place, step: int) -> bool:
    """A look of a process that kills itself at a step; whether it got there."""
    process = _starter().Process(target=_mortal_look, args=(place, step))
    process.start()
    process.join()
    assert process.exitcode in {0, -signal.SIGKILL}
    return bool(process.exitcode)


def look_together(place: Place, schedulers: int) -> list[tuple[int, int]]:
    """Looks of several processes at once, until none finds anything: what each processed and failed."""
    with ProcessPoolExecutor(schedulers, mp_context=_starter()) as pool:
        return list(pool.map(_look_until_done, [place] * schedulers))


def _look_until_done(place: Place) -> tuple[int, int]:
    system, processed, failed = place.system(), 0, 0
    scheduler = scheduler_of(system)
    while True:
        found = scheduler.fire()
        processed, failed = processed + found.processed, failed + found.failed
        if found.processed == 0:
            system.close()
            return processed, failed


def _mortal_look(place: Place, step: int) -> None:
    """Dies before or after the `step`-th message to the database: statements, and commits."""
    steps = 0

    def counted(act: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            one_more()
            answer = act(*args, **kwargs)
            one_more()
            return answer

        return call

    def one_more() -> None:
        nonlocal steps
        steps += 1
        if steps == step:
            os.kill(os.getpid(), signal.SIGKILL)

    system = place.system()
    with system.engine.connect():
        pass  # The dialect asks the server about itself once: that is no step of a look.
    psycopg.Cursor.execute = counted(psycopg.Cursor.execute)  # type: ignore[method-assign]
    psycopg.Connection.commit = counted(psycopg.Connection.commit)  # type: ignore[method-assign]
    scheduler_of(system).fire()

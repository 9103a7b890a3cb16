"""Waiting for a state instead of for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(predicate: Callable[[], T], *, seconds: float = 10.0, what: str = "") -> T:
    """The first true answer of `predicate`; fails when there is none in `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = predicate()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"Not reached in {seconds:g} seconds: {what or predicate}")
        time.sleep(0.005)

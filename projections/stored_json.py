"""JSON as it is read from the database: whatever is stored there can be read.

PostgreSQL keeps numbers of any length. Python refuses to read a whole number of more than 4,300 digits and makes an
infinity of a decimal that is too large; such a number is read as the text that it is written as. New ones are refused
at the door, but rows of earlier times may have them, and one row must not stand in the way of all others.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from math import isinf
from typing import Any

from aggregates.numbers import Number

LONGEST = 1_000
"""Digits of a whole number that are still read as a number."""


def loads(text: str | bytes) -> Any:
    """The document; numbers that cannot be kept are texts."""
    return _read(text, _decimal)


def as_written(text: str | bytes) -> Any:
    """The document as templates print it: decimals have the digits that they are written with."""
    return _read(text, Number)


def _read(text: str | bytes, decimal: Callable[[str], Any]) -> Any:
    try:
        return json.loads(text, parse_float=decimal)
    except ValueError:
        return json.loads(text, parse_float=decimal, parse_int=_integer)


def _decimal(text: str) -> float | str:
    return text if isinf(number := float(text)) else number


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= LONGEST else text

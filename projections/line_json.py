"""One line of JSON in a file of people: what is refused here, another reader would understand differently."""

from __future__ import annotations

import json
from math import isinf
from typing import Any, NoReturn

from projections.person_rules import NUMBER_DIGITS


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a name is there twice")
    return members


def _finite(text: str) -> float:
    if isinf(number := float(text)):
        raise ValueError("a number is too large")
    return number


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _integer(text: str) -> int:
    # Python refuses to read thousands of digits, and not by a reason that helps; the rules of a person say which.
    return int(text[: 2 * NUMBER_DIGITS])


STRICT = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=_finite, parse_int=_integer, parse_constant=_no_constant
)

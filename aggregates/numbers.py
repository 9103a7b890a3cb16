"""Numbers in templates: decimals, printed as they were written, and what the filters do with them."""

from __future__ import annotations

import decimal
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

NUMBER_DIGITS = 80
"""Most digits of a number, before and after its point."""

QUOTIENT_DIGITS = 16
"""Digits of a quotient that never ends: as many as a double has."""

_EXACT = decimal.Context(prec=2 * NUMBER_DIGITS, rounding=decimal.ROUND_HALF_UP)
_QUOTIENT = decimal.Context(prec=QUOTIENT_DIGITS, rounding=decimal.ROUND_HALF_UP)


class Number(Decimal):
    """A decimal number that prints its digits as they stand, never with an exponent."""

    __slots__ = ()

    def __str__(self) -> str:
        return format(self, "f")

    @property
    def fits(self) -> bool:
        """Whether it is finite and has few enough digits to be printed and reckoned with."""
        if not self.is_finite():
            return False
        _, digits, exponent = self.as_tuple()
        assert isinstance(exponent, int)
        return len(digits) <= NUMBER_DIGITS and abs(exponent) + len(digits) <= 4 * NUMBER_DIGITS


Numeric = int | Number


def number(value: Any) -> Numeric:
    """A value as a number, as the filters read it: a text that writes one is one, anything else is 0."""
    match value:
        case bool() | int() | Number():
            return value
        case float() | Decimal():
            return Number(str(value))
        case str() if len(value) <= 4 * NUMBER_DIGITS:
            try:
                return int(value)
            except ValueError:
                pass
            try:
                read = Number(value)
            except decimal.InvalidOperation:
                return 0
            return read if read.fits else 0
        case _:
            return 0


def plain(value: Any) -> Any:
    """A value as JSON has it: numbers as doubles, lists as lists, and null for what is none of its types."""
    match value:
        case Number():
            return float(value)
        case list() | tuple() | range():
            return [plain(item) for item in value]
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case str() | int() | float():
            return value
        case _:
            return None


def rounded(value: Any, digits: Any = 0) -> Numeric:
    """To 0 to 10 decimal places, halves away from zero; a missing or foreign value is 0."""
    places = digits if isinstance(digits, int) and 0 <= digits <= 10 else 0
    found = Decimal(number(value)).quantize(Decimal(1).scaleb(-places), context=_EXACT)
    return Number(found) if places else int(found)


def total(items: list[Any]) -> Numeric:
    """The sum of all the numbers."""
    sum_: Numeric = 0
    for item in items:
        sum_ = _added(sum_, number(item))
    return sum_


def _exact(whole: Callable[[int, int], int], exact: Callable[[Decimal, Decimal], Decimal]) -> Callable[[Any, Any], Any]:
    """A filter of two numbers: whole ones stay whole."""

    def filter_(value: Any, other: Any) -> Numeric:
        left, right = number(value), number(other)
        if isinstance(left, int) and isinstance(right, int):
            return whole(left, right)
        return Number(exact(Decimal(left), Decimal(right)))

    return filter_


def _quotient(left: Decimal, right: Decimal) -> Decimal:
    quotient = _QUOTIENT.divide(left, right)
    if quotient == quotient.to_integral_value():
        return quotient.quantize(Decimal("0.1"), context=_EXACT)
    return quotient.normalize(_QUOTIENT)


def _absolute(value: Numeric) -> Numeric:
    return abs(value) if isinstance(value, int) else Number(abs(value))


def _remainder(left: Decimal, right: Decimal) -> Decimal:
    """With the sign of the divisor, as with whole numbers."""
    whole = _EXACT.divide(left, right).to_integral_value(decimal.ROUND_FLOOR)
    return _EXACT.subtract(left, _EXACT.multiply(right, whole))


_added = _exact(int.__add__, _EXACT.add)

FILTERS: Mapping[str, Callable[..., Any]] = {
    "abs": lambda value: _absolute(number(value)),
    "at_least": lambda value, other: max(number(value), number(other)),
    "at_most": lambda value, other: min(number(value), number(other)),
    "ceil": lambda value: int(Decimal(number(value)).to_integral_value(decimal.ROUND_CEILING)),
    "floor": lambda value: int(Decimal(number(value)).to_integral_value(decimal.ROUND_FLOOR)),
    "plus": _added,
    "minus": _exact(int.__sub__, _EXACT.subtract),
    "times": _exact(int.__mul__, _EXACT.multiply),
    "divided_by": _exact(int.__floordiv__, _quotient),
    "modulo": _exact(int.__mod__, _remainder),
    "round": rounded,
}
"""The filters of numbers. They raise ArithmeticError where there is no result, such as a division by 0."""

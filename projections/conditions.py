"""One condition about a person, as a SQL expression. The only place that knows what an operator means.

Rules (the tests hold an oracle in Python against them):

- `distinct_id` and `email` are the person's columns; every other key is a property. Columns win.
- `exact` and `is_not` compare addresses in their normalised form (`aggregates.address`); other operators look at the
  address as it was told.
- A property that is absent or JSON null is lacking. Positive operators never match it, negative ones
  (`is_not`, `not_icontains`, `not_regex`, `is_not_set`) always do.
- Texts, numbers and booleans have a canonical text: the text itself, `true` and `false`, the shortest plain decimal
  (5, 5.0 and "5" are all `5`). `exact`, `icontains` and `regex` look at that text; arrays and objects have none.
- `gt`, `gte`, `lt`, `lte` match numbers only, never a text that looks like one.
- Dates are texts in ISO form; without an offset they are UTC. A value that is only a date stands for its whole day:
  nothing is at once before, on and after it. `is_date_exact` compares UTC days.

Keys and values are always bound. A positive expression may be NULL, which counts as false; `negate` allows for that.
The session's time zone must be UTC, which `Audiences` sees to.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ARRAY, Boolean, Numeric, Text, and_, any_, bindparam, case, cast, false, func, not_, or_
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.expression import FromClause

from aggregates.address import normalised
from aggregates.audience import PersonCondition, Scalar
from aggregates.dates import day_after, span
from projections.tables import Instant

COLUMNS = ("distinct_id", "email")
"""Keys that name a column of the person and not a property."""

INDEXED_VALUES = 20
"""Up to so many values `exact` is a set of index probes; a longer list is one hashed membership test.

Measured on a million people: 20 probes that find half of them cost what the test costs, 100 cost six times as much.
"""

UNICODE = "pg_c_utf8"
"""A collation that folds case beyond ASCII, and alike on every server, whatever locale it was made with."""

CANONICAL_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]*[1-9])?")
CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,9})?)?"
ISO_DATE = f"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}([T ]{CLOCK}( ?(Z|[+-][0-9]{{2}}(:?[0-9]{{2}})?))?)?$"

Verdict = ColumnElement[bool]


class Unanswerable(ValueError):
    """A condition that no SQL can be made of; the message is a sentence without personal data."""


def holds(condition: PersonCondition, person: FromClause, now: datetime) -> Verdict:
    """Whether `condition` holds for a row of `person` (the table `people` or an alias of it)."""
    _check_text(condition.key)
    match condition.operator:
        case "is_not":
            return negate(_equals(condition, person, indexed=2))  # no index serves a negation
        case "not_icontains":
            return negate(_contains(condition, person))
        case "not_regex":
            return negate(_matches(condition, person))
        case "is_not_set":
            return not_(present(condition.key, person))
        case "exact":
            return _equals(condition, person)
        case "icontains":
            return _contains(condition, person)
        case "regex":
            return _matches(condition, person)
        case "is_set":
            return present(condition.key, person)
        case "gt" | "gte" | "lt" | "lte":
            return _compares(condition, person)
        case _:
            return _dated(condition, person, now)


def negate(verdict: Verdict) -> Verdict:
    """The opposite, where not knowing counts as no."""
    return not_(func.coalesce(verdict, false(), type_=Boolean))


def present(key: str, person: FromClause) -> Verdict:
    """Whether the person has the property, with a value that is not null."""
    return _raw_text(key, person).is_not(None)


def canonical(value: Scalar) -> str:
    """The text under which a scalar is compared; 5, 5.0 and "5" have the same one."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            text = format(Decimal(repr(value)), "f")
            text = text.rstrip("0").rstrip(".") if "." in text else text
            return "0" if text in ("-0", "") else text
        case _:
            return value


def probe(pattern: str) -> Verdict:
    """An expression that fails exactly when PostgreSQL cannot read the regular expression."""
    matches: Verdict = _bound("", Text).collate(UNICODE).op("~", is_comparison=True)(_bound(pattern, Text))
    return matches


# -- operators


def _equals(condition: PersonCondition, person: FromClause, indexed: int = INDEXED_VALUES) -> Verdict:
    values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    texts = sorted({canonical(value) for value in values if value is not None})
    for text in texts:
        _check_text(text)
    if condition.key in COLUMNS:
        return _column_equals(condition.key, texts, person)
    if len(texts) > indexed:
        return _text(condition.key, person) == any_(_bound(texts, ARRAY(Text)))
    key = json.dumps(condition.key)
    probes = [f"{{{key}: {form}}}" for text in texts for form in _json_forms(text)]
    return or_(*(person.c.properties.op("@>", is_comparison=True)(cast(_bound(form, Text), JSONB)) for form in probes))


def _column_equals(key: str, texts: list[str], person: FromClause) -> Verdict:
    if key != "email":
        return person.c[key] == any_(_bound(texts, ARRAY(Text)))
    addresses = sorted({found for text in texts if (found := normalised(text)) is not None})
    others = [text for text in texts if normalised(text) is None]
    same = [address(person) == any_(_bound(addresses, ARRAY(Text)))] if addresses or not others else []
    # What is no address is compared as it was told, with people who have none either.
    if others:
        same.append(and_(address(person).is_(None), person.c.email == any_(_bound(others, ARRAY(Text)))))
    return or_(*same)


def _json_forms(text: str) -> list[str]:
    """Every JSON scalar whose canonical text this is."""
    forms = [json.dumps(text, ensure_ascii=False)]
    if text in ("true", "false") or (CANONICAL_NUMBER.fullmatch(text) and text != "-0"):
        forms.append(text)
    return forms


def _contains(condition: PersonCondition, person: FromClause) -> Verdict:
    # strpos, and not LIKE: no character of the value has a meaning.
    needle = func.lower(_operand(condition).collate(UNICODE))
    return func.strpos(func.lower(_text(condition.key, person).collate(UNICODE)), needle) > 0


def _matches(condition: PersonCondition, person: FromClause) -> Verdict:
    text = _text(condition.key, person).collate(UNICODE)
    return text.op("~", is_comparison=True)(_operand(condition))


def _compares(condition: PersonCondition, person: FromClause) -> Verdict:
    if condition.key in COLUMNS or isinstance(condition.value, (bool, str, tuple)) or condition.value is None:
        return false()
    value = _json(condition.key, person)
    bound = cast(_bound(canonical(condition.value), Text), Numeric)
    operator = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}[condition.operator]
    compared = cast(value, Numeric).op(operator, is_comparison=True)(bound)
    # CASE, because AND promises no order and the cast of a text would raise.
    return case((func.jsonb_typeof(value) == "number", compared), else_=false())


def _dated(condition: PersonCondition, person: FromClause, now: datetime) -> Verdict:
    try:
        start, end = span(str(condition.value), now)
    except ValueError as error:
        raise Unanswerable("The date is outside the years 1 to 9999.") from error
    text = _raw_text(condition.key, person)
    instant = cast(text, Instant)
    match condition.operator:
        case "is_date_before":
            compared = instant < _bound(start, Instant)
        case "is_date_after":
            compared = instant >= _bound(end, Instant) if end > start else instant > _bound(start, Instant)
        case _:
            day = start.replace(hour=0, minute=0, second=0, microsecond=0)
            compared = and_(instant >= _bound(day, Instant), instant < _bound(day_after(day), Instant))
    # What PostgreSQL reads as an instant is more than ISO. The pattern that says so costs five times the rest, so it
    # comes last; CASE keeps the order, and with it the promise that no text makes the cast fail.
    readable = and_(text.like("____-__-__%"), func.pg_input_is_valid(text, "timestamptz"))
    return case((readable, case((compared, text.regexp_match(ISO_DATE)), else_=false())), else_=false())


# -- pieces


def address(person: FromClause) -> ColumnElement[str]:
    """What makes two people one recipient: the normalised address, NULL for who has none."""
    return person.c.address


def _bound(value: Any, type_: Any) -> Any:
    return bindparam(None, value, type_=type_, unique=True)


def _json(key: str, person: FromClause) -> ColumnElement[Any]:
    return person.c.properties.op("->", return_type=JSONB())(_bound(key, Text))


def _raw_text(key: str, person: FromClause) -> ColumnElement[str]:
    if key in COLUMNS:
        return person.c[key]
    return person.c.properties.op("->>", return_type=Text())(_bound(key, Text))


def _text(key: str, person: FromClause) -> ColumnElement[str]:
    """The canonical text of a property, NULL where it has none."""
    raw = _raw_text(key, person)
    if key in COLUMNS:
        return raw
    value = _json(key, person)
    return case(
        (func.jsonb_typeof(value).in_(("string", "boolean")), raw),
        (func.jsonb_typeof(value) == "number", cast(func.trim_scale(cast(value, Numeric)), Text)),
        else_=None,
    )


def _operand(condition: PersonCondition) -> Any:
    text = str(condition.value)
    _check_text(text)
    return _bound(text, Text)


def _check_text(text: str) -> None:
    """PostgreSQL has no text with a NUL or a lone surrogate, so nobody can have one."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Unanswerable("A text is not valid Unicode.") from error
    if "\0" in text:
        raise Unanswerable("A text contains a NUL character.")

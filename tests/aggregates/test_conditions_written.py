"""What a condition may write: patterns that PostgreSQL compiles, dates that are dates whenever they are asked for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aggregates.audience import Audience
from aggregates.dates import is_date, span
from aggregates.patterns import is_pattern


@pytest.mark.parametrize(
    "text",
    [
        "^a.*z$",
        "a{1,255}",
        "(ab|cd){3}{",
        r"[]{9}(]{2}\{99}\({3}x",
        r"[^:alpha:{9}]{10}",
        "((a{1,9}){1,9}){1,9}",
        "(a*){1,50}b{2,}",
        "ü" * 200,
    ],
)
def test_a_pattern_may_be_so_large(text: str) -> None:
    assert is_pattern(text)


@pytest.mark.parametrize(
    "text",
    [
        "(((((a{1,9}){1,9}){1,9}){1,9}){1,9})",
        "(?:(?:a{1,99}){1,99}b)",
        "((ab){10}){51}",
        "(a|(b|c{30}){30}){2}",
        r"([(]{200}x){6}",
        "(" * 60 + "a" + "){2}" * 30 + ")" * 30,
        "x" * 201,
        "(",
        r"(a)\1",
        "(?=a)",
    ],
)
def test_and_no_larger(text: str) -> None:
    assert not is_pattern(text)


@pytest.mark.parametrize("text", ["-7d", "-1999y", "-9999m", "2026-02-28", "2026-02-28T10:00:00+02:00", "9999-12-31"])
def test_a_date_is_one_whenever_it_is_asked_for(text: str) -> None:
    assert is_date(text)
    for year in (2000, 2026, 9999):
        first, last = span(text, datetime(year, 12, 31, tzinfo=UTC))
        assert first <= last


@pytest.mark.parametrize(
    "text",
    [
        "-9999y",
        "-2000y",
        "-7D",
        "-\N{ARABIC-INDIC DIGIT SEVEN}d",
        "7d",
        "-7d\n",
        "9999-12-31T23:59:59-14:00",
        "0001-01-01T00:00+14:00",
        "x",
    ],
)
def test_what_is_no_date_in_some_year_is_none(text: str) -> None:
    assert not is_date(text)


def test_both_are_refused_where_they_are_written_by_their_field() -> None:
    conditions = [
        {"type": "person", "key": "plan", "operator": "regex", "value": "(((((a{1,9}){1,9}){1,9}){1,9}){1,9})"},
        {"type": "person", "key": "seen", "operator": "is_date_after", "value": "-9999y"},
    ]
    _, problems = Audience.parse(conditions)
    assert [(problem.pointer, problem.code) for problem in problems] == [
        ("/0/value", "condition.value_invalid"),
        ("/1/value", "condition.value_invalid"),
    ]

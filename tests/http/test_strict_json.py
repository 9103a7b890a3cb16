"""What the strict reader takes and refuses."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregates.errors import DomainError
from engine.http.strict_json import MOST_MEMBERS, MOST_PROBLEMS, parse

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def refused(raw: bytes) -> tuple[str, list[tuple[str, str]]]:
    with pytest.raises(DomainError) as caught:
        parse(raw)
    return caught.value.code, [(problem.pointer, problem.code) for problem in caught.value.problems]


@given(PLAIN)
def test_every_plain_document_is_read_as_any_other_reader_would(data: object) -> None:
    assert parse(json.dumps(data, ensure_ascii=False).encode()) == data


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "json.malformed"),
        (b"{", "json.malformed"),
        (b"{} {}", "json.malformed"),
        (b"{'a': 1}", "json.malformed"),
        (b"[1,]", "json.malformed"),
        (b"01", "json.malformed"),
        (b'"\x01"', "json.malformed"),
        (b"\xef\xbb\xbf{}", "json.malformed"),
        (b'{"a": "\xff"}', "json.not_utf8"),
        (b'"\xed\xa0\x80"', "json.not_utf8"),
        ('{"a": 1}'.encode("utf-16"), "json.not_utf8"),
    ],
)
def test_what_is_not_json_in_utf8_is_malformed(raw: bytes, code: str) -> None:
    assert refused(raw) == ("request.malformed", [("", code)])


@pytest.mark.parametrize(
    ("raw", "pointer", "code"),
    [
        (b'{"a": NaN}', "/a", "json.not_finite"),
        (b'{"a": [1, -Infinity]}', "/a/1", "json.not_finite"),
        (b'{"a": 1e400}', "/a", "json.not_finite"),
        (b'{"a": 9007199254740993}', "/a", "json.integer_too_large"),
        (b'{"a": -' + b"9" * 5000 + b"}", "/a", "json.integer_too_large"),
        (rb'{"a": "x\u0000y"}', "/a", "json.not_text"),
        (rb'{"a": "\ud800"}', "/a", "json.not_text"),
        (rb'{"a": "\udc00\ud800"}', "/a", "json.not_text"),
        (rb'{"a\u0000": 1}', "", "json.not_text"),
        (b'{"a": 1, "b": {"c": 1, "c": 1}}', "/b/c", "json.duplicate_key"),
        (rb'{"a/b": {"c": 1, "\u0063": 2}}', "/a~1b/c", "json.duplicate_key"),
        (b"[" * 33 + b"]" * 33, "/0" * 32, "json.too_deep"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "/a" * 32, "json.too_deep"),
        (b"[" * 500_000, "", "json.too_deep"),
    ],
)
def test_what_others_would_read_differently_is_refused_by_its_pointer(raw: bytes, pointer: str, code: str) -> None:
    assert refused(raw) == ("request.invalid", [(pointer, code)])


def test_thirty_two_levels_are_taken() -> None:
    assert parse(b"[" * 32 + b"]" * 32)


def test_an_object_with_too_many_fields_is_refused_before_they_are_looked_at() -> None:
    raw = json.dumps({str(number): number for number in range(MOST_MEMBERS + 1)}).encode()
    assert refused(raw) == ("request.invalid", [("", "json.too_many_fields")])


def test_a_body_full_of_faults_is_answered_with_the_first_few() -> None:
    _, problems = refused(b"[" + b",".join([b"NaN"] * 10_000) + b"]")
    assert len(problems) == MOST_PROBLEMS

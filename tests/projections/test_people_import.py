"""An import is all of a file or nothing of it, and says which lines are in the way."""

from __future__ import annotations

import json
from io import RawIOBase
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select, text

from aggregates.errors import DomainError
from projections.people_files import LINE_LIMIT
from projections.people_import import import_people
from projections.tables import people
from tests.support.imports import faults, load, stored
from tests.support.people import FOREIGN, NOW, PROJECT, add_people


def test_a_csv_file_becomes_people_in_its_order(connection: Connection) -> None:
    report = load(
        connection,
        "\ufeffdistinct_id,email,plan,age,vip,code,note,opted_out_at\r\n"
        'b,b@x.example,pro,5,true,007,"two\nlines, and ""quotes""",2026-01-31\r\n'
        "\r\n"
        "a,,free,-1.25,TRUE,5.0,\\N\\t,\r\n",
    )
    assert (report.rows, report.inserted, report.updated, report.total_rejected) == (2, 2, 0, 0)
    found = stored(connection)
    assert list(found) == ["b", "a"]
    assert found["b"].properties == {
        "plan": "pro", "age": 5, "vip": True, "code": "007", "note": 'two\nlines, and "quotes"'
    }  # fmt: skip
    assert found["a"].properties == {"plan": "free", "age": -1.25, "vip": "TRUE", "code": "5.0", "note": "\\N\\t"}
    assert (found["a"].email, found["b"].email) == (None, "b@x.example")
    assert found["b"].opted_out_at.isoformat() == "2026-01-31T00:00:00+00:00"
    assert found["a"].opted_out_at is None


def test_a_cell_with_more_digits_than_a_number_may_have_stays_a_text(connection: Connection) -> None:
    digits = {"short": "9" * 100, "long": "9" * 101, "longest": "9" * 5_000, "decimal": "1" * 400 + ".5"}
    load(connection, f"distinct_id,{','.join(digits)}\na,{','.join(digits.values())}\n")
    kept = connection.execute(text("SELECT key, jsonb_typeof(value) FROM people, jsonb_each(properties)")).all()
    assert dict(map(tuple, kept)) == {"short": "number", "long": "string", "longest": "string", "decimal": "string"}


@pytest.mark.parametrize("number", ["9" * 101, "-" + "9" * 5_000, "1e200", "[[1e100]]"])
def test_a_number_that_is_too_large_is_refused_by_its_column(connection: Connection, number: str) -> None:
    line = f'{{"distinct_id": "a", "properties": {{"n": {number}}}}}'
    assert faults(connection, line, "jsonl") == [(1, "properties", "number.too_large")]


def test_a_jsonl_file_becomes_people(connection: Connection) -> None:
    lines: list[dict[str, Any]] = [
        {
            "distinct_id": "a\\b",
            "email": "a@x.example",
            "properties": {"n": 10**40, "t": "tab\t\\ü", "l": [1, {"x": None}]},
        },
        {"distinct_id": "日本", "opted_out": True},
        {"distinct_id": "c", "email": None, "opted_out_at": None, "opted_out": False, "properties": None},
    ]
    report = load(connection, "\n".join(map(json.dumps, lines)) + "\n\n", "jsonl")
    assert report.inserted == 3
    found = stored(connection)
    assert found["a\\b"].properties == lines[0]["properties"]
    assert found["日本"].opted_out_at == NOW


def test_importing_again_changes_only_what_is_different(connection: Connection) -> None:
    load(connection, "distinct_id,email,plan,age\na,a@x.example,free,1\nb,,free,2\nc,,free,3\n")
    report = load(connection, "distinct_id,email,plan\na,,pro\nb,b@x.example,free\nc,,free\nd,,pro\n", dry_run=True)
    assert (report.inserted, report.updated, report.unchanged) == (1, 2, 1)
    report = load(connection, "distinct_id,email,plan\na,,pro\nb,b@x.example,free\nc,,free\nd,,pro\n")
    assert (report.inserted, report.updated, report.unchanged) == (1, 2, 1)
    found = stored(connection)
    assert (found["a"].email, found["a"].properties) == ("a@x.example", {"plan": "pro", "age": 1})
    assert found["b"].email == "b@x.example"


def test_an_import_opts_out_but_never_in(connection: Connection) -> None:
    add_people(connection, {"distinct_id": "a", "opted_out_at": NOW}, {"distinct_id": "b"})
    load(connection, "distinct_id,opted_out\na,false\nb,true\nc,False\n")
    assert [row.opted_out_at for row in stored(connection).values()] == [NOW, NOW, None]


def test_people_of_another_project_are_left_alone(connection: Connection) -> None:
    add_people(connection, {"distinct_id": "a", "properties": {"plan": "theirs"}}, project=FOREIGN)
    assert load(connection, "distinct_id,plan\na,ours\n").inserted == 1
    assert connection.scalar(select(people.c.properties).where(people.c.project_id == FOREIGN)) == {"plan": "theirs"}


def test_every_bad_row_is_named_and_nothing_is_imported(connection: Connection) -> None:
    data = (
        b"distinct_id,email,opted_out_at,opted_out,note\n"
        b"ok,ok@x.example,,,\n"
        b",a@x.example,,,\n"
        b"b,not an address,soon,perhaps,\n"
        b"c,,,\n"
        b"d,,,,\xff\xfe\n"
        b"e,,,,a\x00b\n"
        b"ok,,,,\n" + b"f" * 201 + b",,,,\n"
        b'g,,,,"a"b\n'
        b"h,,,,\n"
        b"ok,,,,\n"
    )
    assert sorted(faults(connection, data), key=str) == sorted(
        [
            (3, "distinct_id", "distinct_id.missing"),
            (4, "email", "email.invalid"),
            (4, "opted_out", "opted_out.invalid"),
            (4, "opted_out_at", "date.invalid"),
            (5, None, "row.columns"),
            (6, None, "text.not_utf8"),
            (7, "properties", "text.nul"),
            (8, "distinct_id", "distinct_id.double"),
            (9, "distinct_id", "distinct_id.too_long"),
            (10, None, "row.malformed"),
            (12, "distinct_id", "distinct_id.double"),
        ],
        key=str,
    )


@pytest.mark.parametrize(
    ("line", "column", "code"),
    [
        ('{"distinct_id": "a", "distinct_id": "b"}', None, "row.malformed"),
        ('{"distinct_id": "a", "properties": {"n": NaN}}', None, "row.malformed"),
        ('{"distinct_id": "a", "properties": {"n": 1e999}}', None, "row.malformed"),
        ('{"distinct_id": "a"', None, "row.malformed"),
        ('{"distinct_id": "a"} {}', None, "row.malformed"),
        ("[" * 100_000, None, "row.malformed"),
        ("[]", None, "person.not_an_object"),
        ('{"distinct_id": "a", "properties": {"t": "\\ud800"}}', "properties", "text.not_unicode"),
        ('{"distinct_id": "a", "properties": {"t": "a\\u0000"}}', "properties", "text.nul"),
        ('{"distinct_id": "a\\u0000"}', "distinct_id", "text.control_character"),
        ('{"distinct_id": "a", "properties": "x"}', "properties", "properties.not_an_object"),
        ('{"distinct_id": "a", "plan": "pro"}', "plan", "field.unknown"),
        ('{"distinct_id": "a", "\\udc00": 1}', "?", "field.unknown"),
        ('{"distinct_id": "a", "email": "x"}', "email", "email.invalid"),
        ("\ufffd", None, "row.malformed"),
    ],
)
def test_json_that_is_not_a_person_is_refused(connection: Connection, line: str, column: str | None, code: str) -> None:
    assert faults(connection, f'{{"distinct_id": "ok"}}\n\n{line}\n', "jsonl") == [(3, column, code)]


def test_a_text_that_only_looks_like_a_nul_escape_is_kept(connection: Connection) -> None:
    load(connection, "distinct_id,note\na,\\u0000\n")
    load(connection, json.dumps({"distinct_id": "b", "properties": {"note": "\\u0000"}}), "jsonl")
    assert [row.properties for row in stored(connection).values()] == [{"note": "\\u0000"}] * 2


def test_no_more_than_a_hundred_faults_are_shown_but_all_are_counted(connection: Connection) -> None:
    with pytest.raises(DomainError) as refusal, connection.begin_nested():
        load(connection, "distinct_id\n" + "same\n" * 300 + "a,b\n" * 50)
    assert refusal.value.details["total_rejected"] == 349
    assert len(refusal.value.problems) == 100


def test_what_was_sent_is_not_in_the_refusal(connection: Connection) -> None:
    with pytest.raises(DomainError) as refusal, connection.begin_nested():
        load(connection, 'distinct_id,email\nsecret-name,secret-address\nsecret-name,\n"secret"x,y\n')
    assert "secret" not in json.dumps([problem.as_data() for problem in refusal.value.problems])
    assert "secret" not in json.dumps(dict(refusal.value.details))


class Endless(RawIOBase):
    """A stream that repeats one block; it counts what was taken of it."""

    def __init__(self, start: bytes, block: bytes) -> None:
        self.start, self.block, self.taken = start, block, 0

    def read(self, size: int = -1) -> bytes:
        self.taken += size
        if self.start:
            block, self.start = self.start, b""
            return block
        return (self.block * (size // len(self.block) + 1))[:size]


@pytest.mark.parametrize(
    ("format", "start", "block", "code"),
    [
        ("csv", b"distinct_id\n", b"x", "line.too_long"),
        ("csv", b"distinct_id,n\n", b'"a\n",', "row.too_long"),
        ("jsonl", b"{", b" ", "line.too_long"),
    ],
)
def test_a_row_without_an_end_is_given_up(
    connection: Connection, format: str, start: bytes, block: bytes, code: str
) -> None:
    stream = Endless(start, block)
    with pytest.raises(DomainError) as refusal:
        import_people(connection, PROJECT, stream, format=format, now=NOW)  # type: ignore[arg-type]  # it only reads
    assert [problem.code for problem in refusal.value.problems] == [code]
    assert stream.taken < 4 * LINE_LIMIT


def test_a_quote_that_is_never_closed_is_named_by_its_line(connection: Connection) -> None:
    data = 'distinct_id,note\na,\nb,"open\n' + "c,text\n" * 30_000
    assert faults(connection, data)[0] == (3, None, "row.malformed")


def test_two_imports_fit_into_one_transaction(connection: Connection) -> None:
    load(connection, "distinct_id\na\n", dry_run=True)
    load(connection, "distinct_id\na\n")
    load(connection, "distinct_id\nb\n")
    assert list(stored(connection)) == ["a", "b"]


def test_a_large_import_leaves_the_callers_settings_as_before(connection: Connection) -> None:
    before = connection.scalar(text("SELECT current_setting('work_mem')"))
    report = load(connection, "distinct_id,n\n" + "".join(f"u{n},{n}\n" for n in range(10_001)))
    assert report.inserted == 10_001
    assert connection.scalar(text("SELECT current_setting('work_mem')")) == before
    assert connection.scalar(text("SELECT reltuples FROM pg_class WHERE oid = 'people'::regclass")) == 10_001


def test_an_unknown_format_is_refused(connection: Connection) -> None:
    with pytest.raises(DomainError) as refusal:
        load(connection, "", "xlsx")
    assert refusal.value.code == "request.invalid"


FUZZ = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
JSON = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
    st.integers(),
    st.booleans(),
    st.none(),
    st.floats(-1e9, 1e9),
)


@FUZZ
@given(
    format=st.sampled_from(["csv", "jsonl"]),
    start=st.sampled_from([b"", b"distinct_id,b\n"]),
    data=st.one_of(st.binary(max_size=200), st.text(alphabet='a,"\n\r\\{}:é\0 ', max_size=80).map(str.encode)),
)
def test_whatever_the_bytes_an_import_is_done_or_refused(
    connection: Connection, format: str, start: bytes, data: bytes
) -> None:
    report = load(connection, start + data, format, dry_run=True)
    if report.total_rejected:
        with pytest.raises(DomainError, match=r"people\.rejected"), connection.begin_nested():
            load(connection, start + data, format)
    else:
        with connection.begin_nested() as savepoint:
            assert load(connection, start + data, format).inserted == report.inserted == report.rows
            savepoint.rollback()


@FUZZ
@given(
    told=st.dictionaries(
        st.text("aZ0é日\\'%", min_size=1, max_size=5),
        st.dictionaries(st.text('aZ0é日\\"\t$', min_size=1, max_size=5), JSON, max_size=4),
        max_size=5,
    )
)
def test_what_is_told_is_what_is_stored(connection: Connection, told: dict[str, dict[str, Any]]) -> None:
    lines = "\n".join(json.dumps({"distinct_id": name, "properties": held}) for name, held in told.items())
    with connection.begin_nested() as savepoint:
        load(connection, lines, "jsonl")
        assert {name: row.properties for name, row in stored(connection).items()} == told
        savepoint.rollback()


def test_addresses_that_cannot_be_written_to_are_told_at_the_import(connection: Connection) -> None:
    report = load(connection, "distinct_id,email\na,a..b@example.com\nb,j\u00f6rg@example.com\nc,c@example.com\n")
    (warning,) = report.warnings
    assert warning["code"] == "email.invalid_address" and "2 people" in warning["reason"]

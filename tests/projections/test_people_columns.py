"""Columns of a file of people: what each becomes, and what is wrong with a header."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, text

from tests.support.imports import faults, load, stored


def test_a_mapping_renames_columns_and_leaves_some_out(connection: Connection) -> None:
    load(
        connection,
        "ID, Email ,Plan,Secret\na,a@x.example,pro,s\n",
        mapping={"ID": "distinct_id", "Email": "email", "Secret": ""},
    )
    row = stored(connection)["a"]
    assert (row.email, row.properties) == ("a@x.example", {"Plan": "pro"})
    load(connection, '{"ID": "b"}', "jsonl", mapping={"ID": "distinct_id"})
    assert "b" in stored(connection)


@pytest.mark.parametrize(
    ("data", "codes"),
    [
        ("", ["header.missing"]),
        ("email,plan\n", ["header.no_distinct_id"]),
        ("distinct_id,plan,plan\n", ["header.double"]),
        ("distinct_id,\n", ["header.unnamed"]),
        (f"distinct_id,{'x' * 201}\n", ["header.invalid"]),
        ('distinct_id,"a\nb"\n', ["header.invalid"]),
        ("distinct_id" + "".join(f",c{n}" for n in range(300)) + "\n", ["header.too_many"]),
    ],
)
def test_a_header_that_cannot_be_used_is_refused(connection: Connection, data: str, codes: list[str]) -> None:
    assert [code for _, _, code in faults(connection, data)] == codes


def test_a_mapping_of_a_column_that_is_not_there_is_refused(connection: Connection) -> None:
    assert faults(connection, "distinct_id\na\n", mapping={"Mail": "email"}) == [(1, "Mail", "header.unmapped")]


@pytest.mark.parametrize("spelling", ["opted_out", "Opted_Out", "OPTED_OUT", "Opted Out", "opted-out", "optedOut"])
def test_a_known_column_is_known_in_any_spelling(connection: Connection, spelling: str) -> None:
    data = f"Distinct_ID,E-Mail,{spelling},Plan\na,a@example.com,true,pro\n"
    report = load(connection, data)
    assert report.columns == (
        {"column": "Distinct_ID", "becomes": "distinct_id"},
        {"column": "E-Mail", "becomes": "email"},
        {"column": spelling, "becomes": "opted_out"},
        {"column": "Plan", "becomes": "properties.Plan"},
    )
    assert report.warnings == ()
    row = connection.execute(text("SELECT address, opted_out_at IS NOT NULL AS gone, properties FROM people")).one()
    assert tuple(row) == ("a@example.com", True, {"Plan": "pro"})


def test_what_reads_like_a_known_column_becomes_a_property_with_a_warning(connection: Connection) -> None:
    report = load(connection, "distinct_id,Mail,unsubscribed,kept\na,x,1,y\n", mapping={"kept": ""})
    assert [(warning["column"], warning["code"]) for warning in report.warnings] == [
        ("Mail", "column.looks_known"),
        ("unsubscribed", "column.looks_known"),
    ]
    assert {column["column"]: column["becomes"] for column in report.columns} == {
        "distinct_id": "distinct_id",
        "Mail": "properties.Mail",
        "unsubscribed": "properties.unsubscribed",
        "kept": None,
    }
    mapped = load(connection, "distinct_id,unsubscribed\na,x\n", mapping={"unsubscribed": "unsubscribed"})
    assert mapped.warnings == ()


def test_two_spellings_of_one_column_are_two_columns_of_one_name(connection: Connection) -> None:
    assert faults(connection, "distinct_id,email,Email\na,,\n") == [(1, "email", "header.double")]


def test_a_header_of_too_many_columns_is_one_fault_however_many_they_are(connection: Connection) -> None:
    for count in (1_001, 100_000):
        header = "distinct_id" + ",c" * count
        assert faults(connection, header + "\n") == [(1, None, "header.too_many")]

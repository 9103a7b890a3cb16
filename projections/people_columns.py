"""The columns of a CSV file of people: what each becomes, and what is wrong or worth a look with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aggregates.nearest import plain
from aggregates.values import NAME_LIMIT
from projections.person_rules import CONTROL, PROPERTY_LIMIT

KNOWN = ("distinct_id", "email", "opted_out_at", "opted_out")
"""Columns of a CSV file that are not properties, in any letter case, and with blanks, dashes or nothing for `_`."""

MOST_COLUMNS = 1_000
"""Most columns of a file; those that are left out count too."""

Rejected = tuple[str | None, str, str]
"""Column, code, reason."""

LOOKS_LIKE: Mapping[str, str] = {
    word: name
    for name, words in {
        "email": "mail mailaddress emailaddress useremail contactemail primaryemail emailadresse courriel correo",
        "opted_out": (
            "optout unsubscribed unsubscribe isunsubscribed hasunsubscribed donotemail donotcontact donotmail nomail "
            "emailoptout suppressed blocked abgemeldet"
        ),
        "opted_out_at": "optoutat optoutdate unsubscribedat unsubscribedate unsubscribedon unsubscribetime",
    }.items()
    for word in words.split()
}
"""What other tools call them. Such a column stays a property, with a warning: its values may mean something else."""

_SPELT = {name.replace("_", ""): name for name in KNOWN}


def names_of(header: Sequence[str], mapping: Mapping[str, str]) -> list[str]:
    """What each column becomes: a name of `KNOWN`, a property's name, or "" for one that is left out.

    A mapping decides before any spelling does.
    """
    return [mapping.get(told, _SPELT.get(_bare(told), told)) for told in header]


def columns_of(header: Sequence[str], names: Sequence[str]) -> list[dict[str, Any]]:
    """The report's lines: `{column, becomes}`, null for a column that is left out."""
    return [
        {"column": told, "becomes": name if name in KNOWN else f"properties.{name}" if name else None}
        for told, name in zip(header, names, strict=True)
    ]


def warnings_of(header: Sequence[str], mapping: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Columns that nobody mapped and that read as if they were of `KNOWN`."""
    for told in header:
        meant = LOOKS_LIKE.get(_bare(told))
        if meant is not None and told not in mapping:
            reason = f"This becomes a property. If it is {meant}, map it."
            yield {"column": told, "code": "column.looks_known", "reason": reason}


def header_faults(header: Sequence[str], names: Sequence[str], mapping: Mapping[str, str]) -> list[Rejected]:
    """Everything wrong with a header; only that, if it is no header at all."""
    if not header:
        return [(None, "header.missing", "The file begins with a header line that names the columns.")]
    if len(header) > MOST_COLUMNS:
        return [(None, "header.too_many", f"A file has at most {MOST_COLUMNS} columns.")]
    faults: list[Rejected] = [
        (name, "header.unmapped", "The mapping names a column that the file does not have.")
        for name in sorted(set(mapping) - set(header))
    ]
    for place, (told, name) in enumerate(zip(header, names, strict=True), 1):
        if not told:
            faults.append((None, "header.unnamed", f"Column {place} has no name."))
        elif len(name) > NAME_LIMIT or CONTROL.search(name):
            faults.append((None, "header.invalid", f"The name of column {place} is too long or not plain text."))
    faults += [
        (name, "header.double", "Two columns have the same name, or become the same; a mapping can rename one.")
        for name, times in Counter(filter(None, names)).items()
        if times > 1
    ]
    if "distinct_id" not in names:
        faults.append(
            ("distinct_id", "header.no_distinct_id", "A column distinct_id is needed; a mapping can rename one.")
        )
    if sum(bool(name) and name not in KNOWN for name in names) > PROPERTY_LIMIT:
        faults.append((None, "header.too_many", f"A person has at most {PROPERTY_LIMIT} properties."))
    return faults


def _bare(told: str) -> str:
    return plain(told).replace("_", "")

"""Imports of people, what was stored of them and what was wrong."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from aggregates.errors import DomainError
from projections.people_import import ImportReport, import_people
from projections.tables import people
from tests.support.people import NOW, PROJECT


def load(connection: Connection, data: bytes | str, format: str = "csv", **options: Any) -> ImportReport:
    raw = data.encode() if isinstance(data, str) else data
    return import_people(connection, PROJECT, BytesIO(raw), format=format, now=NOW, **options)


def faults(connection: Connection, data: bytes | str, format: str = "csv", **options: Any) -> list[tuple[Any, ...]]:
    """Line, column and code of what is rejected, after seeing that nothing was written."""
    with pytest.raises(DomainError) as refusal, connection.begin_nested():
        load(connection, data, format, **options)
    assert refusal.value.code == "people.rejected"
    assert connection.scalar(select(func.count()).select_from(people)) == 0
    told = [(fault["line"], fault["column"], fault["code"]) for fault in refusal.value.details["rejected"]]
    assert len(refusal.value.problems) == len(told)
    report = load(connection, data, format, dry_run=True, **options)
    assert [(fault["line"], fault["column"], fault["code"]) for fault in report.rejected] == told
    return told


def stored(connection: Connection) -> dict[str, Any]:
    rows = connection.execute(select(people).where(people.c.project_id == PROJECT).order_by(people.c.id))
    return {row.distinct_id: row for row in rows}

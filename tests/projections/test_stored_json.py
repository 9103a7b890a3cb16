"""Whatever the database has as JSON can be read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.responses import JSONResponse

from projections.stored_json import loads


@pytest.mark.parametrize("document", [{"a": [1, -2.5, True, None, "x"]}, [], 10**40, "text"])
def test_a_document_is_what_it_was(document: Any) -> None:
    assert loads(json.dumps(document)) == document
    assert loads(json.dumps(document).encode()) == document


@pytest.mark.parametrize("number", ["9" * 5_000, "-" + "9" * 5_000, "1" * 400 + ".5"])
def test_a_number_that_cannot_be_kept_is_read_as_it_is_written(number: str) -> None:
    found = loads(f'{{"n": {number}, "m": 7}}')
    assert found == {"n": number, "m": 7}
    assert JSONResponse(found).body

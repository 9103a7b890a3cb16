"""Events as they are stored: read fast, and no differently from how the library reads them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from eventsourcing.persistence import DatetimeAsISO, JSONTranscoder, MapperDeserialisationError, UUIDAsHex
from hypothesis import given
from hypothesis import strategies as st

from aggregates.base import _MAPPER, decode
from aggregates.batch_job.events import BatchJobResumed

INSTANT = datetime(2027, 1, 31, 9, 30, tzinfo=UTC)

plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8"))
marked = st.uuids() | st.datetimes(timezones=st.just(UTC))
# Names that look like the store's own marks are among those that people choose.
names = st.sampled_from(["_type_", "_data_", "counts"]) | st.text(st.characters(codec="utf-8"), max_size=4)
values = st.recursive(
    plain | marked,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


def library() -> JSONTranscoder:
    transcoder = JSONTranscoder()
    transcoder.register(UUIDAsHex())
    transcoder.register(DatetimeAsISO())
    return transcoder


def read(state: bytes) -> dict[str, Any]:
    event = decode(UUID(int=1), 1, BatchJobResumed.TOPIC, state)
    return {name: value for name, value in vars(event).items() if name not in ("originator_id", "originator_version")}


def written(state: dict[str, Any]) -> bytes:
    """A state as the store writes it."""
    return _MAPPER.transcoder.encode(
        {"originator_id": UUID(int=1), "originator_version": 1, "timestamp": INSTANT, **state}
    )


@given(values, values)
def test_what_is_written_is_read_back_whatever_its_names(first: Any, second: Any) -> None:
    state = {"counts": first, "reason": second}
    assert read(written(state)) == {"timestamp": INSTANT, **state}


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), plain | marked, max_size=5))
def test_a_state_without_such_names_is_written_and_read_as_the_library_does(state: dict[str, Any]) -> None:
    if "_type_" not in state.values():
        stored = library().encode({"timestamp": INSTANT, **state})
        assert read(stored) == {"timestamp": INSTANT, **state}


@pytest.mark.parametrize(
    "value",
    [
        {"_type_": "nope", "_data_": 1},
        {"_type_": "datetime_iso", "_data_": "2027-01-31T00:00:00"},
        {"_type_": "uuid_hex", "_data_": 7},
        {"_type_": "plain", "_data_": {"_type_": "plain", "_data_": {}}},
        [{"deep": [{"_type_": ["list"], "_data_": None}]}],
    ],
)
def test_what_looks_like_a_mark_of_the_store_is_a_tenants_own(value: Any) -> None:
    assert read(written({"counts": value}))["counts"] == value


@pytest.mark.parametrize(
    "state",
    [
        {"counts": 2**80},
        {"counts": [INSTANT, UUID(int=7)], "timestamp": INSTANT},
        {"counts": {"_type_": "mine"}, "timestamp": INSTANT},
        {"counts": {"deep": {"_type_": "mine", "other": 1}}, "timestamp": INSTANT},
        {"counts": "_type_", "timestamp": INSTANT},
    ],
)
def test_marks_and_numbers_of_every_size_survive(state: dict[str, Any]) -> None:
    assert read(library().encode(state)) == state


def test_a_state_that_is_nested_very_deeply_is_read() -> None:
    depth = 600
    stored = b'{"counts":' + b"[" * depth + b"]" * depth + b"}"
    assert read(stored) == json.loads(stored)


def test_what_an_older_version_wrote_of_it_is_read_as_it_was_sent() -> None:
    stored = b'{"counts":{"_type_":"unknown","_data_":1}}'
    assert read(stored) == {"counts": {"_type_": "unknown", "_data_": 1}}


@pytest.mark.parametrize("state", [b"{", b"", b'{"counts":\xff}'])
def test_a_broken_state_is_refused_with_its_place(state: bytes) -> None:
    with pytest.raises(MapperDeserialisationError, match="originator_version 1"):
        read(state)

"""Events as they are stored: read fast, and no differently from how the library reads them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from eventsourcing.persistence import (
    DatetimeAsISO,
    JSONTranscoder,
    MapperDeserialisationError,
    TranscodingNotRegisteredError,
    UUIDAsHex,
)
from hypothesis import given
from hypothesis import strategies as st

from aggregates.base import decode
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
states = st.dictionaries(names, values, max_size=5)


def library() -> JSONTranscoder:
    transcoder = JSONTranscoder()
    transcoder.register(UUIDAsHex())
    transcoder.register(DatetimeAsISO())
    return transcoder


def read(state: bytes) -> dict[str, Any]:
    event = decode(UUID(int=1), 1, BatchJobResumed.TOPIC, state)
    return {name: value for name, value in vars(event).items() if name not in ("originator_id", "originator_version")}


def of_the_library(state: bytes) -> Any:
    """What the library makes of a state; None for one that it cannot read."""
    try:
        return library().decode(state)
    except (ValueError, TypeError, AttributeError, AssertionError, TranscodingNotRegisteredError):
        return None


@given(states)
def test_a_state_is_read_as_the_library_reads_it(state: dict[str, Any]) -> None:
    stored = library().encode(state)
    expected = of_the_library(stored)
    if isinstance(expected, dict):
        assert read(stored) == expected
    else:
        with pytest.raises((MapperDeserialisationError, TypeError, AttributeError)):
            read(stored)


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


@pytest.mark.parametrize("state", [b"{", b"", b'{"counts":\xff}', b'{"counts":{"_type_":"unknown","_data_":1}}'])
def test_a_broken_state_is_refused_with_its_place(state: bytes) -> None:
    with pytest.raises(MapperDeserialisationError, match="originator_version 1"):
        read(state)

"""What each event keeps outside the log: declared by its class, and nothing that people write is forgotten."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregates.base import Event, decode, encode
from aggregates.outside import ERASED, OUTSIDE, content_parts, digest_of, putting_in, taking_out
from tests.support.lives import lives
from tests.test_golden import all_events

SAFE_TYPES = {"UUID", "UUID | None", "int", "int | None", "float", "bool", "datetime", "datetime | None"}
SAFE_TYPES |= {"list[datetime]", "dict[str, int]"}

FREE = {
    "acknowledgement": "counts, instants, a keyed fingerprint and a random nonce",
    "approval": "counts, instants, limits and the id of a key",
    "breaker": "two numbers",
    "tripped": "numbers",
    "code": "a code of the catalogue",
    "kind": "a kind of the catalogue",
    "held_because": "a word of ours",
    "decision": "one of two or three words of ours",
    "send_mode": "one of two words",
    "status": "a word of ours",
    "rate": "a number and a unit",
    "recurrence": "a rule of a strict grammar, instants and a zone",
    "firing": "words and numbers of ours",
    "step_id": "an id within a workflow, of letters, digits and a few signs",
    **dict.fromkeys(
        [f"key.{what}.v1 {field}" for what in ("created", "found") for field in ("key_id", "owner")],
        "who acts is what the log is for",
    ),
    "project.created.v1 name": "the name of a tenant, given at the machine",
    "project.found.v1 name": "the name of a tenant, given at the machine",
    **dict.fromkeys(
        [f"project.fence_released.v1 {field}" for field in ("location", "location_before", "because")],
        "numbers and words of ours",
    ),
    **dict.fromkeys(
        [f"project.fence_released.v1 {field}" for field in ("name", "name_before")],
        "the name of an installation, of letters and digits, given by an operator",
    ),
    "people.imported.v1 source": "the format of a file",
    **dict.fromkeys([f"people.{what}.v1 reason" for what in ("suppressed", "unsuppressed")], "a code"),
    "address": "a keyed digest",
    "topic": "the name of a topic, which a workflow chooses and not a person",
    "asks": "the name of a command",
    "fingerprint": "a keyed digest",
    "agent_runs": "one of three words of ours",
    "scopes": "words of ours",
    "chain": "ids of keys",
    "expires_at": "an instant",
    "widened": "pointers to limits of ours",
    "call.refused.v1 name": "the name of a command or read",
    "batch_job.failed.v1 reason": "a sentence of the catalogue",
    "schedule.occurrence_held.v1 reason": "a code",
    "schedule.occurrences_skipped.v1 reason": "a code",
    "meta": "ids, routes and a program's name; reason and idempotency key are kept outside for every event",
}
"""Fields of events that hold text or objects and no personal data, by name or by topic and name, and why not."""

LIBRARY = {"originator_id", "originator_version", "timestamp", "originator_topic", "project_id"}


def ours() -> list[type[Event]]:
    return [event for event in all_events() if event.__module__.startswith("aggregates.")]


def unanswered(event: type[Event]) -> set[str]:
    """The fields of which nobody has said whether they are personal."""
    topic = event.__dict__["TOPIC"]
    declared = LIBRARY | set(event.OUTSIDE) | set(event.PARTED)
    return {
        field.name
        for field in fields(event)
        if field.name not in declared and str(field.type) not in SAFE_TYPES
        if field.name not in FREE and f"{topic} {field.name}" not in FREE
    }


@pytest.mark.parametrize("event", ours(), ids=lambda event: event.TOPIC)
def test_every_text_and_object_of_an_event_is_kept_outside_or_said_to_be_free(event: type[Event]) -> None:
    assert unanswered(event) == set(), "declare it in OUTSIDE, or say in FREE why it holds no personal data"


@pytest.mark.parametrize("event", ours(), ids=lambda event: event.TOPIC)
def test_what_is_declared_is_a_field(event: type[Event]) -> None:
    assert {*event.OUTSIDE, *event.PARTED} <= {field.name for field in fields(event)}


def test_the_question_is_asked_of_every_field_that_takes_text() -> None:
    class Undeclared(Event):
        note: str
        payload: dict[str, Any]
        count: int

    Undeclared.TOPIC = "undeclared"  # type: ignore[attr-defined]
    assert unanswered(Undeclared) == {"note", "payload"}


class Drawer:
    """Keeps values under a salt that is always the same."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def keep(self, value: Any) -> str:
        digest, text = digest_of(b"salt", value)
        self.values[digest] = json.loads(text)
        return digest


def every_event() -> Iterator[Event]:
    for life in lives():
        yield from life.collect_events()  # type: ignore[misc]


def test_every_event_comes_back_as_it_was_and_without_its_values_still_comes_back() -> None:
    for event in every_event():
        drawer = Drawer()
        topic, state = encode(event, drawer.keep)
        identity = (event.originator_id, event.originator_version, topic, state)
        assert decode(*identity, drawer.values) == event
        assert type(decode(*identity)) is type(event)


names = st.sampled_from(["type", "id", "name", "config", "filters", "properties", "value", "key", OUTSIDE, ERASED])
leaves = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3) | st.just("0" * 64)
data = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)
parts = st.sampled_from(["trigger", "steps", "edges", "variables"])
contents = st.dictionaries(parts, data | st.lists(data, max_size=3), max_size=4) | data


@given(contents)
def test_content_of_any_shape_is_parted_and_put_together_again(content: Any) -> None:
    drawer = Drawer()
    skeleton = content_parts(content, taking_out(drawer.keep))
    assert content_parts(json.loads(json.dumps(skeleton)), putting_in(drawer.values)) == content


@given(contents, st.text("αβγδ", min_size=6, max_size=6))
def test_no_text_that_is_not_a_label_stays_in_the_skeleton(content: Any, planted: str) -> None:
    def plant(value: Any) -> Any:
        match value:
            case dict():
                return {name: plant(inner) for name, inner in value.items()}
            case list():
                return [plant(inner) for inner in value]
            case str():
                return f"{planted} <{value}>"
            case _:
                return value

    skeleton = content_parts(plant(content), taking_out(Drawer().keep))
    assert planted not in json.dumps(skeleton, ensure_ascii=False)

"""Stored events are for ever: what was once written must decode and fold with the code of today.

`python -m tests.test_golden` writes a file for each topic that has none; it never changes one that is there.
"""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from uuid import UUID

import pytest

from aggregates.base import CreatedEvent, Event, decode, encode, fold
from aggregates.outside import OUTSIDE, digest_of
from tests.support.lives import lives

FOLDER = Path(__file__).parent / "golden"
BESIDE = FOLDER / "outside"
"""The same topics as they are stored since values are kept outside the log, each with those values."""


def all_events(root: type[Event] = Event) -> list[type[Event]]:
    found = [root] if "TOPIC" in root.__dict__ else []
    return [*found, *(event for child in root.__subclasses__() for event in all_events(child))]


def ours() -> list[type[Event]]:
    return [event for event in all_events() if event.__module__.startswith("aggregates.")]


def files(event: type[Event]) -> list[str]:
    """One golden file for each shape that the event ever had: `topic.v1`, then `topic.v1@2` and so on."""
    topic, latest = event.TOPIC, getattr(event, "class_version", 1)  # type: ignore[attr-defined]
    return [topic, *(f"{topic}@{version}" for version in range(2, latest + 1))]


@pytest.mark.parametrize(("event", "file"), [(event, file) for event in ours() for file in files(event)])
def test_a_stored_event_decodes_with_every_field(event: type[Event], file: str) -> None:
    stored = json.loads((FOLDER / f"{file}.json").read_text())
    decoded = decode(UUID(stored["id"]), stored["version"], stored["topic"], json.dumps(stored["state"]).encode())
    assert type(decoded) is event
    assert {field.name for field in fields(event)} <= set(vars(decoded))


def test_every_golden_file_belongs_to_an_event() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == {file for event in ours() for file in files(event)}


def parted() -> list[str]:
    return sorted(event.TOPIC for event in ours() if event.OUTSIDE or event.PARTED)  # type: ignore[attr-defined]


def test_every_event_that_keeps_values_outside_has_a_file_of_it() -> None:
    assert sorted(path.stem for path in BESIDE.glob("*.json")) == parted()


@pytest.mark.parametrize("topic", parted())
def test_a_stored_event_has_its_values_back_for_ever(topic: str) -> None:
    stored = json.loads((BESIDE / f"{topic}.json").read_text())
    values = {digest: kept["value"] for digest, kept in stored["outside"].items()}
    assert [digest_of(bytes.fromhex(kept["salt"]), kept["value"])[0] for kept in stored["outside"].values()] == [
        *values
    ]
    state = json.dumps(stored["state"])
    assert all(digest in state for digest in values)
    decoded = decode(UUID(stored["id"]), stored["version"], topic, state.encode(), values)
    assert OUTSIDE not in json.dumps(vars(decoded), default=str)
    assert {field.name for field in fields(decoded)} <= set(vars(decoded))


@pytest.mark.parametrize("life", list(lives()), ids=lambda life: f"{life.KIND}-{life.status}")
def test_a_life_folds_to_the_same_state_from_what_was_stored(life: object) -> None:
    events = list(life.pending_events)  # type: ignore[attr-defined]
    stored = [(e.originator_id, e.originator_version, *encode(e)) for e in events]
    again = fold(decode(*one) for one in stored)
    life.collect_events()  # type: ignore[attr-defined]
    assert again == life


def write() -> None:
    FOLDER.mkdir(exist_ok=True)
    for life in lives():
        for event in life.pending_events:
            assert isinstance(event, Event | CreatedEvent)
            topic, state = encode(event)
            path = FOLDER / f"{files(type(event))[-1]}.json"
            if not path.exists():
                stored = {
                    "id": str(event.originator_id),
                    "version": event.originator_version,
                    "topic": topic,
                    "state": json.loads(state),
                }
                path.write_text(json.dumps(stored, indent=2) + "\n")
            write_beside(event)


def write_beside(event: Event) -> None:
    """The event as it is stored with its values outside; the salt is the same in each file, and means nothing."""
    salt, outside = bytes(range(16)), {}

    def keep(value: object) -> str:
        digest, _ = digest_of(salt, value)
        outside[digest] = {"salt": salt.hex(), "value": value}
        return digest

    topic, state = encode(event, keep)
    path = BESIDE / f"{topic}.json"
    if topic in parted() and not path.exists():
        BESIDE.mkdir(exist_ok=True)
        stored = {
            "id": str(event.originator_id),
            "version": event.originator_version,
            "topic": topic,
            "state": json.loads(state),
            "outside": outside,
        }
        path.write_text(json.dumps(stored, indent=2) + "\n")


if __name__ == "__main__":
    write()

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
from tests.support.lives import lives

FOLDER = Path(__file__).parent / "golden"


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


if __name__ == "__main__":
    write()

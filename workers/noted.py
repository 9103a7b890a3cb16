"""What steps came to, counted from the notes that the ledger is given: of many people at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from aggregates.walk.entry import Entry
from projections.failures import Kind


class Noted(NamedTuple):
    """One step's note without the person. `ended` tells that the run failed with it."""

    step: str
    outcome: str
    reason: str = ""
    ended: bool = False


def noted(entries: Iterable[Entry]) -> Counter[Noted]:
    """How often each note was made."""
    found: Counter[Noted] = Counter()
    for entry in entries:
        ends = entry.status == "failed"
        own = sum(1 for notes in entry.own.values() if notes)
        for note in entry.trace[:-1]:
            found[_noted(note)] += len(entry.ids)
        if entry.trace:
            found[_noted(entry.trace[-1])] += own
            found[_noted(entry.trace[-1], ends)] += len(entry.ids) - own
        for notes in entry.own.values():
            for place, note in enumerate(notes, start=1):
                found[_noted(note, ends and place == len(notes))] += 1
    return +found


def failures(found: Mapping[Noted, int], hosts: Mapping[str, str]) -> Counter[Kind]:
    """Of these notes those that tell of a failure. `hosts` says where steps have sent to."""
    failed: Counter[Kind] = Counter()
    for note, many in found.items():
        if note.outcome in {"failed", "retry"}:
            how = "retried" if note.outcome == "retry" else "failed" if note.ended else "went_on"
            failed[note.step, note.reason, hosts.get(note.step, ""), how] += many
    return failed


def _noted(note: Mapping[str, Any], ended: bool = False) -> Noted:
    return Noted(note["step"], note["outcome"], note.get("reason", ""), ended)

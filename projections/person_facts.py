"""What the log, states of the past and runs say of people: told only to who may read people.

For every other reader there is one word for all reasons that depend on who a person is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aggregates.base import Principal
from aggregates.people.events import COUNTS
from aggregates.reach import REASONS

TELLING = frozenset(
    {"person_id", "address", "members", "conditions_digest", "sha256", "cancelled_runs", "unknown_decided", *COUNTS}
)
"""Fields of events and states that depend on who exists, or that equal one another where they are of one person.

By their names alone, in every topic and kind: so it holds for events whose code is gone, too. Tenants' own names are
never looked at; they are deeper inside.
"""

OF_PEOPLE = frozenset({"reason", "source", "topic"})
"""Fields that tell of a person where the whole event is about people: what they left, and why."""

PEOPLE_TOPICS = "people."
"""How the topics of such events begin; a state's kind is the same without the dot."""

WORDS = frozenset({"reason", "code", "rejected_with"})
"""Fields with a word that may be about people, by what it says."""

PERSONAL = frozenset({*REASONS, "address_changed", "erased"})
"""Reasons that say something about a person."""

PERSONAL_CODES = ("audience.", "person.")
"""How the codes of refusals begin that depend on which people exist or what they are like."""

WITHHELD = "withheld"
"""What stands for all of them."""

NESTED = "facts"
"""Where a state keeps the fields of an event as they were recorded."""


def for_reader(principal: Principal, said: Mapping[str, Any], topic: str) -> dict[str, Any]:
    """What an event or a state says, as the principal may read it. `topic` is the event's, or the state's kind.

    Without person:read each of `TELLING` is None, and personal words are `WITHHELD`.
    """
    if _reads_people(principal):
        return dict(said)
    hidden = TELLING | OF_PEOPLE if f"{topic}.".startswith(PEOPLE_TOPICS) else TELLING
    shown = {name: None if name in hidden else value for name, value in said.items()}
    if any(_is_personal(shown.get(name)) for name in WORDS):
        # The sentence beside a code, and what kind of refusal it was, tell as much as the code.
        shown |= {name: WITHHELD for name in (*WORDS, "kind") if shown.get(name) is not None}
    if isinstance(said.get(NESTED), Mapping):
        shown[NESTED] = for_reader(principal, said[NESTED], topic)
    return shown


def word_for_reader(principal: Principal, word: str | None) -> str | None:
    """A reason as the principal may read it."""
    return word if _reads_people(principal) or not _is_personal(word) else WITHHELD


def run_for_reader(principal: Principal, run: Mapping[str, Any]) -> dict[str, Any]:
    """A run, with the reasons of it and of its steps as the principal may read them."""
    steps: Sequence[Mapping[str, Any]] = run["steps"]
    told = [
        {**note, "reason": word_for_reader(principal, note["reason"])} if "reason" in note else note for note in steps
    ]
    return {**run, "reason": word_for_reader(principal, run["reason"]), "steps": told}


def _reads_people(principal: Principal) -> bool:
    return "person:read" in principal.scopes


def _is_personal(word: Any) -> bool:
    """Whether a word, or the code before a colon, is about people."""
    if not isinstance(word, str):
        return False
    code = word.partition(":")[0]
    return code in PERSONAL or code.startswith(PERSONAL_CODES)

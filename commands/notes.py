"""Notes: why somebody did something, in their own words."""

from __future__ import annotations

from aggregates.errors import Problem, invalid

NOTE_LIMIT = 1_000
"""Longest note, in characters."""


def checked_note(note: str, *, at: str = "/note", required: bool = False) -> str:
    """The note, or a refusal that names the field."""
    if len(note) > NOTE_LIMIT or "\0" in note or (required and not note.strip()):
        problem = Problem(at, "field.invalid", f"Say why, in at most {NOTE_LIMIT} characters.", None, "string")
        raise invalid("request.invalid", [problem])
    return note

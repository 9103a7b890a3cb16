"""What rendering may cost: work and characters, for one person and for all who are rendered together.

Work is counted by what a template does (parts rendered, names looked up, filters applied and the size of what they
are given), never by the clock: the same template and the same person cost the same on every machine. A unit is about
a microsecond of a busy machine.
"""

from __future__ import annotations

from typing import Any

from aggregates.errors import DomainError

PERSON_WORK = 50_000
"""Most work for one person at one step."""

PERSON_CHARACTERS = 256 * 1024
"""Most rendered text for one person at one step, all fields of a message together."""

TOGETHER_WORK = 10_000_000
"""Most work for people who are rendered together: for each of a full chunk, two fifths of what one may cost."""

TOGETHER_CHARACTERS = 128 * 1024 * 1024
"""Most rendered text for people who are rendered together: a full chunk of the longest, once."""

NODE, NAME, FILTER, TURN = 5, 3, 20, 10
LETTERS = 64
"""So many letters of a text cost one unit."""


class Allowance:
    """What is left of the work and the characters. `within` makes a part of it for one person."""

    __slots__ = ("_within", "characters", "work")

    def __init__(
        self,
        work: int = TOGETHER_WORK,
        characters: int = TOGETHER_CHARACTERS,
        within: Allowance | None = None,
    ) -> None:
        self.work = work
        self.characters = characters
        self._within = within

    def person(self) -> Allowance:
        """The allowance of one person, which is also taken from this one."""
        if self.work < 0 or self.characters < 0:
            raise DomainError("template.together_over_limit")
        return Allowance(PERSON_WORK, PERSON_CHARACTERS, self)

    def spend(self, work: int) -> None:
        """Take work; `template.over_limit` when none is left for this person."""
        self.work -= work
        if self._within is not None:
            self._within.work -= work
        if self.work < 0:
            raise DomainError("template.over_limit")

    def write(self, characters: int) -> None:
        """Take characters of what is rendered; `template.over_limit` when there were too many."""
        self.characters -= characters
        if self._within is not None:
            self._within.characters -= characters
        if self.characters < 0:
            raise DomainError("template.over_limit")


def weight(value: Any) -> int:
    """How much work a value makes for whatever looks at all of it."""
    match value:
        case str():
            return 1 + len(value) // LETTERS
        case list() | tuple():
            return 1 + sum(map(weight, value))
        case dict():
            return 1 + sum(map(weight, value.values())) + len(value)
        case range():
            return 1 + len(value)
        case _:
            return 1

"""Every refusal of the product: a stable code, its kind, and what to do next.

Doors translate kinds, never single codes. `CODES` is the whole catalogue; raising a code that it does not
list is a programming error and fails at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aggregates.codes import CODES
from aggregates.kinds import Code, Kind

__all__ = ["CODES", "Code", "DomainError", "Kind", "Problem", "invalid"]


@dataclass(frozen=True)
class Problem:
    """One thing wrong with an input.

    `pointer` is a JSON pointer into what was sent (`/steps/0/config/url`), `code` is stable, `message` is a
    sentence. `got`, `expected` and `example` are short and free of personal data.
    """

    pointer: str
    code: str
    message: str
    got: Any = None
    expected: Any = None
    example: Any = None
    severity: str = "error"

    def as_data(self) -> dict[str, Any]:
        data = {"pointer": self.pointer, "code": self.code, "message": self.message}
        optional = {"got": self.got, "expected": self.expected, "example": self.example}
        data |= {name: value for name, value in optional.items() if value is not None}
        if self.severity != "error":
            data["severity"] = self.severity
        return data


@dataclass
class DomainError(Exception):
    """A refusal. `details` are facts for a program (counts, statuses), never personal data."""

    code: str
    message: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    next: str = ""

    def __post_init__(self) -> None:
        entry = CODES[self.code]
        self.message = self.message or entry.message
        self.next = self.next or entry.next
        super().__init__(self.message)

    @property
    def kind(self) -> Kind:
        return CODES[self.code].kind

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def invalid(code: str, problems: Iterable[Problem], message: str = "") -> DomainError:
    """The error that carries all problems at once."""
    return DomainError(code, message, problems=tuple(problems))

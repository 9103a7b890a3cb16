"""Exit codes: what a script can tell without reading a word. Mapped here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from aggregates.errors import CODES, DomainError, Kind


class Exit(IntEnum):
    """Documented in docs/cli.md; scripts depend on the numbers."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    NOT_ALLOWED = 4
    CONFLICT = 5
    HELD = 6
    REFUSED = 7
    RUNNING = 8
    FAILURES = 9
    INTERRUPTED = 130


OF_KIND: Mapping[Kind, Exit] = {
    Kind.INVALID: Exit.USAGE,
    Kind.TOO_LARGE: Exit.USAGE,
    Kind.UNAUTHENTICATED: Exit.NOT_ALLOWED,
    Kind.DENIED: Exit.NOT_ALLOWED,
    Kind.NOT_FOUND: Exit.NOT_FOUND,
    Kind.CONFLICT: Exit.CONFLICT,
    Kind.REFUSED: Exit.REFUSED,
    Kind.LIMITED: Exit.REFUSED,
    Kind.UNAVAILABLE: Exit.FAILED,
}

# For a code that this version does not know: a newer server may have more.
OF_HTTP: Mapping[int, Exit] = {
    400: Exit.USAGE,
    401: Exit.NOT_ALLOWED,
    403: Exit.NOT_ALLOWED,
    404: Exit.NOT_FOUND,
    409: Exit.CONFLICT,
    412: Exit.CONFLICT,
    413: Exit.USAGE,
    422: Exit.USAGE,
    429: Exit.REFUSED,
}

OF_JOB: Mapping[str, Exit] = {
    "completed": Exit.DONE,
    "completed_with_failures": Exit.FAILURES,
    "held": Exit.HELD,
    "rejected": Exit.REFUSED,
    "cancelled": Exit.FAILED,
    "failed": Exit.FAILED,
}
"""Statuses that end a wait; in every other status a job is still running."""


class Refusal(Exception):
    """A command ends here; `problem` is a problem document (RFC 9457) or has the same fields."""

    def __init__(self, problem: Mapping[str, Any], code: Exit | None = None) -> None:
        self.problem = dict(problem)
        self.exit = code or exit_of(self.problem)
        super().__init__(self.problem.get("detail") or self.problem.get("code"))

    @classmethod
    def of(cls, code: str, detail: str, *, then: str = "", ends: Exit = Exit.FAILED) -> Refusal:
        """A refusal that the command line itself makes."""
        problem: dict[str, Any] = {"code": code, "detail": detail}
        return cls(problem | ({"next": [then]} if then else {}), ends)

    @classmethod
    def from_domain(cls, error: DomainError) -> Refusal:
        """The same document that the HTTP door would have answered with."""
        problem: dict[str, Any] = {"code": error.code, "detail": error.message}
        if error.problems:
            problem["errors"] = [each.as_data() for each in error.problems]
        if error.next:
            problem["next"] = [error.next]
        return cls(problem | {"details": dict(error.details)} if error.details else problem)


def exit_of(problem: Mapping[str, Any]) -> Exit:
    """By the code's kind; by the HTTP status when the code is not one of ours."""
    entry = CODES.get(str(problem.get("code")))
    if entry is not None:
        return OF_KIND[entry.kind]
    return OF_HTTP.get(int(problem.get("status") or 0), Exit.FAILED)


def usage(detail: str, then: str = "") -> Refusal:
    """The command was not called as it must be."""
    return Refusal.of("usage", detail, then=then, ends=Exit.USAGE)

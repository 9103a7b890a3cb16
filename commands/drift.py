"""The number that a human confirmed, and its comparison with the people of this moment."""

from __future__ import annotations

from typing import Any

from aggregates.errors import DomainError, Problem, invalid

LARGEST_COUNT = 2**31 - 1


def require_count(count: Any) -> None:
    """Refuse what is no number of people."""
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= LARGEST_COUNT:
        said = "The count that a human confirmed."
        problem = Problem("/acknowledged_affected_count", "field.invalid", said, None, "integer", 1234)
        raise invalid("request.invalid", [problem])


def refuse_drift(now: int, acknowledged: int, *, same: bool, what: str) -> None:
    """Refuse another number than the one of now, and the same number of other people. `what` says what is counted."""
    details = {"now": now, "acknowledged": acknowledged}
    if now != acknowledged:
        message = f"{now:,} {what} now; {acknowledged:,} were acknowledged. Nothing was started."
        raise DomainError("audience.drift", message, details=details)
    if not same:
        message = f"The audience is still {now:,} people, but not the same ones. Nothing was started."
        raise DomainError("audience.drift", message, details={**details, "same_people": False})

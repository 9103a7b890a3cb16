"""Where nobody's answer counts as a yes: approval steps that expire to `approved`."""

from __future__ import annotations

from typing import Any

from aggregates.errors import Problem
from aggregates.shape import at

MESSAGE = "When nobody answers in time, everybody who waits here goes on as if a human had said yes."


def silent_approvals(content: Any, *, severity: str) -> list[Problem]:
    """One finding for each such step of content of any shape, which need not be finished."""
    steps = content.get("steps") if isinstance(content, dict) else None
    return [
        Problem(
            at("/steps", index, "config", "on_expiry"),
            "approval.expires_to_approved",
            MESSAGE,
            "approved",
            "rejected",
            severity=severity,
        )
        for index, step in enumerate(steps if isinstance(steps, list) else [])
        if _goes_on_by_itself(step)
    ]


def _goes_on_by_itself(step: Any) -> bool:
    config = step.get("config") if isinstance(step, dict) and step.get("type") == "approval" else None
    return isinstance(config, dict) and config.get("on_expiry") == "approved"

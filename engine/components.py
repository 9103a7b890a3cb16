"""The catalogue of step types, for those who may read it. Every project sees the same one."""

from __future__ import annotations

from typing import Any

from aggregates.base import Principal
from aggregates.errors import DomainError
from aggregates.steps import catalogue, close_to
from commands.grants import authorize


def listed(principal: Principal) -> list[dict[str, Any]]:
    """The metadata of every step type, in the order of their ids."""
    authorize(principal, "components.list")
    return [step_type.metadata() for step_type in catalogue().values()]


def one(principal: Principal, id: str) -> dict[str, Any]:
    """A step type with the schema of its config and its examples; `component.not_found` names the close ones."""
    authorize(principal, "components.get")
    step_type = catalogue().get(id)
    if step_type is None:
        close = close_to(id)
        message = f"No such step type. Close to it: {', '.join(close)}." if close else ""
        raise DomainError("component.not_found", message, details={"close": close})
    return step_type.as_data()

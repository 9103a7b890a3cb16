"""The terms of a schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aggregates.recurrence import Recurrence
from aggregates.schedule.firing import Firing


@dataclass(frozen=True)
class Terms:
    """What a schedule repeats, with which variables, and how it fires."""

    recurrence: Recurrence
    variables: Mapping[str, Any]
    firing: Firing

    def as_data(self) -> dict[str, Any]:
        return {
            "recurrence": self.recurrence.as_data(),
            "variables": dict(self.variables),
            "firing": self.firing.as_data(),
        }

"""The terms of a schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aggregates.pace import UNHINDERED, Pace
from aggregates.recurrence import Recurrence
from aggregates.schedule.firing import Firing


@dataclass(frozen=True)
class Terms:
    """What a schedule repeats, with which variables, how it fires, and at which pace its jobs send."""

    recurrence: Recurrence
    variables: Mapping[str, Any]
    firing: Firing
    pace: Pace = UNHINDERED

    def as_data(self) -> dict[str, Any]:
        return {
            "recurrence": self.recurrence.as_data(),
            "variables": dict(self.variables),
            "firing": self.firing.as_data(),
            **self.pace.as_data(),
        }

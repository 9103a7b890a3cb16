"""What everybody in a job shares on the way: the pinned content, its variables, the inputs of a manual run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from aggregates.liquid_filters import NOW
from aggregates.secrets import MASKED
from aggregates.shape import json_problems
from aggregates.steps.base import Assign, Plan
from aggregates.steps.set_variables import value_of
from aggregates.values import VARIABLES_LIMIT, run_id
from aggregates.workflow.definition import Definition

Scope = dict[str, Any]


@dataclass(frozen=True)
class Route:
    """What everybody in a job shares: the pinned content, its variables, and whether effects stay inside.

    `inputs` are what a manual run was started with; None for a batch.
    """

    job_id: UUID
    workflow: dict[str, str]
    definition: Definition
    variables: dict[str, Any]
    captures: bool
    inputs: Mapping[str, Any] | None = None

    def plan(self, step_id: str, now: datetime) -> Plan:
        step = self.definition.step(step_id)
        return step.plan(now)

    def scope(
        self, person: dict[str, Any], own: Mapping[str, Any], now: datetime, secrets: Mapping[str, Any] = MASKED
    ) -> Scope:
        """What a template sees for one person; `own` is what the run has set itself."""
        return {
            "person": person if self.inputs is None else {},
            "variables": {**self.variables, **own} if own else self.variables,
            "inputs": self.inputs or {},
            "workflow": self.workflow,
            "run": {"id": run_id(self.job_id, person["id"])},
            "secrets": secrets,
            NOW: now,
        }

    def assigned(self, plan: Assign, rendered: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        """What a run has set after a step that sets variables; ValueError says why it cannot."""
        after = dict(before)
        for key, value in rendered.items():
            try:
                after[key] = value_of(value, self._types.get(key)) if key in plan.templated else value
            except ValueError as error:
                raise ValueError("variable.type_mismatch") from error
        if json_problems({**self.variables, **after}, "", VARIABLES_LIMIT):
            raise ValueError("variables.too_large")
        return after

    @cached_property
    def _types(self) -> dict[str, str]:
        return {variable.key: variable.type for variable in self.definition.variables}

"""Sends people by the first condition that holds for them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pydantic import Field, JsonValue

from aggregates.audience import Audience
from aggregates.errors import Problem
from aggregates.filters import parse_filters
from aggregates.shape import echo
from aggregates.steps.base import Branch, Config, Plan, StepType

ELSE = "else"
"""The port of those for whom no condition holds."""

NAME = r"^[A-Za-z0-9_-]+$"

PRO = {
    "name": "pro",
    "filters": {"properties": [{"type": "person", "key": "plan", "operator": "exact", "value": "pro"}]},
}
NAMED = {"name": "named", "filters": {"properties": [{"type": "person", "key": "first_name", "operator": "is_set"}]}}


class Arm(Config):
    name: str = Field(min_length=1, max_length=100, pattern=NAME, description="The branch of an edge that leads on.")
    filters: JsonValue = Field(None, description='{"properties": [conditions]}, all of which must hold.')


class BranchConfig(Config):
    conditions: list[Arm] = Field(min_length=1, max_length=20, description="Tried in this order.")


class ConditionalBranch(StepType[BranchConfig]):
    id = "conditional_branch"
    name = "Conditional branch"
    category = "logic"
    description = "The first condition that holds for a person decides the way; `else` takes everybody left."
    Config = BranchConfig
    examples = ({"conditions": [PRO]}, {"conditions": [PRO, NAMED]})
    needs_person = True

    def ports(self, config: BranchConfig) -> tuple[str, ...]:
        return (*(arm.name for arm in config.conditions), ELSE)

    def audiences(self, config: BranchConfig) -> Iterable[tuple[str, Audience]]:
        for index, arm in enumerate(config.conditions):
            audience, _ = parse_filters(arm.filters, "")
            if audience is not None:
                yield f"/conditions/{index}/filters/properties", audience

    def check(self, config: BranchConfig) -> Iterable[Problem]:
        seen: set[str] = set()
        for index, arm in enumerate(config.conditions):
            pointer = f"/conditions/{index}"
            if arm.name == ELSE or arm.name in seen:
                message = "`else` is taken: it leads on everybody left." if arm.name == ELSE else "Names are unique."
                yield Problem(f"{pointer}/name", "branch.name_taken", message, echo(arm.name), "another name", "pro")
            seen.add(arm.name)
            yield from parse_filters(arm.filters, f"{pointer}/filters")[1]

    def plan(self, config: BranchConfig, now: datetime) -> Plan:
        audiences = [audience for _, audience in self.audiences(config)]
        return Branch(
            tuple((arm.name, audience) for arm, audience in zip(config.conditions, audiences, strict=True)), ELSE
        )

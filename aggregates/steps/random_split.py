"""Sends people by lot, each of them the same way every time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from aggregates.errors import Problem
from aggregates.shape import echo
from aggregates.steps.base import NEXT, WHOLE, Config, Plan, Split, StepType
from aggregates.steps.conditional_branch import NAME

HALVES = [{"name": "a", "percentage": 50}, {"name": "b", "percentage": 50}]
HOLDOUT = [{"name": "sent", "percentage": 97.5}, {"name": "holdout", "percentage": 2.5}]


def _hundredths(percentage: float) -> Decimal:
    """A percentage as it was written, in hundredths: 33.33 is exactly 3333."""
    return Decimal(str(percentage)) * 100


def _checked_percentage(percentage: float) -> float:
    if not 0 <= percentage <= 100 or _hundredths(percentage) % 1:
        raise PydanticCustomError(
            "split.percentage_invalid",
            "A percentage is 0 to 100 with at most two decimals",
            {"expected": "0 to 100", "example": 33.33},
        )
    return percentage


class Share(Config):
    name: str = Field(min_length=1, max_length=100, pattern=NAME, description="The branch of an edge that leads on.")
    percentage: Annotated[float, AfterValidator(_checked_percentage)] = Field(
        description="0 to 100 with at most two decimals; all of them sum to 100.",
        json_schema_extra={"minimum": 0, "maximum": 100},
    )

    @property
    def hundredths(self) -> int:
        return int(_hundredths(self.percentage))


class SplitConfig(Config):
    branches: list[Share] = Field(min_length=2, max_length=20)


class RandomSplit(StepType[SplitConfig]):
    id = "random_split"
    name = "Random split"
    category = "logic"
    description = (
        "Sends people by lot, in the given percentages. The lot depends on workflow, step and person alone: "
        "as long as the branches stay as they are, a person takes the same one in every batch job."
    )
    Config = SplitConfig
    examples = ({"branches": HALVES}, {"branches": HOLDOUT})
    needs_person = True

    def ports(self, config: SplitConfig) -> tuple[str, ...]:
        return tuple(share.name for share in config.branches)

    def check(self, config: SplitConfig) -> Iterable[Problem]:
        seen: set[str] = set()
        for index, share in enumerate(config.branches):
            if share.name == NEXT or share.name in seen:
                message = f"`{NEXT}` is no branch." if share.name == NEXT else "Names are unique."
                pointer = f"/branches/{index}/name"
                yield Problem(pointer, "branch.name_taken", message, echo(share.name), "another name", "a")
            seen.add(share.name)
        whole = sum(share.hundredths for share in config.branches)
        if whole != WHOLE:
            message = "The percentages do not sum to 100."
            yield Problem("/branches", "split.not_whole", message, float(Decimal(whole) / 100), 100, HALVES)

    def plan(self, config: SplitConfig, now: datetime) -> Plan:
        return Split(tuple((share.name, share.hundredths) for share in config.branches))

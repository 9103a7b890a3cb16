"""The terms of a schedule as options: when, how it fires, and how far its standing approval reaches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from engine.cli.inputs import Variables, json_object, share

Growth = Annotated[str | None, Parameter(help="How much the audience may grow before it is held: 0.1 or 10%.")]
ApprovalExpires = Annotated[
    str | None, Parameter(help="When the approval ends, with offset: 2027-12-31T00:00:00Z; `never` takes an end away.")
]
Timezone = Annotated[str | None, Parameter(help="Zone of the local times: Europe/Berlin. UTC unless told.")]
Lift = Annotated[
    tuple[Literal["rate", "breaker"], ...],
    Parameter(negative="", help="What of its pace is taken away: rate, breaker; repeat it."),
]
Exdates = Annotated[
    tuple[str, ...] | None, Parameter(negative="--no-exdates", help="A local time to leave out; repeat it.")
]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class PaceOptions:
    """How fast a batch may be sent, or each batch of a schedule, and when it stops by itself."""

    rate: Annotated[str | None, Parameter(help="The most that is sent, all workers together: 100/minute.")] = None
    breaker: Annotated[
        str | None,
        Parameter(help='When the job pauses itself, as JSON: {"min_attempts": 100, "max_failure_ratio": 0.2}.'),
    ] = None

    def given(self) -> dict[str, Any]:
        """What was told, as the server names it."""
        told = {"rate": self.rate, "breaker": json_object(self.breaker, "--breaker") or None}
        return {name: value for name, value in told.items() if value is not None}


AS_FAST_AS_IT_GOES = PaceOptions()


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Options:
    """What a schedule may be given besides its rule and its start; what is None is not said to the server."""

    timezone: Timezone = None
    exdate: Exdates = None
    variables: Variables = None
    overlap: Annotated[
        Literal["skip", "buffer_one", "allow"] | None,
        Parameter(help="While the job before is still at work. skip unless told."),
    ] = None
    catch_up: Annotated[
        Literal["skip", "latest", "all"] | None,
        Parameter(help="Which missed occurrences are made up. latest unless told."),
    ] = None
    catch_up_window: Annotated[
        int | None, Parameter(help="How late one may be made up, in minutes. 60 unless told.")
    ] = None
    max_growth: Growth = None
    approval_expires: ApprovalExpires = None

    def given(self) -> dict[str, Any]:
        """What was told, as the server names it."""
        terms = {
            "timezone": self.timezone,
            "exdates": None if self.exdate is None else list(self.exdate),
            "variables": None if self.variables is None else json_object(self.variables, "--variables"),
            "overlap": self.overlap,
            "catch_up": self.catch_up,
            "catch_up_window_minutes": self.catch_up_window,
        }
        told = {name: value for name, value in terms.items() if value is not None}
        return told | approval(self.max_growth, self.approval_expires)


AS_IT_IS = Options()


def approval(max_growth: str | None, expires: str | None) -> dict[str, Any]:
    """How far a standing approval reaches, as the server names it; only what was told."""
    told = {"max_growth": share(max_growth, "--max-growth"), "approval_expires_at": expires}
    return {name: value for name, value in told.items() if value is not None}

"""The limits of a project or a key as options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from aggregates.reach import PerPerson
from engine.cli.exits import usage
from engine.cli.inputs import share


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class LimitOptions:
    """What is narrowed of the policy above; what is None is not."""

    max_audience: Annotated[int | None, Parameter(help="The largest audience of one job.")] = None
    approval_over: Annotated[
        int | None, Parameter(help="A job over more people than this is held for a second person.")
    ] = None
    max_growth: Annotated[str | None, Parameter(help="The most that a schedule's audience may grow: 0.1 or 10%.")] = (
        None
    )
    minimum_interval: Annotated[
        int | None, Parameter(help="The least time between two occurrences of a schedule, in minutes.")
    ] = None
    reach_per_day: Annotated[
        int | None, Parameter(help="People that a key may reach in a rolling day, over all its jobs.")
    ] = None
    max_churn: Annotated[
        str | None, Parameter(help="Largest share of an occurrence's people who were not confirmed: 0.5 or 50%.")
    ] = None
    send_mode: Annotated[
        Literal["capture", "live"] | None, Parameter(help="capture keeps every effect inside; live adds nothing.")
    ] = None
    max_sends: Annotated[int | None, Parameter(help="Most sending steps on any path of a workflow.")] = None
    notify_address: Annotated[
        tuple[str, ...], Parameter(help="An address that an email step may name; give it once for each.")
    ] = ()
    per_person: Annotated[
        str | None, Parameter(help="Most messages to one person in some days: 3/7 is three in a week.")
    ] = None

    confirmation: Annotated[
        Literal["relayed", "witnessed"] | None,
        Parameter(help="witnessed has a human confirm what an agent asks for; relayed adds nothing."),
    ] = None

    def given(self) -> dict[str, Any]:
        """What was told, as the server names it."""
        limits = {
            "max_audience": self.max_audience,
            "approval_over": self.approval_over,
            "max_growth": share(self.max_growth, "--max-growth"),
            "minimum_interval_minutes": self.minimum_interval,
            "reach_per_day": self.reach_per_day,
            "max_churn": share(self.max_churn, "--max-churn"),
            "send_mode": self.send_mode,
            "max_sends": self.max_sends,
            "notify_addresses": list(self.notify_address) or None,
            "per_person": _per_person(self.per_person),
            "confirmation": self.confirmation,
        }
        return {name: value for name, value in limits.items() if value is not None}


def _per_person(text: str | None) -> dict[str, int] | None:
    if text is None:
        return None
    try:
        return PerPerson.parse(text).as_data()
    except ValueError as error:
        raise usage(f"--per-person {error}.") from error


NO_LIMITS = LimitOptions()

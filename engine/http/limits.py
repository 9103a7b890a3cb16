"""What may be sent of keys and limits."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from aggregates.pace import RATE
from aggregates.policy import NOTIFIED_AT_MOST
from engine.http.schemas import Body, Name, instant

Cap = Annotated[int, Field(ge=1, le=10**9)]
Amount = Annotated[int, Field(ge=0, le=10**9)]


class PerPersonBody(Body):
    """At most so many messages to one person in so many days."""

    messages: Annotated[int, Field(ge=1, le=1_000)]
    days: Annotated[int, Field(ge=1, le=366)]


class LimitsBody(Body):
    """What is narrowed of the policy above; what is left out is not."""

    max_audience: Annotated[Cap | None, Field(description="The largest audience of one batch job.")] = None
    approval_over: Annotated[
        Amount | None, Field(description="Jobs over more people than this wait for a second person.")
    ] = None
    max_growth: Annotated[
        float | None, Field(ge=0, le=10, description="Most that a schedule's audience may grow, as a share.")
    ] = None
    minimum_interval_minutes: Annotated[
        int | None, Field(ge=60, le=60 * 24 * 366, description="Least time between two occurrences of a schedule.")
    ] = None
    send_mode: Annotated[
        Literal["capture", "live"] | None, Field(description="`capture` keeps every effect inside; `live` adds none.")
    ] = None
    max_sends: Annotated[
        int | None, Field(ge=0, le=200, description="Most sending steps on any path of a workflow.")
    ] = None
    notify_addresses: Annotated[
        list[Annotated[str, Field(max_length=320)]] | None,
        Field(
            max_length=NOTIFIED_AT_MOST,
            description="Own colleagues: of the addresses listed above, those that an email step may name.",
            examples=[["ann@example.com"]],
        ),
    ] = None
    reach_per_day: Annotated[
        Cap | None, Field(description="People that a key and those that it makes may reach in a rolling day.")
    ] = None
    max_churn: Annotated[
        float | None,
        Field(ge=0, le=1, description="Largest share of an occurrence's people who were not confirmed."),
    ] = None
    per_person: Annotated[
        PerPersonBody | None, Field(description="Most messages to one person in some days; others are `capped`.")
    ] = None
    confirmation: Annotated[
        Literal["relayed", "witnessed"] | None,
        Field(description="`witnessed` has a human confirm what an agent asks for; `relayed` adds nothing."),
    ] = None


class ProjectLimitsBody(LimitsBody):
    """What the project narrows of the policy of the installation; what is left out is not narrowed any more."""

    send_rate: Annotated[
        str | None,
        Field(
            max_length=100,
            pattern=f"^{RATE}$",
            description="The most that all its jobs send together.",
            examples=["100/minute"],
        ),
    ] = None


class CreateKeyBody(LimitsBody):
    """A key for a service, a person or an agent."""

    name: Name
    scopes: Annotated[list[str], Field(min_length=1, max_length=100, examples=[["workflow:read"]])]
    agent: Annotated[bool, Field(description="For an agent: asks for confirm tokens, can never approve.")] = False
    rate_per_minute: Annotated[Cap | None, Field(description="Requests that it may make in a minute.")] = None
    expires_at: Annotated[datetime, BeforeValidator(instant)] | None = None


class ChangeKeyBody(LimitsBody):
    """What changes; what is left out stays. A limit, a rate or an end that is null is taken away."""

    name: Name | None = None
    scopes: Annotated[list[str], Field(min_length=1, max_length=100, examples=[["workflow:read"]])] | None = None
    agent: Annotated[bool | None, Field(description="It can be set, and is never taken away.")] = None
    rate_per_minute: Annotated[Cap | None, Field(description="Requests that it may make in a minute.")] = None
    expires_at: Annotated[datetime, BeforeValidator(instant)] | None = None

"""What is sent back to whoever writes a workflow: operators, properties of people, the guide."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field


class PropertyValue(BaseModel):
    value: str
    share: Annotated[float, Field(description="Of the people looked at, from 0 to 1.")]


class PropertyRow(BaseModel):
    """A key that occurs among people's properties."""

    key: str
    types: Annotated[
        list[str],
        Field(description="string, number, boolean, date, number_as_text, boolean_as_text, array, object."),
    ]
    share: Annotated[float, Field(description="Of the people looked at, from 0 to 1.")]
    values: Annotated[
        list[PropertyValue],
        Field(description="Frequent values of a key that has at most 20; each is of 5 people at least."),
    ]


class PropertiesAnswer(BaseModel):
    """Which properties the people of the project have."""

    people: Annotated[int, Field(description="Everybody in the project.")]
    looked_at: Annotated[int, Field(description="People who were counted here, at most 10,000.")]
    sampled: bool
    properties: list[PropertyRow]


class OperatorRow(BaseModel):
    """An operator of a condition."""

    operator: str
    of: Annotated[Literal["person", "cohort"], Field(description="What the condition's `type` says.")]
    meaning: str
    takes: Annotated[str, Field(description="What its value is.")]
    negative: Annotated[bool, Field(description="Whether people who lack the property match too.")]
    example: Annotated[dict[str, Any], Field(description="A whole condition.")]


class ConfirmationAnswer(BaseModel):
    """How this key gets a human's yes."""

    mode: Annotated[str, Field(description="`count`, `relayed` (by the agent) or `witnessed` (by a human, with us).")]
    token_needed: bool
    how: str
    second_person: Annotated[str | None, Field(description="When a second person has to approve.")]


class GuideAnswer(BaseModel):
    """What to know before writing a workflow."""

    project: str
    send_mode: str
    limits: Annotated[dict[str, Any], Field(description="The policy of the caller.")]
    scopes: list[str]
    confirmation: ConfirmationAnswer
    operators: Annotated[dict[str, str], Field(description="Each with its meaning.")]
    conditions: Annotated[list[dict[str, Any]], Field(description="An example.")]
    triggers: Annotated[dict[str, dict[str, Any]], Field(description="An example of each.")]
    step_types: list[str]
    example: Annotated[dict[str, Any], Field(description="A whole workflow.")]
    next: list[str]

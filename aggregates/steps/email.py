"""Sends an email."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from aggregates.steps.base import Config, Deliver, OnUnknown, Plan, Source, StepType
from aggregates.steps.retrying import MaxAttempts, RetryFor
from aggregates.templates import Document, Template

TO_THE_PERSON = "{{ person.email }}"

ADDRESS = r"[^<>@\s,;:\\\"]{1,64}@[A-Za-z0-9.-]{1,253}"
# A name that begins an encoded word (RFC 2047) would be read as another: even as other lines of the message.
SENDER = re.compile(rf"(?!.*=\?)(?:[^<>@\x00-\x1f\x7f\",;:\\]{{1,100}} <{ADDRESS}>|{ADDRESS})")


def _checked_sender(sender: str) -> str:
    if not SENDER.fullmatch(sender):
        raise PydanticCustomError(
            "email.sender_invalid",
            "One address, with a name before it if you like",
            {"expected": "address", "example": "Ann from Example <ann@example.com>"},
        )
    return sender


class EmailConfig(Config):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, validate_by_alias=True)

    to: str = Field(
        TO_THE_PERSON,
        min_length=1,
        max_length=1_000,
        description="The person; in a manual workflow `{{ inputs.NAME }}`, an input of type address. Nothing else.",
    )
    subject: str = Field(min_length=1, max_length=1_000, description="A Liquid template.")
    text: str = Field(min_length=1, description="A Liquid template: the body as plain text.")
    html: str | None = Field(None, description="A Liquid template: the body as HTML; values are escaped.")
    sender: Annotated[str, AfterValidator(_checked_sender)] | None = Field(
        None, alias="from", max_length=320, description="The sender, if it is not the installation's own."
    )
    on_unknown: OnUnknown = "retry"
    max_attempts: MaxAttempts
    retry_for: RetryFor

    @property
    def sources(self) -> Iterator[Source]:
        yield Source("/to", self.to, "line")
        yield Source("/subject", self.subject, "line")
        yield Source("/text", self.text)
        if self.html is not None:
            yield Source("/html", self.html, "html")

    @cached_property
    def request(self) -> Document:
        """What is rendered for each person; only its `Template` leaves are."""
        tree: dict[str, Any] = {"on_unknown": self.on_unknown, "max_attempts": self.max_attempts}
        tree |= {source.pointer.removeprefix("/"): Template.of(source.text, source.place) for source in self.sources}
        if self.sender is not None:
            tree["from"] = self.sender
        return Document(tree)


class Email(StepType[EmailConfig]):
    id = "email"
    name = "Email"
    category = "delivery"
    description = "Sends one email to each person. Its Message-ID is the same on every try."
    Config = EmailConfig
    examples = (
        {"subject": "Welcome, {{ person.properties.first_name }}", "text": "Good to have you here."},
        {
            "subject": "Your week",
            "text": "Dear {{ person.properties.first_name }}, three things happened.",
            "html": "<p>Dear <b>{{ person.properties.first_name }}</b>, three things happened.</p>",
            "from": "Ann from Example <ann@example.com>",
            "on_unknown": "hold",
        },
    )
    external = True
    sends_email = True

    def templates(self, config: EmailConfig) -> Iterable[Source]:
        return config.sources

    def plan(self, config: EmailConfig, now: datetime) -> Plan:
        length = config.retry_for.length
        return Deliver("email", config.request, config.on_unknown, config.max_attempts, retry_for=length)

"""Records in the ledger what would have been sent; nothing leaves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from typing import Any, Self

from pydantic import Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError

from aggregates.steps.base import Config, Plan, Record, Source, StepType
from aggregates.templates import Document, texts


class CaptureConfig(Config):
    channel: str | None = Field(None, max_length=100, description="What it stands for, such as sms or push.")
    message: str | None = Field(None, description="A Liquid template.")
    payload: dict[str, JsonValue] | None = Field(None, description="An object whose texts are Liquid templates.")

    @cached_property
    def document(self) -> Document:
        """What is recorded for each person. The channel is a label, never a template."""
        tree: dict[str, Any] = {} if self.channel is None else {"channel": self.channel}
        for name, content in (("message", self.message), ("payload", self.payload)):
            if content is not None:
                tree[name] = Document.of(content).tree
        return Document(tree)

    @model_validator(mode="after")
    def _one_content(self) -> Self:
        if self.message is not None and self.payload is not None:
            raise PydanticCustomError(
                "capture.two_contents",
                "Give a message or a payload, not both",
                {"expected": "message or payload", "example": {"message": "Hello {{ person.properties.first_name }}"}},
            )
        return self


class Capture(StepType[CaptureConfig]):
    id = "capture"
    name = "Capture"
    category = "delivery"
    description = "Records what would have been sent to each person. Nothing leaves; it happens exactly once."
    Config = CaptureConfig
    examples = (
        {"channel": "sms", "message": "Hello {{ person.properties.first_name }}"},
        {"channel": "push", "payload": {"title": "Hello", "to": "{{ person.distinct_id }}", "badge": 1}},
    )

    def templates(self, config: CaptureConfig) -> Iterable[Source]:
        if config.message is not None:
            yield Source("/message", config.message)
        for pointer, text in texts(config.payload, "/payload"):
            yield Source(pointer, text)

    def plan(self, config: CaptureConfig, now: datetime) -> Plan:
        return Record(config.document)

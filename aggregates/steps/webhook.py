"""Calls an HTTP endpoint, signed and with an idempotency key."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, JsonValue
from pydantic_core import PydanticCustomError

from aggregates.errors import Problem
from aggregates.secrets import SecretUse, literal_problems
from aggregates.shape import at, echo
from aggregates.steps.base import Config, Deliver, OnUnknown, Plan, Source, StepType
from aggregates.steps.retrying import MaxAttempts, RetryFor
from aggregates.templates import Document, Template, texts

URL_LIMIT = 2_000
HEADER_LIMIT = 30

# The host decides who is reached, so no template may choose it; credentials do not belong into an address.
URL = re.compile(
    r"https?://(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])"
    r"(?::(?P<port>\d{1,5}))?(?P<rest>[/?][^#\\\x00-\x1f]*)?",
    re.ASCII,
)
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}", re.ASCII)
RESERVED = frozenset(
    """connection content-length expect host idempotency-key keep-alive proxy-authorization proxy-connection te
    trailer transfer-encoding upgrade webhook-id webhook-signature webhook-timestamp""".split()
)


def _checked_url(url: str) -> str:
    match = URL.fullmatch(url)
    if not match or not 0 < int(match["port"] or 443) < 65_536:
        raise PydanticCustomError(
            "webhook.url_invalid",
            "An http or https address with a written-out host, without credentials; templates stand after the host",
            {"expected": "https URL", "example": "https://example.com/hooks/{{ person.distinct_id }}"},
        )
    return url


class WebhookConfig(Config):
    url: Annotated[str, AfterValidator(_checked_url)] = Field(
        max_length=URL_LIMIT, description="Templates after the host."
    )
    method: Literal["POST", "PUT", "PATCH", "GET", "DELETE"] = "POST"
    headers: dict[str, str] = Field(default_factory=dict, max_length=HEADER_LIMIT, description="Templates in values.")
    body: JsonValue = Field(
        None, description="Sent as JSON; its texts are Liquid templates. One that is only a {{ value }} keeps its type."
    )
    timeout_seconds: float = Field(10, ge=1, le=30)
    on_unknown: OnUnknown = "retry"
    max_attempts: MaxAttempts
    retry_for: RetryFor

    @cached_property
    def request(self) -> Document:
        """What is rendered for each person; only its `Template` and `Typed` leaves are."""
        tree: dict[str, Any] = {
            "method": self.method,
            "url": Template.of(self.url, "url"),
            "headers": {name: Template.of(value, "line") for name, value in self.headers.items()},
            "timeout_seconds": self.timeout_seconds,
            "on_unknown": self.on_unknown,
            "max_attempts": self.max_attempts,
        }
        if self.body is not None:
            tree["body"] = Document.of(self.body, typed=True).tree
        return Document(tree)


class Webhook(StepType[WebhookConfig]):
    id = "webhook"
    name = "Webhook"
    category = "delivery"
    description = (
        "Calls an HTTP endpoint once for each person. Signed by Standard Webhooks; `webhook-id` and "
        "`Idempotency-Key` are the same on every try. Repeats 408, 425, 429, 5xx and connection errors for "
        "`retry_for`. Credentials are named as `{{ secrets.NAME }}`, never written out."
    )
    Config = WebhookConfig
    examples = (
        {
            "url": "https://example.com/hooks/welcome",
            "body": {"id": "{{ person.distinct_id }}", "name": "{{ person.properties.first_name }}"},
        },
        {
            "url": "https://example.com/people/{{ person.distinct_id }}",
            "method": "PUT",
            "headers": {"X-Campaign": "spring"},
            "timeout_seconds": 5,
            "on_unknown": "hold",
        },
    )
    external = True
    takes_secrets = True

    def templates(self, config: WebhookConfig) -> Iterable[Source]:
        yield Source("/url", config.url, "url")
        for name, value in config.headers.items():
            yield Source(at("/headers", name), value, "line")
        for pointer, text in texts(config.body, "/body"):
            yield Source(pointer, text)

    def check(self, config: WebhookConfig) -> Iterable[Problem]:
        seen: set[str] = set()
        for name in config.headers:
            pointer = at("/headers", name)
            if not HEADER_NAME.fullmatch(name):
                yield Problem(pointer, "webhook.header_invalid", "This is not a header's name.", echo(name), "token")
            elif name.lower() in RESERVED:
                yield Problem(pointer, "webhook.header_reserved", "We set this header ourselves.", echo(name))
            elif name.lower() in seen:
                yield Problem(pointer, "webhook.header_invalid", "This header is given twice.", echo(name))
            seen.add(name.lower())
        if config.body is not None and config.method == "GET":
            yield Problem("/body", "webhook.body_refused", "A GET request has no body.", "GET", "POST, PUT or PATCH")

    def check_saved(self, config: WebhookConfig) -> Iterable[Problem]:
        def names(value: str) -> frozenset[str]:
            return Template.of(value, "line").secrets

        return literal_problems(config.headers, names, lambda name: at("/headers", name))

    def secret_uses(self, config: WebhookConfig) -> Iterable[SecretUse]:
        match = URL.fullmatch(config.url)
        assert match is not None, "the config was checked"
        port = match["port"] or ("80" if config.url.startswith("http:") else "443")
        for source in self.templates(config):
            for name in sorted(Template.of(source.text, source.place).secrets):
                yield SecretUse(source.pointer, name, f"{match['host']}:{int(port)}")

    def plan(self, config: WebhookConfig, now: datetime) -> Plan:
        length = config.retry_for.length
        return Deliver("webhook", config.request, config.on_unknown, config.max_attempts, retry_for=length)

"""Values that settings may have, each with the sentence that refuses another."""

from __future__ import annotations

import base64
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from aggregates.steps.email import SENDER

Port = Annotated[int, Field(ge=0, le=65535)]
Count = Annotated[int, Field(ge=1)]

RELAYS = ("smtp", "smtp+starttls", "smtps")
"""Schemes of a mail server's URL."""

SHORTEST_SECRET, LONGEST_SECRET = 24, 64
"""Bytes of a webhook signing secret (Standard Webhooks)."""


def _relay(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in RELAYS or not parts.hostname or parts.port == 0 or parts.path.strip("/"):
        raise ValueError("a mail server is written smtp://host:25, smtp+starttls://host:587 or smtps://host:465")
    return url


def _sender(text: str) -> str:
    if not SENDER.fullmatch(text):
        raise ValueError("a sender is one address, with a name before it if you like: Ann <ann@example.com>")
    return text


def _signing_secret(secret: SecretStr) -> SecretStr:
    """Standard Webhooks: `whsec_` and 24 to 64 bytes as base64."""
    try:
        size = len(base64.b64decode(secret.get_secret_value().removeprefix("whsec_"), validate=True))
    except ValueError:
        size = 0
    if not secret.get_secret_value().startswith("whsec_") or not SHORTEST_SECRET <= size <= LONGEST_SECRET:
        raise ValueError(f"a signing secret is whsec_ and {SHORTEST_SECRET} to {LONGEST_SECRET} bytes as base64")
    return secret


Relay = Annotated[str, AfterValidator(_relay)]
Sender = Annotated[str, AfterValidator(_sender)]
SigningSecret = Annotated[SecretStr, AfterValidator(_signing_secret)]

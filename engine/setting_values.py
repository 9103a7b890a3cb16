"""Values that settings may have, each with the sentence that refuses another."""

from __future__ import annotations

import base64
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from aggregates.pace import RATE
from aggregates.steps.email import SENDER

Port = Annotated[int, Field(ge=0, le=65535)]
Count = Annotated[int, Field(ge=1)]
Rate = Annotated[str, Field(pattern=f"^{RATE}$")]

RELAYS = ("smtp", "smtp+starttls", "smtps")
"""Schemes of a mail server's URL."""

DATABASES = ("postgresql+psycopg", "postgresql", "postgres")
BROKERS = ("redis", "rediss", "unix")
"""Schemes of the two servers' URLs; the first of a database is the driver's."""

SHORTEST_SECRET, LONGEST_SECRET = 24, 64
"""Bytes of a webhook signing secret (Standard Webhooks)."""


def _relay(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in RELAYS or not parts.hostname or parts.port == 0 or parts.path.strip("/"):
        raise ValueError("a mail server is written smtp://host:25, smtp+starttls://host:587 or smtps://host:465")
    return url


def _database(url: str) -> str:
    """Any usual spelling of PostgreSQL's address, as the driver's."""
    scheme, separator, rest = url.partition("://")
    if scheme not in DATABASES or not separator:
        raise ValueError("a database is written postgresql://user:password@host/database; only PostgreSQL will do")
    return _readable(f"{DATABASES[0]}://{rest}")


def _readable(url: str) -> str:
    # Only who names a database pays for this import: `--help` reads settings as well.
    from sqlalchemy import make_url  # noqa: PLC0415
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    try:
        make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError("the database's URL cannot be read; is its port a number, its password %-encoded?") from None
    return url


def _broker(url: str) -> str:
    if url.partition("://")[0] not in BROKERS:
        raise ValueError("a broker is written redis://host:6379/0, rediss:// or unix://; Sentinel is not supported")
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


Database = Annotated[str, AfterValidator(_database)]
Broker = Annotated[str, AfterValidator(_broker)]
Relay = Annotated[str, AfterValidator(_relay)]
Sender = Annotated[str, AfterValidator(_sender)]
SigningSecret = Annotated[SecretStr, AfterValidator(_signing_secret)]

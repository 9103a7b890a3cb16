"""Keys and whoever holds them; what the log says of both."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from aggregates.base import Principal
from aggregates.policy import Limits
from commands.grants import SCOPES
from commands.keys import CreateKey
from engine.bootstrap import system_principal
from tests.support.product import Json, Product

EVERY = tuple(sorted(SCOPES))
WORKER = tuple(sorted(SCOPES - {"batch:approve"}))


def machine(product: Product) -> Principal:
    """Whoever sits at the console of the machine."""
    return system_principal(product.project_id, source="cli", name="cli")


def made(product: Product, by: Principal | None = None, scopes: tuple[str, ...] = EVERY, **terms: Any) -> Json:
    """A new key; of the machine unless somebody makes it."""
    return product.ask(CreateKey("key", scopes, **terms), by or machine(product))


def holder(product: Product, key: Json) -> Principal:
    return product.system.principal_of(key["key"], "api")


def key(product: Product, by: Principal | None = None, scopes: tuple[str, ...] = EVERY, **terms: Any) -> Principal:
    return holder(product, made(product, by, scopes, **terms))


NARROW = Limits(max_audience=50, approval_over=3, max_growth=0.1, minimum_interval_minutes=120, send_mode="capture")


def narrow(product: Product, by: Principal | None = None, **terms: Any) -> Json:
    """An agent's key with every limit there is."""
    ends = product.clock.now() + timedelta(days=30)
    limits = {"limits": NARROW, "rate_per_minute": 100, "expires_at": ends, "agent": True}
    return made(product, by, ("workflow:read", "workflow:run"), **(limits | terms))


def events(product: Product, topic: str) -> list[Json]:
    """What was recorded under a topic, oldest first."""
    return list(product.system.reads.log.read(product.principal(), topic=topic, from_position=1, limit=100).data)

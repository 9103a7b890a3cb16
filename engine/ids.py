"""The only reader of chance, and the one way to derive an id from what it identifies."""

from __future__ import annotations

import random
import secrets
import time
from uuid import UUID, uuid5

# Fixed for ever: every derived id in every stored log depends on it.
NAMESPACE = UUID("6c1f0f5e-2f0b-5d7c-9d39-7d1f5b0e4a11")

_SEPARATOR = "\x1f"


def new_id() -> UUID:
    """A fresh UUID version 7: ids made later sort later, so inserts go to the right end of an index."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (1 << 48) - 1) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def derived_id(*parts: object) -> UUID:
    """The one id of these parts; the same parts always give the same id.

    The parts' texts are joined by a unit separator, so `("ab", "c")` and `("a", "bc")` differ.
    """
    return uuid5(NAMESPACE, _SEPARATOR.join(str(part) for part in parts))


def share(id: UUID) -> float:
    """A number from 0 to 1 that belongs to an id: it spreads what would otherwise happen at once."""
    return uuid5(NAMESPACE, str(id)).int / 2**128


def new_secret(size: int = 32) -> str:
    """`size` random bytes (256 bits unless told) as URL-safe text."""
    return secrets.token_urlsafe(size)


def new_salt() -> bytes:
    """16 random bytes."""
    return secrets.token_bytes(16)


def jitter(seconds: float) -> float:
    """A random share of `seconds`, at least half of it: so that many who wait do not return at once."""
    return random.uniform(seconds / 2, seconds)

"""Logical databases of one Redis or Valkey, each for one use at a time."""

from __future__ import annotations

import itertools

import redis

_numbers = itertools.count()


def emptied(server_url: str) -> str:
    """The URL of an empty logical database; the numbers go round from 1 to 15."""
    base, _, _ = server_url.partition("?")
    url = f"{base}?db={1 + next(_numbers) % 15}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url

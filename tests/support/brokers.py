"""Logical databases of one Redis or Valkey, each for one use at a time."""

from __future__ import annotations

import itertools

import redis

NUMBERS = range(1, 16)
SIDE_BY_SIDE = 3
"""So many processes of tests may share one server of the user's own, each with numbers of its own."""

_numbers = itertools.count()


def emptied(server_url: str, process: str) -> str:
    """The URL of an empty logical database; the numbers of a process of tests go round."""
    base, _, _ = server_url.partition("?")
    which = int(process.removeprefix("gw")) if process.startswith("gw") else 0
    mine = NUMBERS[which % SIDE_BY_SIDE :: SIDE_BY_SIDE]
    url = f"{base}?db={mine[next(_numbers) % len(mine)]}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url

"""How far the log was, remembered by the broker: what a restored database cannot know of itself."""

from __future__ import annotations

from typing import cast

import redis

from engine.fence import Tidemark
from workers.broker import NAMESPACE


class Tidemarks:
    """One key for each location of a database. Losing it costs nothing but that a restore is not noticed by it."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def recall(self, location: str) -> Tidemark | None:
        """The tidemark that some process kept last. Raises ConnectionError when the broker is away."""
        try:
            kept = cast("bytes | None", self._client.get(_key(location)))
        except redis.RedisError as error:
            raise ConnectionError("the broker does not answer") from error
        try:
            return Tidemark.of(kept) if kept is not None else None
        except (ValueError, TypeError):
            return None

    def remember(self, location: str, tidemark: Tidemark) -> None:
        """Keep a tidemark. Raises ConnectionError when the broker is away."""
        try:
            self._client.set(_key(location), tidemark.as_json())
        except redis.RedisError as error:
            raise ConnectionError("the broker does not answer") from error


def _key(location: str) -> str:
    return f"{NAMESPACE}:tidemark:{location}"

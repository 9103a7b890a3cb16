"""Somebody at a client that can show a form."""

from __future__ import annotations

from typing import Any, Literal

from mcp.client import ClientRequestContext
from mcp.types import ElicitRequestFormParams, ElicitRequestParams, ElicitResult


class Human:
    """Answers every form in the same way, and remembers what they were asked."""

    def __init__(self, action: Literal["accept", "decline", "cancel"] = "accept", **content: Any) -> None:
        self._answer = ElicitResult(action=action, content=content or None)
        self.asked: list[ElicitRequestFormParams] = []

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        assert isinstance(params, ElicitRequestFormParams)
        self.asked.append(params)
        return self._answer

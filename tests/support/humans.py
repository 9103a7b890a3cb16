"""Somebody at a client that can show a form and open an address."""

from __future__ import annotations

from typing import Any, Literal

from mcp.client import ClientRequestContext
from mcp.types import ElicitRequestFormParams, ElicitRequestParams, ElicitRequestURLParams, ElicitResult


class Human:
    """Answers every form in the same way, opens every address, and remembers what they were asked."""

    def __init__(self, action: Literal["accept", "decline", "cancel"] = "accept", **content: Any) -> None:
        self._answer = ElicitResult(action=action, content=content or None)
        self.asked: list[ElicitRequestFormParams] = []
        self.opened: list[str] = []

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        if isinstance(params, ElicitRequestURLParams):
            self.opened.append(params.url)
            return ElicitResult(action=self._answer.action)
        self.asked.append(params)
        return self._answer

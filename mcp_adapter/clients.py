"""What a client calls itself, for the audit; it proves nothing."""

from __future__ import annotations

from typing import Any

from mcp.server.context import ServerRequestContext

LONGEST = 100
"""How much of a name is kept, in characters."""


def client_of(ctx: ServerRequestContext[Any, Any]) -> str | None:
    """The client's name: each request says it, or its session does."""
    params = ctx.session.client_params
    if params is not None:
        return name_of(params.client_info.model_dump()) or None
    return getattr(ctx.request.state, "mcp_client", "") or None if ctx.request is not None else None


def name_of(info: Any) -> str:
    """The name and version that a client gives, made printable; empty if it gives none."""
    if not isinstance(info, dict):
        return ""
    name = f"{info.get('name', '')} {info.get('version', '')}"
    return "".join(letter for letter in name if letter.isprintable())[:LONGEST].strip()

"""The nine tools of another engine's agents, under their own names: what /mcp/studio offers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_adapter.tool import Tool

TOOLS: tuple[Tool[Any, Any], ...] = ()

STUDIO: Mapping[str, tuple[Tool[Any, Any], ...]] = {"studio": TOOLS}
"""The table of that address: one toolset."""

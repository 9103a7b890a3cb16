"""What an agent can do: a closed table, in the order in which it is listed.

workflows   batch   cohorts    the toolsets
fields                         arguments that several tools share

A tool is its texts, its arguments, its answer and a handler that asks one command or one read. Disabling, approving
and keys are not here, by decision: an agent must not be able to widen or confirm its own reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_adapter.tool import Tool
from mcp_adapter.tools import batch, cohorts, workflows

TOOLSETS: Mapping[str, tuple[Tool[Any, Any], ...]] = {
    "workflows": workflows.TOOLS,
    "batch": batch.TOOLS,
    "cohorts": cohorts.TOOLS,
}

TOOLS: Mapping[str, Tool[Any, Any]] = {tool.name: tool for tools in TOOLSETS.values() for tool in tools}

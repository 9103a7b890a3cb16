"""What an agent can do: a closed table, in the order in which it is listed.

guide           what an agent needs in its first turn
workflows       list, read, create, change, enable, archive
batch           size an audience, run a batch
jobs            list, follow, pause, resume, cancel batch jobs
failures        what failed in a batch job
runs            start a manual run; list, follow, read, cancel runs
simulation      walk some people through without any effect
schedules       attach, change, pause, resume, look ahead
cohorts         list
people          which properties people have
studio          the table of the second address, /mcp/studio
components      list and read step types
history         the log, and states of the past
schedule_rows   what is shown of a schedule
fields          arguments that several tools share

A tool is its texts, its arguments, its answer and a handler that asks one command or one read. Disabling, detaching,
approving, rejecting, policy and keys are not here, by decision: an agent must not be able to widen or confirm its own
reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_adapter.tool import Tool
from mcp_adapter.tools import (
    batch,
    cohorts,
    components,
    failures,
    guide,
    history,
    jobs,
    people,
    runs,
    schedules,
    simulation,
    workflows,
)

TOOLSETS: Mapping[str, tuple[Tool[Any, Any], ...]] = {
    "guide": guide.TOOLS,
    "workflows": workflows.TOOLS + simulation.TOOLS,
    "batch": batch.TOOLS + jobs.TOOLS + failures.TOOLS,
    "schedules": schedules.TOOLS,
    "runs": runs.TOOLS,
    "cohorts": cohorts.TOOLS,
    "people": people.TOOLS,
    "components": components.TOOLS,
    "log": history.TOOLS,
}

TOOLS: Mapping[str, Tool[Any, Any]] = {tool.name: tool for tools in TOOLSETS.values() for tool in tools}

"""The guide: what an agent needs in its first turn, for this key and this project."""

from __future__ import annotations

from typing import Any

from aggregates.base import Principal
from commands.grants import COMMANDS, READS
from engine import guidance
from mcp_adapter.schemas import Answer, Arguments
from mcp_adapter.tool import READS_ONLY, Call, Tool

GRANTS = {**COMMANDS, **READS}

STEPS = (
    ("people.properties", "people-properties: the keys that a condition can name."),
    ("cohorts.list", "cohorts-list: the cohorts that a condition can name."),
    ("components.get", "components-get: the config of a step type, with examples."),
    ("CreateWorkflow", "workflows-create, then workflows-enable; no person is contacted by either."),
    ("SimulateWorkflow", "workflows-simulate: try it out, nothing is sent."),
    ("SizeAudience", "workflows-blast-radius: the number to show the user. Then stop and wait for their yes."),
    ("RunBatch", "workflows-run-batch: contacts people, after that yes."),
    ("AttachSchedule", "workflows-schedule-create: repeats it; schedules-preview shows when."),
    ("batch_jobs.get", "batch-jobs-get: follow the job; runs-list says who got it."),
)
"""How to go on, and what a key must be allowed to ask for each."""


class ReadGuide(Arguments):
    pass


class Guide(Answer):
    project: str
    send_mode: str
    limits: dict[str, Any]
    scopes: list[str]
    confirmation: dict[str, Any]
    operators: dict[str, str]
    conditions: list[dict[str, Any]]
    triggers: dict[str, Any]
    step_types: list[str]
    example: dict[str, Any]
    next: list[str]


def read_guide(call: Call, given: ReadGuide) -> Guide:
    found = guidance.guide(call.system, call.principal)
    summary = "How to work with this project. Steps run from the first on; a branch's edges name its ports."
    if found["send_mode"] == "capture":
        summary += " Send mode is capture: nothing leaves this server."
    return Guide(**found, summary=summary, next=_steps(call.principal))


def _steps(principal: Principal) -> list[str]:
    return [text for grant, text in STEPS if principal.scopes.issuperset(GRANTS[grant])]


TOOLS: tuple[Tool[Any, Any], ...] = (
    Tool(
        "guide",
        "Begin here",
        "Read this first: project, send mode, what this key may do, how a human confirms, operators of conditions, "
        "step types, an example of each trigger, how to go on.",
        "guide.get",
        ReadGuide,
        Guide,
        READS_ONLY,
        read_guide,
    ),
)

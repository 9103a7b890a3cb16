"""What whoever writes a workflow needs to know first: the operators, and a guide to this project for this key.

The guide names no route, no command line and no tool: each door adds how to go on in its own words.
"""

from __future__ import annotations

from typing import Any

from aggregates.base import Principal
from aggregates.filters import EXAMPLE_FILTERS
from aggregates.operators import OPERATORS, operators
from aggregates.steps import catalogue
from aggregates.workflow.triggers import EXAMPLE_BATCH, EXAMPLE_MANUAL
from commands.grants import authorize
from engine.bootstrap import System

RELAYED = (
    "Size first. Show the user `affected`, the exclusions and the send mode, stop, and wait for an explicit yes in "
    "their own turn; then send that number with the confirm_token of the same answer. A number that they have not "
    "seen is never sent."
)

WITNESSED = (
    "Size first, show the user the number, then ask for it with that number and the confirm_token: it is held, and the "
    "answer has a confirm_url. Show the user that address and wait: only a signed-in human confirms there."
)

UNGUARDED = "The number of people has to be sent with what reaches them; a confirm_token binds it to exactly these."

EXAMPLE_CONTENT = {
    "name": "Welcome",
    "trigger": EXAMPLE_BATCH,
    "steps": [
        {"id": "wait", "type": "delay", "config": {"seconds": 3600}},
        {"id": "tell", "type": "capture", "config": {"message": "Hello {{ person.properties.name | default: 'you' }}"}},
    ],
    "edges": [{"from": "wait", "to": "tell"}],
}


def listed(principal: Principal) -> list[dict[str, Any]]:
    """Every operator of a condition, with its meaning and an example."""
    authorize(principal, "operators.list")
    return operators()


def guide(system: System, principal: Principal) -> dict[str, Any]:
    """Project, mode, limits, confirmation, and an example of each thing that has to be written."""
    known = system.reads.guide(principal)
    policy = known["policy"]
    return {
        "project": known["project"],
        "send_mode": policy["send_mode"],
        "limits": {name: value for name, value in policy.items() if name not in {"send_mode", "narrowed_by"}},
        "scopes": sorted(principal.scopes),
        "confirmation": _confirmation(principal, policy),
        "operators": {name: facts.meaning for name, facts in OPERATORS.items()},
        "conditions": EXAMPLE_FILTERS["properties"],
        "triggers": {"batch": EXAMPLE_BATCH, "manual": EXAMPLE_MANUAL},
        "step_types": list(catalogue()),
        "example": EXAMPLE_CONTENT,
    }


def _confirmation(principal: Principal, policy: dict[str, Any]) -> dict[str, Any]:
    """How this key gets a human's yes."""
    mode = policy.get("confirmation") if principal.guarded else None
    how = (WITNESSED if mode == "witnessed" else RELAYED) if principal.guarded else UNGUARDED
    over = policy["approval_over"]
    return {
        "mode": mode or ("relayed" if principal.guarded else "count"),
        "token_needed": principal.guarded,
        "how": how,
        "second_person": None
        if over is None
        else f"Over {over:,} people it is held until a second person approves it.",
    }

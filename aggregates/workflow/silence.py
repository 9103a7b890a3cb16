"""Where nobody's answer counts as a yes: approval steps that expire to `approved`, or to a way that sends."""

from __future__ import annotations

from typing import Any

from aggregates.errors import Problem
from aggregates.shape import at, json_problems
from aggregates.workflow.graph import links_of, reachable
from aggregates.workflow.steps import parse_edges, parse_steps

MESSAGE = "When nobody answers in time, everybody who waits here goes on as if a human had said yes."
SENDS = "When nobody answers in time, everybody who waits here is sent something."


def silent_approvals(content: Any, *, severity: str) -> list[Problem]:
    """One finding for each such step of content of any shape, which need not be finished."""
    steps = content.get("steps") if isinstance(content, dict) else None
    steps = steps if isinstance(steps, list) else []
    sends = _on_expiry(content)
    return [
        Problem(
            at("/steps", index, "config", "on_expiry"),
            "approval.expires_to_approved",
            MESSAGE if expiry == "approved" else SENDS,
            expiry,
            "rejected" if expiry == "approved" else "a way on which nothing is sent",
            severity=severity,
        )
        for index, step in enumerate(steps)
        if (expiry := _expiry(step)) == "approved" or (expiry and index in sends)
    ]


def _expiry(step: Any) -> str | None:
    config = step.get("config") if isinstance(step, dict) and step.get("type") == "approval" else None
    expiry = config.get("on_expiry") if isinstance(config, dict) else None
    return expiry if isinstance(expiry, str) else None


def _on_expiry(content: Any) -> set[int]:
    """The places of the approval steps after whose expiry something is sent, as far as the content can be read."""
    if not isinstance(content, dict) or json_problems(content):
        return set()
    steps, _ = parse_steps(content.get("steps"), "/steps")
    edges, _ = parse_edges(content.get("edges"), "/edges")
    known = {step.id: step for step in steps if step}
    links = links_of(known, edges)
    found = set()
    for index, step in enumerate(steps):
        expiry = _expiry(step.as_data()) if step else None
        firsts = {edge.target for edge in edges if step and edge and (edge.source, edge.port) == (step.id, expiry)}
        ahead = {id for first in firsts & set(known) for id in (first, *reachable(links, first))}
        if any(known[id].type.external for id in ahead):
            found.add(index)
    return found

"""Templates that fail for everybody, asked whenever content is saved or enabled.

Content that runs already is not asked: for whom it fails, it fails with a reason.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aggregates.errors import Problem
from aggregates.shape import at, json_problems
from aggregates.templates import Template
from aggregates.workflow.steps import parse_steps


def trial_problems(content: Any) -> list[Problem]:
    """One problem for each part of a template that can never be rendered, as far as the content can be read."""
    if not isinstance(content, dict) or json_problems(content):
        return []
    steps, _ = parse_steps(content.get("steps"), "/steps")
    found = []
    for index, step in enumerate(steps):
        for source in step.type.templates(step.config) if step else ():
            pointer = at("/steps", index, "config") + source.pointer
            template, _ = Template.parse(source.text, pointer, source.place)
            found += [replace(finding, pointer=pointer) for finding in template.findings] if template else []
    return found

"""What a workflow's content may do with secrets, asked whenever it is saved or enabled.

Content that runs already is not asked: what was published before a rule goes on running.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from aggregates.errors import Problem
from aggregates.secrets import mentions
from aggregates.shape import at, json_problems
from aggregates.steps import catalogue
from aggregates.templates import texts
from aggregates.workflow.steps import Step, parse_steps
from commands.context import Context

REFUSED = {
    "secret.unknown": "There is no usable secret of this name.",
    "secret.host_refused": "This secret may not go to this host.",
}


def secret_problems(ctx: Context, content: dict[str, Any], *, strict: bool = True) -> list[Problem]:
    """Everything wrong with the secrets of a content, finished or not.

    With `strict=False` a secret that is not there yet is only a warning.
    """
    if json_problems(content) or not isinstance(content.get("steps"), list):
        return []
    steps, _ = parse_steps(content["steps"], "/steps")
    problems = list(_mentioned(content))
    for index, step in enumerate(steps):
        place = at("/steps", index, "config")
        problems += [replace(found, pointer=place + found.pointer) for found in _of_step(ctx, step)] if step else []
    if not strict:
        problems = [replace(p, severity="warning") if p.code == "secret.unknown" else p for p in problems]
    return problems


def _of_step(ctx: Context, step: Step) -> Iterator[Problem]:
    yield from step.type.check_saved(step.config)
    for use in step.type.secret_uses(step.config) if step.type.takes_secrets else ():
        # Whoever cannot be asked may not choose where an unbound secret goes.
        code = ctx.secrets.refusal(ctx.meta.principal.project_id, use.name, use.host, bound=ctx.meta.principal.guarded)
        if code is not None:
            got = use.name if code == "secret.unknown" else f"{use.name} to {use.host}"
            yield Problem(use.pointer, code, REFUSED[code], got, None, None)


def _mentioned(content: dict[str, Any]) -> Iterator[Problem]:
    """Texts that read as if a secret would stand in them, where none ever does."""
    for index, step in enumerate(content["steps"]):
        known = catalogue().get(str(step.get("type"))) if isinstance(step, dict) else None
        if known is None or known.takes_secrets:
            continue
        for pointer, text in texts(step.get("config"), at("/steps", index, "config")):
            if mentions(text):
                message = "Only a webhook may use secrets: none may come to a person or into the ledger."
                yield Problem(pointer, "template.secrets_refused", message, known.id, "webhook")

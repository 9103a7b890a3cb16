"""The step types that installed distributions bring, looked over before anybody meets them.

A distribution declares them as entry points of the group `tidegate.steps`, each naming a `StepType` subclass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from aggregates.steps.base import ANY_INSTANT, Config, Deliver, Plan, StepType
from aggregates.steps.config import parse_config

ENTRY_POINTS = "tidegate.steps"

ID = re.compile(r"[a-z][a-z0-9_]{0,49}")


class UnusableStepTypeError(Exception):
    """A step type that cannot be taken. The message names the distribution that brought it, and what to do."""


def installed() -> Iterator[StepType[Any]]:
    """One instance of every step type that a distribution brings; raises UnusableStepTypeError at the first bad one."""
    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: (_owner(entry), entry.name)):
        try:
            step_type = _made(entry.load())
        except Exception as error:
            fault = str(error) if isinstance(error, _Fault) else f"{type(error).__name__}: {error}"
            raise UnusableStepTypeError(
                f"The step type {entry.name!r} ({entry.value}) of {_owner(entry)} cannot be used. {fault} "
                "Correct or uninstall that package."
            ) from error
        step_type.distribution = _owner(entry)
        yield step_type


class _Fault(Exception):
    """What is wrong with a step type, as a sentence."""


def _made(member: object) -> StepType[Any]:
    """An instance that tells an author all that is needed, with examples that are what they say."""
    if not isinstance(member, type) or not issubclass(member, StepType):
        raise _Fault("It is not a subclass of StepType.")
    step_type: StepType[Any] = member()
    for name in ("id", "name", "category", "description"):
        if not isinstance(getattr(step_type, name, None), str) or not getattr(step_type, name).strip():
            raise _Fault(f"It has no {name}.")
    if not ID.fullmatch(step_type.id):
        raise _Fault(f"Its id {step_type.id!r} is not made of lower-case letters, digits and underscores.")
    config_class = getattr(step_type, "Config", None)
    if not isinstance(config_class, type) or not issubclass(config_class, Config):
        raise _Fault("Its Config is not a subclass of Config.")
    examples = getattr(step_type, "examples", ())
    if not isinstance(examples, (list, tuple)) or not examples:
        raise _Fault("It has no examples.")
    for index, example in enumerate(examples):
        config, problems = parse_config(step_type, example, f"/examples/{index}")
        for problem in problems:
            raise _Fault(f"Its example is not valid: {problem.pointer} {problem.message}")
        if config is not None:
            _say_that_it_sends(step_type, step_type.plan(config, ANY_INSTANT))
    step_type.as_data()
    return step_type


def _say_that_it_sends(step_type: StepType[Any], plan: Plan) -> None:
    """What sends says so: the guard in front of people asks the type, not the plan."""
    if isinstance(plan, Deliver) and not step_type.external:
        raise _Fault("It sends something and is not external.")
    if isinstance(plan, Deliver) and plan.channel == "email" and not step_type.sends_email:
        raise _Fault("It sends email and does not say sends_email.")


def _owner(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown distribution"

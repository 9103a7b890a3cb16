"""The step types, one file each, found here and in the entry point group `tidegate.steps`.

base                    what a step type is, and what it can plan
config                  a config against its schema, told as problems
third_party             the types that installed distributions bring, looked over before anybody meets them
approval                asks a human, once for the whole job
capture                 records what would have been sent
conditional_branch      the first condition that holds decides the way
delay                   waits for a fixed time
email                   sends an email
exit                    ends the run
random_split            the lot decides the way, the same one each time
set_variables           sets variables of the run
wait_until_time_window  waits for an hour of the day, in a zone or in each person's own
webhook                 calls an HTTP endpoint

An entry point names a `StepType` subclass. Nothing is imported before `catalogue()` is first called, which every
process does at its start.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Any

from aggregates.nearest import nearest, plain
from aggregates.steps.base import StepType
from aggregates.steps.third_party import UnusableStepTypeError, installed


@cache
def catalogue() -> Mapping[str, StepType[Any]]:
    """Every step type by its id, in the order of their ids.

    Raises UnusableStepTypeError, which names the distribution, when one cannot be imported, is no proper step type or
    claims the id of another: a workflow that runs without a step that it was published with would be worse than a
    process that does not start.
    """
    found: dict[str, StepType[Any]] = {}
    for step_type in (*(step_class() for step_class in _built_in()), *installed()):
        other = found.setdefault(step_type.id, step_type)
        if other is not step_type:
            owner = other.distribution or "Tidegate itself"
            raise UnusableStepTypeError(
                f"{step_type.distribution} brings a step type {step_type.id!r}, which {owner} has already. "
                "Uninstall one of them."
            )
    return MappingProxyType(dict(sorted(found.items())))


def close_to(name: str, most: int = 3) -> list[str]:
    """The ids that somebody who wrote `name` may have meant, the likeliest first."""
    word = plain(name)
    alike = nearest(name, catalogue(), most)
    parts = [id for id in catalogue() if len(word) > 2 and (word in id or id in word)]
    return list(dict.fromkeys(alike + parts))[:most]


def _built_in() -> Iterator[type[StepType[Any]]]:
    for module_info in pkgutil.iter_modules(__path__):
        module = import_module(f"{__name__}.{module_info.name}")
        for member in vars(module).values():
            # A module also sees what it imports; only what it defines is its own.
            own = isinstance(member, type) and member.__module__ == module.__name__
            if own and issubclass(member, StepType) and member is not StepType:
                yield member

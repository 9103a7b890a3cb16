"""The step types, one file each, found here and in the entry point group `tidegate.steps`.

base                    what a step type is, and what it can plan
config                  a config against its schema, told as problems
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

An entry point names a `StepType` subclass. Nothing is imported before `catalogue()` is first called.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any

from aggregates.steps.base import StepType

ENTRY_POINTS = "tidegate.steps"


@cache
def catalogue() -> Mapping[str, StepType[Any]]:
    """Every step type by its kind, in the order of their names.

    Raises ValueError when two claim the same kind, and whatever a third party's module raises on import: a
    workflow that runs without a step that it was published with would be worse than one that does not start.
    """
    found: dict[str, StepType[Any]] = {}
    for step_class in (*_built_in(), *_third_party()):
        if step_class.kind in found:
            raise ValueError(f"two step types are called {step_class.kind!r}")
        found[step_class.kind] = step_class()
    return MappingProxyType(dict(sorted(found.items())))


def _built_in() -> Iterator[type[StepType[Any]]]:
    for module_info in pkgutil.iter_modules(__path__):
        module = import_module(f"{__name__}.{module_info.name}")
        for member in vars(module).values():
            # A module also sees what it imports; only what it defines is its own.
            own = isinstance(member, type) and member.__module__ == module.__name__
            if own and issubclass(member, StepType) and member is not StepType:
                yield member


def _third_party() -> Iterator[type[StepType[Any]]]:
    for entry in entry_points(group=ENTRY_POINTS):
        member = entry.load()
        if not isinstance(member, type) or not issubclass(member, StepType):
            raise TypeError(f"the entry point {entry.name!r} of {ENTRY_POINTS} is not a StepType")
        yield member

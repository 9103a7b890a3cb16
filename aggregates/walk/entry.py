"""Where people came to, and what they have set on their way."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class RunVariables:
    """What people have set on their way: the same for all of them, but for those who have their `own`.

    `unsaved` says that the ledger does not know it yet.
    """

    common: Mapping[str, Any] = field(default_factory=dict)
    own: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    unsaved: bool = False

    @classmethod
    def saved(cls, found: Mapping[int, Mapping[str, Any]]) -> RunVariables:
        """What the ledger says of some people."""
        # By their JSON: 1 and 1.0 and true are equal, and are written differently.
        if len({as_json(variables) for variables in found.values()}) > 1:
            return cls(own=found)
        common = next(iter(found.values()), {})
        return cls(common) if common else NONE_SET

    def of(self, id: int) -> Mapping[str, Any]:
        return self.own.get(id, self.common)

    def part(self, ids: Sequence[int]) -> RunVariables:
        """The variables of some of these people."""
        return replace(self, own={id: self.own[id] for id in ids if id in self.own}) if self.own else self


NONE_SET = RunVariables()


def as_json(variables: Mapping[str, Any]) -> str | None:
    return json.dumps(dict(variables)) if variables else None


@dataclass
class Entry:
    """Some people of one chunk with the same fate.

    `trace` is what all of them went through, `own` what only some did (by person). `at_step` is where a
    waiting or in-progress run goes on; None there means it has only to be ended as delivered.
    """

    status: str
    ids: list[int]
    trace: list[dict[str, Any]]
    own: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    reason: str | None = None
    at_step: str | None = None
    wake_at: datetime | None = None
    variables: RunVariables = NONE_SET

    def steps(self) -> list[str]:
        """Each person's trace as JSON, in the order of `ids`."""
        shared = json.dumps(self.trace)
        if not self.own:
            return [shared] * len(self.ids)
        return [json.dumps(self.trace + self.own[id]) if id in self.own else shared for id in self.ids]


def of_reached(entries: Iterable[Entry], reached: Collection[int]) -> Iterator[Entry]:
    """The same entries, but that nobody of `reached` is skipped: they have exited."""
    for entry in entries:
        some = [id for id in entry.ids if id in reached] if entry.status == "skipped" and reached else []
        if some:
            yield replace(entry, status="exited", ids=some)
            rest = [id for id in entry.ids if id not in reached]
            if rest:
                yield replace(entry, ids=rest)
        else:
            yield entry

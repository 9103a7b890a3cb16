"""People and cohorts. Who they are is plain state, not a stream: personal data stays out of the log.

That an import or a cohort was made is in the log, with its counts; what was in it is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from aggregates.cohort.aggregate import Cohort
from aggregates.people.aggregate import PeopleChange
from aggregates.people.events import COUNTS
from aggregates.values import digest
from commands.context import Accepted, Context


@dataclass(frozen=True)
class ImportPeople:
    """Add or update people from a CSV or JSONL stream, by distinct_id; all rows or none."""

    stream: BinaryIO
    format: str
    mapping: Mapping[str, str] = field(default_factory=dict)
    dry_run: bool = False


@dataclass(frozen=True)
class CreateCohort:
    """Name a set of people: `static` (a frozen list of distinct ids), `dynamic` (conditions), `behavioral`."""

    name: str
    kind: str
    description: str = ""
    conditions: list[Any] = field(default_factory=list)
    members: list[str] = field(default_factory=list)


def import_people(command: ImportPeople, ctx: Context) -> Accepted:
    report = ctx.people.import_people(
        ctx.meta.principal.project_id,
        command.stream,
        format=command.format,
        mapping=command.mapping,
        dry_run=command.dry_run,
        now=ctx.meta.now,
    )
    may_know = "person:read" in ctx.meta.principal.scopes
    position = 0
    # Whether nothing changed is an answer about people, too.
    if not command.dry_run and (not may_know or report["inserted"] + report["updated"]):
        facts = {name: report[name] for name in ("rows", *COUNTS, "sha256")}
        change = PeopleChange.imported(ctx.ids.new(), meta=ctx.meta, source=command.format, **facts)
        position = ctx.store.save(change)
    hidden = () if may_know else COUNTS
    return Accepted("", {name: None if name in hidden else value for name, value in report.items()}, position)


def create_cohort(command: CreateCohort, ctx: Context) -> Accepted:
    cohort_id = ctx.ids.new()
    data = ctx.people.create_cohort(
        ctx.meta.principal.project_id,
        cohort_id,
        name=command.name,
        kind=command.kind,
        description=command.description,
        conditions=command.conditions,
        members=command.members,
        now=ctx.meta.now,
    )
    cohort = Cohort.create(
        cohort_id,
        name=command.name,
        kind=command.kind,
        members=data["members"],
        conditions_digest=digest([str(cohort_id), command.conditions]) if command.conditions else None,
        meta=ctx.meta,
    )
    return Accepted(str(cohort_id), {"cohort_id": str(cohort_id), **data}, ctx.store.save(cohort))

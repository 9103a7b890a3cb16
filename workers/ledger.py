"""The ledger's writes: runs, effects and chunk counters, always as sets, always in the caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, TextClause, text

from aggregates.values import NOBODY
from aggregates.walk.entry import Entry, RunVariables, as_json
from projections.consent import refused_addresses
from projections.failed_runs import NO_ADDRESS
from workers.jobs import WorkingJob

COUNTERS = ("delivered", "skipped", "failed", "exited", "waiting", "in_progress")

# Built once: taking a statement apart again for each chunk costs more than sending it.
_COUNT = text(
    "UPDATE chunks SET state = :state, delivered = delivered + :delivered, skipped = skipped + :skipped, "
    "failed = failed + :failed, exited = exited + :exited, waiting = waiting + :waiting, "
    "in_progress = in_progress + :in_progress, reached = reached + :reached WHERE job_id = :job_id AND number = :number"
)

# Who may not be sent to: by id and by address, of all and of the workflow's topic, in the words of a sizing.
_LEFT = (
    "(p.opted_out_at IS NOT NULL OR EXISTS (SELECT 1 FROM opt_outs o WHERE o.project_id = :project_id "
    "AND o.address = p.address AND o.topic = ANY (CAST(:topics AS text[]))) OR EXISTS (SELECT 1 FROM person_opt_outs t "
    "WHERE t.person_id = p.id AND t.topic = ANY (CAST(:topics AS text[]))))"
)
_STOPPED = "EXISTS (SELECT 1 FROM suppressions s WHERE s.project_id = :project_id AND s.address = p.address)"

# Whoever is counted here may be reached. Of people who lie close together it is one walk along the index, where the
# statement that names the others looks each of them up.
_ALL_REACHABLE = text(
    "SELECT NOT EXISTS (SELECT 1 FROM cancelled_runs WHERE job_id = :job_id) AND :many = "
    "(SELECT count(*) FROM people p WHERE id = ANY (CAST(:ids AS bigint[])) AND NOT $left AND NOT $stopped)".replace(
        "$left", _LEFT
    ).replace("$stopped", _STOPPED)
)
_UNREACHABLE = text(
    "SELECT * FROM (SELECT e.id, CASE WHEN x.person_id IS NOT NULL THEN 'run_cancelled' "
    "WHEN p.id IS NULL THEN 'erased' WHEN $left THEN 'opted_out' WHEN $stopped THEN 'suppressed' END AS reason "
    "FROM unnest(CAST(:ids AS bigint[])) AS e (id) LEFT JOIN people p ON p.id = e.id "
    "LEFT JOIN cancelled_runs x ON x.job_id = :job_id AND x.person_id = e.id "
    "WHERE e.id <> :nobody) found WHERE reason IS NOT NULL".replace("$left", _LEFT).replace("$stopped", _STOPPED)
)
_IN_PROGRESS = text(
    "SELECT person_id, at_step, variables, reached FROM runs WHERE job_id = :job_id AND status = 'in_progress' "
    "AND person_id = ANY (CAST(:ids AS bigint[])) AND resumed_by IS NOT DISTINCT FROM CAST(:resumed_by AS integer) "
    "AND (at_step = ANY (CAST(:beside AS text[]))) IS NOT TRUE ORDER BY person_id LIMIT :limit"
)
_ASKED = text(
    "SELECT person_id, CAST(steps -> -1 ->> 'until' AS timestamptz) AS until FROM runs "
    "WHERE job_id = :job_id AND person_id = ANY (CAST(:ids AS bigint[])) "
    "AND steps -> -1 ->> 'step' = :step_id AND steps -> -1 ->> 'outcome' = 'asked'"
)

_CONSTANT = """
INSERT INTO runs (job_id, person_id, status, reason, at_step, wake_at, steps, updated_at{column}{mark_column})
SELECT :job_id, e.id, :status, :reason, :at_step, CAST(:wake_at AS timestamptz), CAST(:steps AS jsonb), :now{value}
       {mark}
FROM unnest(CAST(:ids AS bigint[]){marks}) AS e (id{mark_alias})
"""

_EACH = """
INSERT INTO runs (job_id, person_id, status, reason, at_step, wake_at, steps, updated_at{column}{mark_column})
SELECT :job_id, e.id, :status, :reason, :at_step, CAST(:wake_at AS timestamptz), CAST(e.steps AS jsonb), :now{value}
       {mark}
FROM unnest(CAST(:ids AS bigint[]), CAST(:steps AS text[]){more}{marks}) AS e (id, steps{alias}{mark_alias})
"""

# The ids are told twice: a planner that has not met the job's rows yet would join all of them to these few people, and
# `ANY` leaves it no way but the index.
_RESUMED = """
UPDATE runs AS r
SET status = :status, reason = :reason, at_step = :at_step, wake_at = CAST(:wake_at AS timestamptz),
    steps = r.steps || CAST(e.steps AS jsonb), updated_at = :now{change}{reached}
FROM unnest(CAST(:ids AS bigint[]), CAST(:steps AS text[]){more}) AS e (id, steps{alias})
WHERE r.job_id = :job_id AND r.person_id = e.id AND r.person_id = ANY (CAST(:ids AS bigint[]))
  AND r.status = 'in_progress'
"""

_MARK = text(
    "UPDATE runs SET reached = true WHERE job_id = :job_id AND person_id = ANY (CAST(:ids AS bigint[])) AND NOT reached"
)

# The column `variables` is written only where somebody has set one: as a constant, or by person.
_UNTOUCHED = dict.fromkeys(("column", "value", "more", "alias", "change"), "")
# Who was reached is written only where somebody was, for the first time; marks of addresses only where there are some.
_REACHED = {"reached": ", reached = r.reached OR r.person_id = ANY (CAST(:reached AS bigint[]))"}
_MARKED = {
    "mark_column": ", address_mark",
    "mark": ", e.address_mark",
    "marks": ", CAST(:marks AS bigint[])",
    "mark_alias": ", address_mark",
}
_BARE = dict.fromkeys((*_REACHED, *_MARKED), "")
_WRITTEN = {
    "untouched": _UNTOUCHED,
    "shared": {
        **_UNTOUCHED,
        "column": ", variables",
        "value": ", CAST(:variables AS jsonb)",
        "change": ", variables = CAST(:variables AS jsonb)",
    },
    "own": {
        "column": ", variables",
        "value": ", CAST(e.variables AS jsonb)",
        "more": ", CAST(:variables AS text[])",
        "alias": ", variables",
        "change": ", variables = CAST(e.variables AS jsonb)",
    },
}


def write_first(
    connection: Connection, job_id: UUID, entries: Iterable[Entry], now: datetime, marks: Mapping[int, int | None]
) -> None:
    """One row each for people who had none; a second row for a person is impossible by the primary key.

    `marks` stand for the confirmed addresses, by person; empty where the job sends no email.
    """
    for entry in entries:
        by_person = bool(entry.own or entry.variables.own)
        statement, variables = _with_variables(_EACH if by_person else _CONSTANT, entry, marked=bool(marks))
        steps = entry.steps() if by_person else json.dumps(entry.trace)
        parameters = {**_parameters(job_id, entry, now), **variables, "steps": steps}
        if marks:
            parameters["marks"] = as_array(marks[id] or NO_ADDRESS for id in entry.ids)
        connection.execute(statement, parameters)


def write_again(
    connection: Connection, job_id: UUID, entries: Iterable[Entry], now: datetime, reached: Collection[int] = ()
) -> None:
    """Move on people who have a row and are in progress; `reached` are those of them who were reached just now.

    RuntimeError if somebody else has moved one of them: what is counted then would be wrong for ever.
    """
    for entry in entries:
        statement, variables = _with_variables(_RESUMED, entry, reached=bool(reached))
        parameters = {**_parameters(job_id, entry, now), **variables, "steps": entry.steps()}
        if reached:
            parameters["reached"] = as_array(reached)
        moved = connection.execute(statement, parameters).rowcount
        if moved != len(entry.ids):
            raise RuntimeError(f"{len(entry.ids) - moved} runs of job {job_id} were moved by somebody else")


def mark_reached(connection: Connection, job_id: UUID, people: Collection[int]) -> int:
    """Note that these people may have been reached, wherever they stand; for how many that is new."""
    if not people:
        return 0
    return connection.execute(_MARK, {"job_id": job_id, "ids": as_array(people)}).rowcount


def _with_variables(statement: str, entry: Entry, **more: bool) -> tuple[TextClause, dict[str, Any]]:
    """A statement that writes what these people have set, if the ledger does not know it, and its parameter.

    `reached` and `marked` say what else it writes.
    """
    variables = entry.variables
    if not variables.unsaved:
        return _filled(statement, "untouched", **more), {}
    if not variables.own:
        return _filled(statement, "shared", **more), {"variables": as_json(variables.common)}
    return _filled(statement, "own", **more), {"variables": [as_json(variables.of(id)) for id in entry.ids]}


@cache
def _filled(statement: str, variables: str, *, reached: bool = False, marked: bool = False) -> TextClause:
    more = _BARE | (_REACHED if reached else {}) | (_MARKED if marked else {})
    return text(statement.format(**_WRITTEN[variables], **more))


def _parameters(job_id: UUID, entry: Entry, now: datetime) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "ids": as_array(entry.ids),
        "status": entry.status,
        "reason": entry.reason,
        "at_step": entry.at_step,
        "wake_at": entry.wake_at,
        "now": now,
    }


def tally(entries: Iterable[Entry]) -> dict[str, int]:
    """How many people of these entries are where, by counter."""
    counts = dict.fromkeys(COUNTERS, 0)
    for entry in entries:
        counts[entry.status] += len(entry.ids)
    return counts


def as_array(ids: Iterable[int]) -> str:
    """Numbers as PostgreSQL reads an array; the driver would look at each of them, at many times the cost."""
    return "{" + ",".join(map(str, ids)) + "}"


def count(connection: Connection, job_id: UUID, number: int, change: dict[str, int], state: str) -> None:
    """Add to a chunk's counters and set its state. `change` names the counters, and `reached` if anybody was."""
    connection.execute(_COUNT, {"job_id": job_id, "number": number, "state": state, "reached": 0, **change})


def unreachable(connection: Connection, job: WorkingJob, ids: Sequence[int]) -> dict[int, str]:
    """Whom of these nothing may be done for any more, and why: `run_cancelled`, `erased`, `opted_out`, `suppressed`.

    A manual run is about the address among its inputs, if there is one, as its sizing has it.
    """
    if job.route.inputs is not None:
        return {NOBODY: why} if (why := _stopped(connection, job)) is not None else {}
    about = {"job_id": job.id, "project_id": job.project_id, "topics": list(job.reach.topics)}
    asked = {"ids": as_array(ids), **about}
    if connection.execute(_ALL_REACHABLE, {**asked, "many": len(ids)}).scalar():
        return {}
    return {row.id: row.reason for row in connection.execute(_UNREACHABLE, {**asked, "nobody": NOBODY})}


def _stopped(connection: Connection, job: WorkingJob) -> str | None:
    """Why a manual run that can send reaches nobody any more; None where it may."""
    definition, inputs = job.route.definition, job.route.inputs or {}
    given = definition.input_addresses(inputs) if definition.external else []
    stopped = refused_addresses(connection, job.project_id, given, job.reach) if given else {}
    return min(stopped.values(), default=None)


def in_progress(
    connection: Connection, job_id: UUID, chunk: Row[Any], limit: int | None = None, beside: Sequence[str] = ()
) -> list[Row[Any]]:
    """Those of a chunk's people whom it moves on, with the step at which they go on and what they have set.

    At any step that is not in `beside`.

    Who was parked and woken is another chunk's by then, although this one still has their ids.
    """
    resumed_by = None if chunk.size else chunk.number
    asked = {"job_id": job_id, "ids": as_array(chunk.person_ids), "resumed_by": resumed_by, "limit": limit}
    asked["beside"] = list(beside)
    return list(connection.execute(_IN_PROGRESS, asked))


def saved_variables(rows: Iterable[Row[Any]]) -> RunVariables:
    """What people who are in progress have set before."""
    return RunVariables.saved({row.person_id: row.variables or {} for row in rows})


def asked(connection: Connection, job_id: UUID, step_id: str, ids: Sequence[int]) -> dict[int, datetime]:
    """Until when those of these people who have waited at an approval step last wait for an answer."""
    rows = connection.execute(_ASKED, {"job_id": job_id, "ids": as_array(ids), "step_id": step_id})
    return {row.person_id: row.until for row in rows}

"""Who an audience is: sizing, freezing, explaining, matching. One evaluator for all of them.

Every method works inside the caller's transaction and leaves its settings as they were. What PostgreSQL cannot
answer (a regular expression that it does not read, a statement that takes too long) is `audience.unanswerable`, which
names the condition where it can; the caller's transaction is still usable after it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Connection, any_, bindparam, insert, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError

from aggregates.audience import Audience, CohortCondition, PersonCondition
from aggregates.errors import DomainError, Problem, invalid
from aggregates.reach import Reach
from aggregates.values import Sizing
from projections import audience_masks, audience_sql, cohort_graph
from projections.audience_sql import Question, Seeds
from projections.cohort_graph import Graph
from projections.conditions import Unanswerable, Verdict, probe
from projections.statement_limits import limited
from projections.tables import cohort_members, people

POINTER = "/trigger/filters/properties"
"""Where the conditions stand in a workflow's content, unless the caller says otherwise."""

FREEZE_PATIENCE = 10
"""Freezing may take so many times the statement timeout: nobody waits for it, and it writes what sizing only counts."""

UNANSWERABLE_STATES = ("22", "54", "57014")
"""SQLSTATE classes that the condition is to blame for: data, program limits, statement timeout."""


@dataclass(frozen=True)
class Frozen:
    """What was written into `chunks`: how many people, who (as a fingerprint), in how many chunks."""

    count: int
    fingerprint: str
    chunks: int


class Audiences:
    """The evaluator. `seeds` are two signed 64-bit integers and `key` a secret, both derived from the secret key.

    `seeds.mark` is the seed of `chunks.address_marks`, `statement_timeout` how long one statement may take, in
    milliseconds.
    """

    def __init__(self, seeds: tuple[int, int], key: bytes, statement_timeout_ms: int = 10_000) -> None:
        marks = hmac.new(key, b"address marks", hashlib.sha256).digest()
        self.seeds = Seeds(*seeds, mark=int.from_bytes(marks[:8], "big", signed=True))
        self._key, self.statement_timeout = key, statement_timeout_ms

    def problems(self, conn: Connection, project_id: UUID, audience: Audience, pointer: str = POINTER) -> list[Problem]:
        """Cohorts that do not exist, behavioral ones behind any depth of nesting, unreadable regular expressions."""
        graph = cohort_graph.load(conn, project_id, audience.cohort_ids)
        found = cohort_graph.problems(graph, audience, pointer)
        return found or self._unreadable(conn, graph, audience, pointer)

    def size(
        self,
        conn: Connection,
        project_id: UUID,
        audience: Audience,
        *,
        reach: Reach,
        now: datetime,
        needs: Sequence[str] = (),
        sample: int = 0,
        with_total: bool = True,
        pointer: str = POINTER,
    ) -> Sizing:
        """Counts and fingerprint of one snapshot, in one statement.

        `needs` are properties whose lack is counted among the affected; `with_total` also counts the project's
        people (an index scan: the dearest part of a narrow sizing), else `total` is None unless it is known anyway.
        """
        total = with_total and not audience.everyone
        with self._asking(conn, project_id, audience, now, pointer) as verdict:
            asked = Question(project_id, verdict, reach, now)
            statement = audience_sql.tally(asked, self.seeds, needs=needs, sample=sample, with_total=total)
            row = conn.execute(statement).mappings().one()
            shown = audience_masks.sample(conn, project_id, row["sample"]) if sample else []
        return Sizing(
            matched=int(row["matched"]),
            affected=int(row["affected"]),
            excluded={reason: int(row[reason]) for reason in reach.reasons},
            total=int(row["matched"]) if audience.everyone else row["total"],
            everyone=audience.everyone,
            fingerprint=self.fingerprint(row["affected"], row["sum"], row["xor"]),
            missing_variables={name: int(row[f"lack_{index}"]) for index, name in enumerate(needs)},
            sample=shown,
        )

    def freeze(
        self,
        conn: Connection,
        job_id: UUID,
        project_id: UUID,
        audience: Audience,
        *,
        reach: Reach,
        chunk_size: int,
        now: datetime,
        pointer: str = POINTER,
    ) -> Frozen:
        """Write the affected ids into `chunks`, ascending, numbered from 0: one statement, one snapshot.

        Where the workflow sends email each id has a mark of its address beside it. Count and fingerprint are those of
        the rows that were written.
        """
        with self._asking(conn, project_id, audience, now, pointer, patience=FREEZE_PATIENCE) as verdict:
            affected = audience_sql.affected(Question(project_id, verdict, reach, now))
            row = conn.execute(audience_sql.freeze(job_id, affected, chunk_size, self.seeds)).mappings().one()
        return Frozen(int(row["count"]), self.fingerprint(row["count"], row["sum"], row["xor"]), int(row["chunks"]))

    def explain(
        self,
        conn: Connection,
        project_id: UUID,
        audience: Audience,
        *,
        reach: Reach,
        now: datetime,
        person_ids: Sequence[int] | None = None,
        limit: int = 10,
        pointer: str = POINTER,
    ) -> list[tuple[int, str]]:
        """Why people are not reached: (person id, one of `aggregates.reach.REASONS` or `not_matched`).

        Without `person_ids`, up to `limit` people who match and are excluded, a few of each reason. Of named people
        those who are affected are left out, and so are ids that are not of this project.
        """
        with self._asking(conn, project_id, audience, now, pointer) as verdict:
            asked = Question(project_id, verdict, reach, now)
            if person_ids is None:
                statement = audience_sql.excluded(asked, limit=limit)
            else:
                statement = audience_sql.reasons(asked, _ids(person_ids))
            return [(row.id, row.reason) for row in conn.execute(statement)]

    def sample(
        self,
        conn: Connection,
        project_id: UUID,
        audience: Audience,
        *,
        reach: Reach,
        limit: int,
        now: datetime,
        pointer: str = POINTER,
    ) -> list[int]:
        """Some of the affected people, by lot, which falls the same way each time; ascending."""
        with self._asking(conn, project_id, audience, now, pointer) as verdict:
            affected = audience_sql.affected(Question(project_id, verdict, reach, now))
            return sorted(conn.scalars(audience_sql.by_lot(affected, self.seeds.sum, limit)))

    def matching(
        self,
        conn: Connection,
        project_id: UUID,
        audience: Audience,
        person_ids: Sequence[int],
        *,
        now: datetime,
        pointer: str = POINTER,
    ) -> set[int]:
        """Which of these people match the conditions; exclusions play no part."""
        with self._asking(conn, project_id, audience, now, pointer) as verdict:
            named = people.c.id == any_(_ids(person_ids))
            return set(conn.scalars(select(people.c.id).where(people.c.project_id == project_id, named, verdict)))

    def store_members(
        self, conn: Connection, cohort_id: UUID, project_id: UUID, audience: Audience, *, now: datetime, pointer: str
    ) -> int:
        """Freeze everybody who matches now into a static cohort; how many they are."""
        with self._asking(conn, project_id, audience, now, pointer) as verdict:
            ids = select(literal(cohort_id), people.c.id).where(people.c.project_id == project_id, verdict)
            stored = insert(cohort_members).from_select(["cohort_id", "person_id"], ids)
            return conn.execute(stored.execution_options(preserve_rowcount=True)).rowcount

    def compile(self, conn: Connection, project_id: UUID, audience: Audience, now: datetime, pointer: str) -> Verdict:
        """The conditions as one expression over `people`; refuses what `problems` would name."""
        graph = cohort_graph.load(conn, project_id, audience.cohort_ids)
        if found := cohort_graph.problems(graph, audience, pointer):
            raise invalid("audience.invalid", found)
        try:
            return cohort_graph.compile(graph, audience, people, now)
        except Unanswerable:
            raise self._named(graph, audience, now, pointer) from None

    def fingerprint(self, count: Any, total: Any, xor: Any) -> str:
        """A keyed digest over people and their addresses, whatever their order. 64 hexadecimal digits."""
        facts = ":".join(str(int(number or 0)) for number in (count, total, xor))
        return hmac.new(self._key, facts.encode(), hashlib.sha256).hexdigest()

    def digest(self, address: str) -> str:
        """A keyed digest of a normalised address, which says in the log which one was meant. 64 hexadecimal digits."""
        return hmac.new(self._key, f"address {address}".encode(), hashlib.sha256).hexdigest()

    # -- refusals

    @contextmanager
    def _asking(
        self, conn: Connection, project_id: UUID, audience: Audience, now: datetime, pointer: str, *, patience: int = 1
    ) -> Iterator[Verdict]:
        """Evaluate under the statement timeout, in a savepoint, so that a failure costs only itself."""
        verdict = self.compile(conn, project_id, audience, now, pointer)
        try:
            with limited(conn, self.statement_timeout * patience):
                yield verdict
        except DBAPIError as error:
            state = getattr(error.orig, "sqlstate", None) or ""
            if not state.startswith(UNANSWERABLE_STATES):
                raise
            graph = cohort_graph.load(conn, project_id, audience.cohort_ids)
            found = self._unreadable(conn, graph, audience, pointer)
            raise invalid("audience.unanswerable", found or [_too_hard(state, pointer)]) from None

    def _unreadable(self, conn: Connection, graph: Graph, audience: Audience, pointer: str) -> list[Problem]:
        """The conditions whose regular expression PostgreSQL refuses."""
        patterns = list(_patterns(graph, audience))
        if not patterns or self._readable(conn, [pattern for _, pattern in patterns]):
            return []
        bad = {index for index, pattern in patterns if not self._readable(conn, [pattern])}
        message = "PostgreSQL does not accept the regular expression."
        expected = ("a POSIX regular expression", "^a.*z$")
        return [
            Problem(f"{pointer}/{index}", "condition.regex_invalid", message, None, *expected) for index in sorted(bad)
        ]

    def _readable(self, conn: Connection, patterns: list[str]) -> bool:
        try:
            with limited(conn, self.statement_timeout):
                conn.execute(select(*(probe(pattern) for pattern in patterns)))
        except DBAPIError as error:
            if not (getattr(error.orig, "sqlstate", None) or "").startswith(UNANSWERABLE_STATES):
                raise
            return False
        return True

    def _named(self, graph: Graph, audience: Audience, now: datetime, pointer: str) -> DomainError:
        """The refusal of an audience that cannot be compiled, with each condition at fault."""
        found = []
        for index, condition in enumerate(audience.conditions):
            try:
                cohort_graph.compile(graph, Audience((condition,)), people, now)
            except Unanswerable as reason:
                found.append(Problem(f"{pointer}/{index}", "condition.unanswerable", str(reason)))
        whole = Problem(pointer, "condition.unanswerable", "The conditions are too many together.")
        return invalid("audience.unanswerable", found or [whole])


def _ids(person_ids: Sequence[int]) -> Any:
    known = [id for id in person_ids if 0 < id < 2**63]
    return bindparam(None, known, type_=ARRAY(BigInteger), unique=True)


def _patterns(graph: Graph, audience: Audience) -> Iterator[tuple[int, str]]:
    """Every regular expression of the audience and of its cohorts, with the index of the condition it is behind."""
    for index, condition in enumerate(audience.conditions):
        behind = [condition]
        if isinstance(condition, CohortCondition):
            reached = (graph[id] for id in cohort_graph.reachable(graph, condition.cohort_id) if id in graph)
            behind = [inner for node in reached for inner in node.audience.conditions]
        for inner in behind:
            if isinstance(inner, PersonCondition) and inner.operator in ("regex", "not_regex"):
                yield index, str(inner.value)


def _too_hard(state: str, pointer: str) -> Problem:
    message = "It took too long to evaluate." if state == "57014" else "PostgreSQL could not evaluate it."
    return Problem(pointer, "condition.unanswerable", message)

"""Reads: all that a door receives for asking. Each read checks its grant and is one statement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, func, select

from aggregates.base import Principal
from aggregates.errors import DomainError
from aggregates.policy import Policy
from projections.batch_jobs import BatchJobReads, BatchJobsView
from projections.cohorts import CohortReads
from projections.confirmations import ConfirmationReads, ConfirmationsView
from projections.consent import SuppressionReads
from projections.failures import FailureReads
from projections.history import LogReads
from projections.keys import KeyReads
from projections.people import PeopleReads
from projections.policy import policy_set
from projections.runs import RunReads
from projections.schedules import OccurrencesView, ScheduleReads, SchedulesView
from projections.tables import log, projects, view_positions
from projections.view import View
from projections.waiting import looks
from projections.workflows import WorkflowReads, WorkflowsView

VIEWS: tuple[type[View], ...] = (WorkflowsView, SchedulesView, OccurrencesView, BatchJobsView, ConfirmationsView)


class Reads:
    """The reading side of the product, grouped by what is read."""

    def __init__(
        self,
        engine: Engine,
        authorize: Callable[[Principal, str], None],
        policy: Policy,
        *,
        statement_timeout_ms: int = 10_000,
    ) -> None:
        self._engine = engine
        self._authorize = authorize
        self._policy = policy
        self.workflows = WorkflowReads(engine, authorize)
        self.schedules = ScheduleReads(engine, authorize)
        self.batch_jobs = BatchJobReads(engine, authorize)
        self.confirmations = ConfirmationReads(engine, authorize)
        self.runs = RunReads(engine, authorize)
        self.failures = FailureReads(engine, authorize)
        self.people = PeopleReads(engine, authorize, statement_timeout_ms)
        self.suppressions = SuppressionReads(engine, authorize)
        self.cohorts = CohortReads(engine, authorize)
        self.keys = KeyReads(engine, authorize)
        self.log = LogReads(engine, authorize)

    def wait_for(self, position: int) -> None:
        """Return when every view has reached a position of the log; refuse after two seconds.

        A position that the log has not come to is none that any command can have answered: refused at once.
        """
        reached = 0
        names = [view.source.name for view in VIEWS]
        lowest = select(func.min(view_positions.c.position)).where(view_positions.c.name.in_(names))
        end = select(func.max(log.c.notification_id))
        for _ in looks():
            with self._engine.connect() as connection:
                reached = connection.execute(lowest).scalar() or 0
                if reached < position and position > (connection.execute(end).scalar() or 0):
                    raise DomainError("position.unknown", details={"asked": position})
            if reached >= position:
                return
        raise DomainError("position.not_reached", details={"reached": reached, "asked": position})

    def views(self, principal: Principal) -> list[dict[str, Any]]:
        """Every follower of the log with the position that it has reached, and why it stands still if it does."""
        self._authorize(principal, "views.list")
        with self._engine.connect() as connection:
            rows = connection.execute(select(view_positions).order_by(view_positions.c.name))
            return [dict(row._mapping) for row in rows]

    def guide(self, principal: Principal) -> dict[str, Any]:
        """The name of the caller's project and the caller's policy."""
        self._authorize(principal, "guide.get")
        named = select(projects.c.name).where(projects.c.id == principal.project_id)
        with self._engine.connect() as connection:
            name = connection.execute(named).scalar_one()
        return {"project": name, "policy": self.policy(principal)}

    def policy(self, principal: Principal) -> dict[str, Any]:
        """The policy of the caller: the installation's, narrowed by its project and its key."""
        self._authorize(principal, "policy.get")
        levels = zip(("project", "key"), principal.limits, strict=False)
        narrowed = {level: limits.as_data() for level, limits in levels}
        return {
            **self._policy.narrowed(principal.limits).as_data(),
            "narrowed_by": narrowed,
            **policy_set(self._engine, principal.project_id),
        }

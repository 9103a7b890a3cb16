"""One guard in front of everything that leads to people: the same situation has the same refusal everywhere."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from aggregates.base import Principal
from aggregates.errors import DomainError
from aggregates.policy import Limits
from commands.approval import ApproveBatchJob
from commands.batch_job import RunBatch
from commands.binding import nonce_of
from commands.schedule import DetachSchedule, PauseSchedule, ResumeSchedule, ReviseSchedule
from commands.workflow import ArchiveWorkflow, CreateWorkflow, DisableWorkflow
from engine.ids import derived_id
from tests.commands.conftest import FREE, Desk, MakeProduct, refused, renamed_step
from tests.support.product import CAPTURE, Product

APPROVAL_OVER = 1


@pytest.fixture
def product(product_with: MakeProduct) -> Product:
    return product_with(approval_over=APPROVAL_OVER)


@dataclass(frozen=True)
class Surface:
    """One way to people: what has to be there first, and the command over a count and a token."""

    name: str
    prepare: Callable[[Desk], Any]
    command: Callable[[Desk, Any, Any, str | None], Any]
    sized: Callable[[Desk, Any], dict[str, Any] | None] = lambda desk, there: None


def attached(desk: Desk) -> UUID:
    """A daily schedule at an hour at which no other one of the test occurs."""
    there = desk.product.execute("SELECT count(*) FROM stream_heads WHERE kind = 'schedule'")[0][0]
    return desk.attach(starts_at=f"2026-01-01T{11 + there}:00:00")


def paused(desk: Desk) -> UUID:
    schedule_id = attached(desk)
    desk.product.ask(PauseSchedule(schedule_id, "later"))
    return schedule_id


RUN = Surface("run", lambda desk: None, lambda desk, _, count, token: RunBatch(desk.workflow_id, count, token))
ATTACH = Surface(
    "attach",
    lambda desk: None,
    lambda desk, _, count, token: desk.attaching(count, token),
    lambda desk, _: desk.daily(),
)
REVISE = Surface(
    "revise",
    attached,
    lambda _, there, count, token: ReviseSchedule(
        there, rrule="FREQ=WEEKLY", acknowledged_affected_count=count, confirm_token=token
    ),
    lambda _, there: {"schedule_id": there, "rrule": "FREQ=WEEKLY"},
)
RESUME = Surface(
    "resume",
    paused,
    lambda _, there, count, token: ResumeSchedule(there, count, token),
    lambda _, there: {"schedule_id": there},
)
APPROVE = Surface("approve", Desk.run, lambda _, there, count, token: ApproveBatchJob(there, count, token))
SURFACES = (RUN, ATTACH, REVISE, RESUME, APPROVE)

every_surface = pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)


class Case:
    """A surface with a fresh sizing of somebody who did not ask for what is to be approved."""

    def __init__(self, desk: Desk, surface: Surface) -> None:
        self.desk, self.surface = desk, surface
        self.target = surface.prepare(desk)
        self.by = desk.another
        self.count, self.token = self.sizing()

    def sizing(self, by: Principal | None = None, **variables: Any) -> tuple[int, str]:
        """The count and the token of a fresh sizing for this surface."""
        what = self.surface.sized(self.desk, self.target)
        return self.desk.token(by or self.by, schedule=what, **variables)

    def command(self, **changes: Any) -> Any:
        given = {"count": self.count, "token": self.token, **changes}
        return self.surface.command(self.desk, self.target, given["count"], given["token"])

    def code(self, by: Principal | None = None, **changes: Any) -> str:
        return refused(self.desk.product, self.command(**changes), by or self.by).code

    def passes(self, **changes: Any) -> dict[str, Any]:
        return self.desk.product.ask(self.command(**changes), self.by)


@pytest.fixture
def case(desk: Desk, request: pytest.FixtureRequest) -> Case:
    return Case(desk, request.getfixturevalue("surface"))


@every_surface
def test_it_needs_person_read(case: Case, surface: Surface) -> None:
    lacking = case.desk.product.principal(id="another", without=["person:read"])
    assert case.code(lacking) == "scope.missing"


@every_surface
def test_it_needs_the_scope_to_run_or_to_approve_and_writing_workflows_is_not_enough(
    case: Case, surface: Surface
) -> None:
    lacking = case.desk.product.principal(id="another", without=["workflow:run", "batch:approve"])
    assert case.code(lacking) == "scope.missing"


@every_surface
def test_only_an_active_workflow_leads_to_people(case: Case, surface: Surface) -> None:
    case.desk.product.ask(DisableWorkflow(case.desk.workflow_id))
    assert case.code(count=77, token="garbage") == "workflow.not_active"


@every_surface
def test_a_wrong_count_is_drift_whatever_is_wrong_with_the_token(case: Case, surface: Surface) -> None:
    for count in (0, 1, 3):
        assert case.code(count=count, token="garbage") == "audience.drift"


@every_surface
def test_drift_is_told_before_the_limit(case: Case, surface: Surface) -> None:
    case.by = case.desk.product.principal(id="another", limits=(Limits(max_audience=1),))
    assert case.code(count=3) == "audience.drift"
    for token in (case.token, "garbage", None):
        assert case.code(token=token) == "audience.over_limit"


@every_surface
def test_the_same_number_of_other_people_is_drift(case: Case, surface: Surface) -> None:
    case.desk.swap()
    assert case.code() == "audience.drift"


@every_surface
def test_nobody_is_no_audience(case: Case, surface: Surface) -> None:
    case.desk.product.execute("UPDATE people SET opted_out_at = now()")
    count, token = case.sizing()
    assert count == 0
    # Nobody is not the people of the job that is to be approved either.
    expected = "audience.drift" if surface is APPROVE else "audience.empty"
    for given in (token, "garbage", None):
        assert case.code(count=0, token=given) == expected


@every_surface
def test_a_token_that_is_not_ours_is_invalid(case: Case, surface: Surface) -> None:
    for token in ("", "garbage", "a.b.c"):
        assert case.code(token=token) == "confirm.invalid"


@every_surface
def test_a_token_is_good_for_fifteen_minutes(case: Case, surface: Surface) -> None:
    case.desk.product.clock.advance(minutes=15, seconds=1)
    assert case.code() == "confirm.expired"


@every_surface
def test_what_is_said_first_of_a_token_with_several_faults(case: Case, surface: Surface) -> None:
    """Used, then expired, then changed: the one that another sizing cannot be mistaken for comes first."""
    desk, (_, other) = case.desk, case.sizing(greeting="bye")
    bought = derived_id("batch_job", desk.product.project_id, nonce_of(case.token))
    desk.product.execute("INSERT INTO spent_tokens (id, spent_at) VALUES (:id, now())", id=bought)
    desk.product.clock.advance(minutes=15, seconds=1)
    assert case.code() == "confirm.used"
    assert case.code(token=other) == "confirm.expired"


@every_surface
def test_a_token_is_still_good_after_fourteen_minutes(case: Case, surface: Surface) -> None:
    case.desk.product.clock.advance(minutes=14)
    case.passes()


@every_surface
def test_a_token_of_another_principal_is_changed(case: Case, surface: Surface) -> None:
    count, token = case.sizing(case.desk.product.principal(id="third"))
    assert case.code(count=count, token=token) == "confirm.changed"


@every_surface
def test_a_token_of_another_workflow_is_changed(case: Case, surface: Surface) -> None:
    there = case.desk.product.workflow(trigger=FREE)
    sizing = case.desk.product.size(there, case.by)
    assert case.code(token=sizing["confirm_token"]) == "confirm.changed"


@every_surface
def test_a_token_of_other_variables_is_changed(case: Case, surface: Surface) -> None:
    _, token = case.sizing(greeting="bye")
    assert case.code(token=token) == "confirm.changed"


@every_surface
def test_a_token_from_before_an_edit_buys_nothing_after_it(case: Case, surface: Surface) -> None:
    case.desk.rewrite(steps=renamed_step("Other"))
    assert case.code() == ("workflow.stale" if surface is APPROVE else "confirm.changed")


@every_surface
def test_an_agent_needs_a_token_and_can_never_approve(case: Case, surface: Surface) -> None:
    expected = "approval.not_for_agents" if surface is APPROVE else "confirm.missing"
    for agent in (case.desk.agent, case.desk.product.principal(id="bot", agent=True)):
        assert case.code(agent, token=None) == expected


@every_surface
def test_somebody_else_passes_with_the_count_alone(case: Case, surface: Surface) -> None:
    case.passes(token=None)


@every_surface
def test_a_token_buys_one_thing(case: Case, surface: Surface) -> None:
    case.passes()
    for later in SURFACES:
        again = later.command(case.desk, later.prepare(case.desk), case.count, case.token)
        if surface is later and surface in {RUN, ATTACH}:
            assert case.desk.product.ask(again, case.by) == case.passes()
        else:
            assert refused(case.desk.product, again, case.by).code == "confirm.used"


@pytest.mark.parametrize(("one", "other"), [(RUN, RESUME), (ATTACH, REVISE), (RUN, ATTACH), (RUN, APPROVE)])
def test_a_token_buys_one_thing_also_when_two_are_asked_for_at_once(desk: Desk, one: Surface, other: Surface) -> None:
    cases = [Case(desk, one), Case(desk, other)]
    count, token = cases[0].sizing()

    def ask(case: Case) -> str:
        meta = desk.product.system.meta(desk.another, via="test")
        try:
            desk.product.system.bus.dispatch(case.command(count=count, token=token), meta)
        except DomainError as refusal:
            return refusal.code
        return "passed"

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(ask, cases)
    assert first == "passed" or other is APPROVE
    assert {first, second} in ({"passed", "confirm.used"}, {"passed", "confirm.changed"})


@every_surface
def test_the_limit_itself_is_allowed_and_one_more_is_not(case: Case, surface: Surface) -> None:
    for limit, passes in ((1, False), (2, True)):
        case.by = case.desk.product.principal(id="another", limits=(Limits(max_audience=limit),))
        if passes:
            case.passes()
        else:
            assert case.code() == "audience.over_limit"


# -- what is refused before the guard


@every_surface
def test_what_is_not_there_and_what_is_another_projects_answer_alike(case: Case, surface: Surface) -> None:
    foreign = Principal(
        project_id=case.desk.product.other_project(), id="another", scopes=case.by.scopes, source=case.by.source
    )
    named = surface.command(case.desk, case.target, case.count, case.token)
    refusal = refused(case.desk.product, named, foreign)
    case.desk.workflow_id = UUID(int=404)
    unknown = surface.command(case.desk, case.target and UUID(int=404), case.count, case.token)
    assert (refused(case.desk.product, unknown, case.by).code, str(refusal)) == (refusal.code, str(refusal))
    assert refusal.code.endswith(".not_found")


@pytest.mark.parametrize("surface", [RUN, ATTACH], ids=lambda surface: surface.name)
def test_a_workflow_without_an_audience_leads_to_nobody(desk: Desk, surface: Surface) -> None:
    somebody = desk.product.principal(source="web")
    for trigger in ({"type": "manual", "inputs": {}}, None):
        made = desk.product.ask(CreateWorkflow("Launch", trigger=trigger, steps=[CAPTURE]), somebody)
        desk.workflow_id = UUID(made["workflow_id"])
        command = surface.command(desk, None, 77, "garbage")
        assert refused(desk.product, command, somebody).code == "workflow.not_batch"


@pytest.mark.parametrize("surface", [RUN, ATTACH], ids=lambda surface: surface.name)
def test_variables_are_checked_before_the_audience(desk: Desk, surface: Surface) -> None:
    for variables in ({"unknown": 1}, {"greeting": 5}, {"greeting": "x" * 6000}, {"greeting": "a\0"}):
        if surface is RUN:
            command: Any = RunBatch(desk.workflow_id, 77, "garbage", variables)
        else:
            command = desk.attaching(77, "garbage", variables=variables)
        assert refused(desk.product, command).code == "variables.invalid"


def test_what_has_ended_stays_ended_whatever_was_acknowledged(desk: Desk) -> None:
    schedule_id = desk.attach()
    desk.product.ask(DetachSchedule(schedule_id))
    count, token = desk.token(schedule={"schedule_id": schedule_id})
    _, revised = desk.token(schedule={"schedule_id": schedule_id, "rrule": "FREQ=WEEKLY"})
    for command in (
        ReviseSchedule(schedule_id, rrule="FREQ=WEEKLY", acknowledged_affected_count=count, confirm_token=revised),
        ResumeSchedule(schedule_id, count, token),
    ):
        assert refused(desk.product, command, desk.somebody).code == "schedule.ended"
    desk.product.ask(ArchiveWorkflow(desk.workflow_id))
    assert refused(desk.product, RunBatch(desk.workflow_id, count, token), desk.somebody).code == "workflow.not_active"

"""The acknowledgement guard: nobody is reached without the acknowledgement of exactly those people."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

import pytest

from aggregates.base import Principal
from aggregates.errors import DomainError
from aggregates.policy import Limits
from commands.batch_job import ExplainAudience, RunBatch, SizeAudience
from commands.grants import SCOPES
from commands.schedule import AttachSchedule, PauseSchedule, ResumeSchedule
from commands.workflow import ArchiveWorkflow, DisableWorkflow, EditWorkflow, EnableWorkflow
from tests.support.product import CAPTURE, Product, batch, person

PRO = batch(person("plan", "exact", "pro"))
GREETING = [{"key": "greeting", "type": "string", "default": "hello"}]


class Case:
    """An active workflow over two of four people, and a fresh sizing of it by an agent."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.people = product.add_people(4)
        self.workflow_id = product.workflow(trigger=PRO, variables=GREETING)
        self.agent = product.principal(source="mcp", id="agent")
        self.sizing = product.size(self.workflow_id, self.agent)
        self.token: str | None = self.sizing["confirm_token"]
        self.count: Any = self.sizing["affected"]
        self.variables: dict[str, Any] = {}

    def run(self, principal: Principal | None = None) -> dict[str, Any]:
        command = RunBatch(self.workflow_id, self.count, self.token, self.variables)
        return self.product.ask(command, principal or self.agent)

    def refused(self, principal: Principal | None = None) -> str:
        """The code of the refusal, after seeing that it left nothing behind but its record."""
        before = self.product.log_position()
        with pytest.raises(DomainError) as refusal:
            self.run(principal)
        assert self.product.refusals(before) == [("RunBatch", refusal.value.code, self.workflow_id)]
        assert self.product.log_position() == before + 1
        assert self.product.execute("SELECT count(*) FROM stream_heads WHERE kind = 'batch_job'") == [(self.jobs,)]
        return refusal.value.code

    jobs = 0


@pytest.fixture
def case(product: Product) -> Case:
    return Case(product)


def test_the_right_count_and_token_buy_a_job(case: Case) -> None:
    answer = case.run()
    assert (answer["status"], answer["acknowledged"]) == ("queued", 2)


def test_the_same_call_again_answers_with_the_same_job(case: Case) -> None:
    first, again = case.run(), case.run()
    assert first["batch_job_id"] == again["batch_job_id"]
    case.product.ask(DisableWorkflow(case.workflow_id))
    assert case.run()["batch_job_id"] == first["batch_job_id"]


@pytest.mark.parametrize("scope", ["workflow:run", "person:read"])
def test_a_missing_scope_comes_first(case: Case, scope: str) -> None:
    lacking = case.product.principal(source="mcp", id="agent", without=[scope])
    case.count, case.workflow_id = 77, UUID(int=9)
    assert case.refused(lacking) == "scope.missing"


def test_an_unknown_workflow_and_a_foreign_one_are_refused_alike(case: Case) -> None:
    foreign = Principal(project_id=case.product.other_project(), id="agent", scopes=case.agent.scopes, source="mcp")
    assert case.refused(foreign) == "workflow.not_found"
    case.workflow_id = uuid5(case.workflow_id, "unknown")
    assert case.refused() == "workflow.not_found"


def test_a_manual_workflow_has_no_audience(case: Case) -> None:
    case.workflow_id = case.product.workflow(trigger={"type": "manual", "inputs": {}}, active=False)
    assert case.refused() == "workflow.not_batch"


@pytest.mark.parametrize("stop", [DisableWorkflow, ArchiveWorkflow])
def test_only_an_active_workflow_runs(case: Case, stop: Any) -> None:
    case.product.ask(stop(case.workflow_id))
    case.count, case.variables = 77, {"unknown": 1}
    assert case.refused() == "workflow.not_active"


@pytest.mark.parametrize("variables", [{"unknown": 1}, {"greeting": 5}, {"greeting": "x" * 6000}])
def test_variables_are_checked_before_the_audience(case: Case, variables: dict[str, Any]) -> None:
    case.variables, case.count = variables, 77
    assert case.refused() == "variables.invalid"


@pytest.mark.parametrize("count", [0, 1, 3, 2**31 - 1])
def test_another_count_is_drift_and_says_both_numbers(case: Case, count: int) -> None:
    case.count, case.token = count, "garbage"
    with pytest.raises(DomainError) as refusal:
        case.run()
    assert refusal.value.code == "audience.drift"
    assert refusal.value.details == {"now": 2, "acknowledged": count}


@pytest.mark.parametrize("count", [-1, 2.0, "2", True, None, 2**31])
def test_a_count_that_is_no_count_is_refused(case: Case, count: Any) -> None:
    case.count = count
    assert case.refused() == "request.invalid"


def test_swapped_people_with_an_equal_count_are_drift(case: Case) -> None:
    case.product.execute("""UPDATE people SET properties = '{"plan": "free"}' WHERE id = :id""", id=case.people[0])
    case.product.execute("""UPDATE people SET properties = '{"plan": "pro"}' WHERE id = :id""", id=case.people[1])
    assert case.refused() == "audience.drift"


def test_an_empty_audience_is_refused(product: Product) -> None:
    case = Case(product)
    product.execute("UPDATE people SET opted_out_at = now()")
    case.count = 0
    case.token = product.size(case.workflow_id, case.agent)["confirm_token"]
    assert case.refused() == "audience.empty"


def test_an_audience_over_the_keys_own_limit_is_refused_even_with_its_count(case: Case) -> None:
    capped = case.product.principal(source="mcp", id="agent", limits=(Limits(max_audience=1),))
    assert case.product.size(case.workflow_id, capped)["limit"] == 1
    assert case.refused(capped) == "audience.over_limit"


@pytest.mark.parametrize(
    ("source", "agent"), [("mcp", False), ("api", True), ("cli", True)], ids=["mcp", "agent-api", "agent-cli"]
)
def test_agents_need_a_token(case: Case, source: Any, agent: bool) -> None:
    case.token = None
    assert case.refused(case.product.principal(source=source, id="agent", agent=agent)) == "confirm.missing"


def test_a_service_may_run_with_the_count_alone(case: Case) -> None:
    case.token = None
    assert case.run(case.product.principal(source="api"))["status"] == "queued"


@pytest.mark.parametrize("token", ["", "garbage", "a.b.c", "x" * 5000])
def test_a_token_that_we_did_not_sign_is_invalid(case: Case, token: str) -> None:
    case.token = token
    assert case.refused() == "confirm.invalid"


def test_a_token_with_a_changed_letter_is_invalid(case: Case) -> None:
    assert case.token
    case.token = case.token[:10] + ("A" if case.token[10] != "A" else "B") + case.token[11:]
    assert case.refused() == "confirm.invalid"


def test_a_spent_token_buys_nothing_else(case: Case) -> None:
    case.run()
    case.jobs = 1
    case.variables = {"greeting": "bye"}
    assert case.refused() == "confirm.used"
    case.variables = {}
    case.workflow_id = case.product.workflow(trigger=PRO, variables=GREETING)
    assert case.refused() == "confirm.used"
    assert case.refused(case.product.principal(source="mcp", id="other")) == "confirm.used"


def test_a_token_expires(case: Case) -> None:
    case.product.clock.advance(minutes=15, seconds=1)
    assert case.refused() == "confirm.expired"


def test_a_token_of_another_principal_workflow_or_variables_is_refused(case: Case) -> None:
    assert case.refused(case.product.principal(source="mcp", id="other")) == "confirm.changed"
    case.variables = {"greeting": "bye"}
    assert case.refused() == "confirm.changed"
    case.variables = {}
    case.workflow_id = case.product.workflow(trigger=PRO, variables=GREETING)
    assert case.refused() == "confirm.changed"


def test_a_token_from_before_an_edit_is_refused(case: Case) -> None:
    case.product.ask(DisableWorkflow(case.workflow_id))
    case.product.ask(EditWorkflow(case.workflow_id, version=1, steps=[{**CAPTURE, "name": "Other"}]))
    case.product.ask(EnableWorkflow(case.workflow_id))
    assert case.refused() == "confirm.changed"


def test_over_the_approval_threshold_a_job_is_held(database_url: str, tmp_path: Any) -> None:
    product = Product(database_url, tmp_path, approval_over=1)
    case = Case(product)
    assert case.run()["status"] == "held"
    product.close()


# -- sizing


@pytest.mark.parametrize("command", [SizeAudience, ExplainAudience])
def test_a_count_is_told_only_to_who_may_read_both_workflows_and_people(case: Case, command: Any) -> None:
    for scope in ("workflow:read", "person:read"):
        lacking = case.product.principal(without=[scope])
        with pytest.raises(DomainError) as refusal:
            case.product.ask(command(case.workflow_id), lacking)
        assert (refusal.value.code, refusal.value.details) == ("scope.missing", {"missing": [scope]})
    others = sorted(SCOPES - {"workflow:read", "person:read"})
    case.product.ask(command(case.workflow_id), case.product.principal(without=others))


@pytest.mark.parametrize("command", [SizeAudience, ExplainAudience])
def test_a_manual_workflow_has_nobody_to_count(case: Case, command: Any) -> None:
    manual = case.product.workflow(trigger={"type": "manual", "inputs": {}})
    with pytest.raises(DomainError) as refusal:
        case.product.ask(command(manual))
    assert refusal.value.code == "workflow.not_batch"


def test_a_sizing_records_nothing_and_says_what_it_is_about(case: Case) -> None:
    position = case.product.log_position()
    sizing = case.product.size(case.workflow_id, case.agent)
    assert case.product.log_position() == position
    assert (sizing["workflow_version"], sizing["workflow_status"], sizing["frozen"]) == (1, "active", False)
    assert sizing["confirm_token"] != case.token


def test_variables_that_cannot_be_are_refused_before_anybody_is_counted(case: Case) -> None:
    with pytest.raises(DomainError) as refusal:
        case.product.size(case.workflow_id, unknown=1)
    assert refusal.value.code == "variables.invalid"


# -- the same guard in front of schedules


DAILY = {"rrule": "FREQ=DAILY", "starts_at": "2026-12-01T09:00:00"}


def sized_for(case: Case, **schedule: Any) -> dict[str, Any]:
    return case.product.ask(SizeAudience(case.workflow_id, schedule=schedule), case.agent)


def attach(case: Case, **changes: Any) -> dict[str, Any]:
    fields = {
        "workflow_id": case.workflow_id,
        **DAILY,
        "acknowledged_affected_count": case.count,
        "confirm_token": case.token,
        **changes,
    }
    return case.product.ask(AttachSchedule(**fields), case.agent)


def test_attaching_a_schedule_passes_the_same_guard(case: Case) -> None:
    case.token = sized_for(case, **DAILY)["confirm_token"]
    for changes, code in (
        ({"acknowledged_affected_count": 9}, "audience.drift"),
        ({"confirm_token": None}, "confirm.missing"),
        ({"confirm_token": "garbage"}, "confirm.invalid"),
        ({"variables": {"unknown": 1}}, "variables.invalid"),
        ({"rrule": "FREQ=SECONDLY"}, "schedule.invalid"),
    ):
        with pytest.raises(DomainError) as refusal:
            attach(case, **changes)
        assert refusal.value.code == code
    schedule = attach(case)
    assert schedule["status"] == "active"
    case.jobs = 0
    assert case.refused() == "confirm.used"


def test_resuming_a_schedule_needs_a_fresh_acknowledgement(case: Case) -> None:
    case.token = sized_for(case, **DAILY)["confirm_token"]
    schedule_id = UUID(attach(case)["schedule_id"])
    case.product.ask(PauseSchedule(schedule_id, "provider move"))
    with pytest.raises(DomainError) as refusal:
        case.product.ask(ResumeSchedule(schedule_id, case.count, case.token), case.agent)
    assert refusal.value.code == "confirm.used"
    fresh = sized_for(case, schedule_id=schedule_id)
    command = ResumeSchedule(schedule_id, fresh["affected"], fresh["confirm_token"])
    assert case.product.ask(command, case.agent)["status"] == "active"


def test_archiving_a_workflow_detaches_its_schedules(case: Case) -> None:
    case.token = sized_for(case, **DAILY)["confirm_token"]
    schedule_id = UUID(attach(case)["schedule_id"])
    case.product.ask(ArchiveWorkflow(case.workflow_id))
    assert case.product.system.reads.schedules.get(case.agent, schedule_id)["status"] == "detached"

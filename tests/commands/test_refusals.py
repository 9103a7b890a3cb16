"""What is recorded of calls that were refused, whoever refused them, and what is not."""

from __future__ import annotations

import logging
from contextlib import suppress
from uuid import UUID, uuid5

import pytest

from aggregates.errors import DomainError
from aggregates.policy import Limits
from commands.batch_job import RunBatch
from commands.due import FireSchedule
from commands.policy import SetPolicy
from commands.refusals import subject_of
from commands.runs import CancelRun
from commands.workflow import CreateWorkflow, EnableWorkflow
from engine.bootstrap import system_principal
from projections.reads import VIEWS
from projections.rebuilding import rebuild
from tests.support.product import CAPTURE, EVERYONE, Product
from tests.support.refusals import recorded

UNKNOWN = uuid5(UUID(int=0), "nothing")


def test_a_refused_command_is_recorded_with_who_asked_and_where_it_came_in(product: Product) -> None:
    somebody = product.principal(id="somebody", source="mcp", on_behalf_of="ann")
    meta = product.system.meta(somebody, via="mcp:workflows-enable", request_id="r7", client="claude 1.0", reason="now")
    with pytest.raises(DomainError):
        product.system.bus.dispatch(EnableWorkflow(UNKNOWN), meta)
    (event,) = recorded(product.system.engine)
    assert (event.name, event.code, event.kind) == ("EnableWorkflow", "workflow.not_found", "not_found")
    assert (event.subject_id, event.project_id) == (UNKNOWN, product.project_id)
    wanted = {"actor": "somebody", "source": "mcp", "on_behalf_of": "ann", "client": "claude 1.0"}
    wanted |= {"via": "mcp:workflows-enable", "request_id": "r7", "command_id": str(meta.command_id)}
    assert {name: event.meta.get(name) for name in wanted} == wanted
    assert "reason" not in event.meta


def test_a_command_that_is_done_has_no_such_record(product: Product) -> None:
    product.workflow()
    assert product.refusals() == []


def test_a_command_for_which_a_scope_is_missing_is_recorded_once(product: Product) -> None:
    with pytest.raises(DomainError):
        product.ask(CreateWorkflow("Launch"), product.principal(without=["workflow:write"]))
    assert product.refusals() == [("CreateWorkflow", "scope.missing", None)]


def test_a_read_for_which_a_scope_is_missing_is_recorded(product: Product) -> None:
    nobody = product.principal(without=["workflow:read"])
    with pytest.raises(DomainError):
        product.system.reads.workflows.list(nobody)
    with pytest.raises(DomainError):
        product.system.reads.policy(nobody)
    assert [name for name, _, _ in product.refusals()] == ["workflows.list", "policy.get"]


def test_a_read_that_finds_nothing_is_no_refused_call(product: Product) -> None:
    with pytest.raises(DomainError):
        product.system.reads.workflows.get(product.principal(), UNKNOWN)
    assert product.refusals() == []


def test_what_was_written_before_the_refusal_is_gone_and_the_record_is_there(product: Product) -> None:
    """A key is claimed before the handler is asked: the record is not of that transaction."""
    with pytest.raises(DomainError):
        product.ask(EnableWorkflow(UNKNOWN), idempotency_key="k")
    assert product.execute("SELECT count(*) FROM idempotency_keys") == [(0,)]
    assert len(product.refusals()) == 1


@pytest.mark.parametrize("code", ["stream.conflict", "idempotency.in_flight", "service.unavailable", "internal.error"])
def test_what_is_no_answer_to_the_caller_is_not_recorded(product: Product, code: str) -> None:
    meta = product.system.meta(product.principal(), via="test")
    product.system.refusals.record(DomainError(code), meta, "RunBatch")
    assert product.refusals() == []


def test_an_idempotency_key_that_is_in_flight_is_not_recorded(product: Product) -> None:
    command = CreateWorkflow("Launch", trigger=EVERYONE, steps=[CAPTURE])
    meta = product.system.meta(product.principal(), via="test", idempotency_key="k")
    with product.system.bus._unit_of_work() as unit:
        unit.claims.claim(meta, "CreateWorkflow", "digest")
        with pytest.raises(DomainError) as refusal:
            product.system.bus.dispatch(command, meta)
    assert refusal.value.code == "idempotency.in_flight"
    assert product.refusals() == []


def test_too_many_requests_are_recorded_once_a_minute_for_each_key(product: Product) -> None:
    def asking(id: str) -> None:
        with suppress(DomainError):
            product.system.admit(product.principal(id=id, rate_per_minute=1), "workflows.list", {}, via="test")

    for id in ("one", "two"):
        for _ in range(5):
            asking(id)
    assert product.refusals() == [("workflows.list", "rate.limited", None)] * 2
    product.clock.advance(seconds=61)
    for _ in range(3):
        asking("one")
    assert len(product.refusals()) == 3


def test_what_the_scheduler_tries_again_and_again_is_recorded_once_a_minute(product: Product) -> None:
    scheduler = system_principal(product.other_project(), source="scheduler", name="scheduler")
    product.execute(
        "INSERT INTO stream_heads (id, project_id, kind, version, status, position, due_at) "
        "VALUES (:id, :project, 'schedule', 1, 'active', 1, :due)",
        id=UNKNOWN,
        project=scheduler.project_id,
        due=product.clock.now(),
    )
    for _ in range(3):
        with pytest.raises(DomainError) as refusal:
            product.ask(FireSchedule(UNKNOWN, product.clock.now()), scheduler)
        assert refusal.value.code == "schedule.not_found"
    assert product.refusals() == [("FireSchedule", "schedule.not_found", UNKNOWN)]
    product.clock.advance(seconds=61)
    with pytest.raises(DomainError):
        product.ask(FireSchedule(UNKNOWN, product.clock.now()), scheduler)
    assert len(product.refusals()) == 2


def test_a_refusal_that_cannot_be_recorded_is_answered_all_the_same_and_logged(
    product: Product, caplog: pytest.LogCaptureFixture
) -> None:
    product.execute("ALTER TABLE log RENAME TO elsewhere")
    with caplog.at_level(logging.WARNING), pytest.raises(DomainError) as refusal:
        product.ask(CreateWorkflow("Launch"), product.principal(without=["workflow:write"]))
    product.execute("ALTER TABLE elsewhere RENAME TO log")
    assert refusal.value.code == "scope.missing"
    assert "CreateWorkflow was refused with scope.missing, and that could not be recorded" in caplog.text
    assert product.refusals() == []


def test_requests_without_a_valid_key_are_counted_in_the_log_lines_once_a_minute(
    product: Product, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        for seconds in (0, 1, 1, 60, 1):
            product.clock.advance(seconds=seconds)
            with pytest.raises(DomainError):
                product.system.principal_of("tg_live_no_key", "api")
    counted = [record.args for record in caplog.records if "without a valid key" in record.msg]
    assert counted == [(1,), (3,)]
    assert product.refusals() == []


def test_the_views_pass_over_refusals_and_can_be_built_again_from_them(product: Product) -> None:
    workflow_id = product.workflow(active=False)
    with pytest.raises(DomainError):
        product.ask(RunBatch(workflow_id, 1))
    product.ask(EnableWorkflow(workflow_id))
    end = product.log_position()
    positions = product.execute("SELECT position, stopped FROM view_positions")
    assert {tuple(row) for row in positions} == {(end, None)}
    for view in VIEWS:
        assert rebuild(product.system.engine, view()) == end
    assert product.system.reads.workflows.get(product.principal(), workflow_id)["status"] == "active"


def test_what_a_call_was_about_is_taken_from_its_ids() -> None:
    job, workflow = UUID(int=3), UUID(int=2)
    assert subject_of(vars(RunBatch(workflow, 1))) == workflow
    assert subject_of(vars(CancelRun(f"{job}.7", "asked for it"))) == job
    assert subject_of({"workflow_id": str(workflow), "batch_job_id": str(job)}) == job
    for nothing in ({}, {"workflow_id": "no-id"}, {"workflow_id": 7}, {"workflow_id": UUID(int=0)}, {"run_id": "x.y"}):
        assert subject_of(nothing) is None
    assert subject_of(vars(SetPolicy(Limits()))) is None

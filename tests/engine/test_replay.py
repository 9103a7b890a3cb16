"""States of the past: at a position, at a time, between two; and whether everything folds to what is live."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from aggregates.errors import DomainError
from commands.batch_job import PauseBatchJob, ResumeBatchJob
from commands.grants import SCOPES
from commands.schedule import AttachSchedule, PauseSchedule
from commands.workflow import ArchiveWorkflow, CreateWorkflow, DisableWorkflow, EditWorkflow
from engine import replay
from engine.ids import new_id
from engine.replay import STREAMS_AT_ONCE, Mismatch, Replay
from tests.support.product import CAPTURE, Json, Product

DAILY: Json = {"rrule": "FREQ=DAILY", "starts_at": "2026-01-01T09:00:00"}


@pytest.fixture
def product(database_url: str, tmp_path: Path) -> Iterator[Product]:
    with closing(Product(database_url, tmp_path)) as product:
        product.empty_log()
        yield product


@pytest.fixture
def history(product: Product) -> Replay:
    return product.system.replay


def refusal_of(call: Any, *given: Any, **named: Any) -> DomainError:
    with pytest.raises(DomainError) as refusal:
        call(*given, **named)
    return refusal.value


def test_a_state_is_read_as_it_was_at_every_position(product: Product, history: Replay) -> None:
    who, workflow_id = product.principal(), product.workflow()
    product.ask(DisableWorkflow(workflow_id))
    product.ask(EditWorkflow(workflow_id, version=1, name="Renamed"))
    product.ask(ArchiveWorkflow(workflow_id))
    states = [history.state_at(who, workflow_id, position=n) for n in range(1, product.log_position() + 1)]
    assert [state["state"]["status"] for state in states] == ["draft", "active", "draft", "draft", "archived"]
    assert [state["state"]["name"] for state in states] == ["Launch"] * 3 + ["Renamed"] * 2
    assert [(state["position"], state["version"]) for state in states] == [(n, n) for n in range(1, 6)]
    assert history.state_at(who, workflow_id) == states[-1] == history.state_at(who, workflow_id, position=10**9)
    assert (states[0]["kind"], states[0]["stream_id"]) == ("workflow", workflow_id)


def test_a_state_between_two_of_its_events_is_the_one_after_the_first(product: Product, history: Replay) -> None:
    workflow_id = product.workflow(active=False)
    for _ in range(3):
        product.workflow(active=False)
    product.ask(ArchiveWorkflow(workflow_id))
    found = history.state_at(product.principal(), workflow_id, position=3)
    assert (found["position"], found["version"], found["state"]["status"]) == (1, 1, "draft")


def test_a_state_is_read_as_it_was_at_a_time(product: Product, history: Replay) -> None:
    who, began = product.principal(), product.clock.now()
    workflow_id = product.workflow()
    product.clock.advance(hours=2)
    product.ask(DisableWorkflow(workflow_id))
    later = began + timedelta(hours=1)
    found = history.state_at(who, workflow_id, time=later)
    assert (found["state"]["status"], found["version"]) == ("active", 2)
    assert history.state_at(who, workflow_id, time=product.clock.now())["state"]["status"] == "draft"
    exactly = history.state_at(who, workflow_id, position=2)["recorded_at"]
    assert history.state_at(who, workflow_id, time=exactly)["version"] == 2
    too_early = refusal_of(history.state_at, who, workflow_id, time=began - timedelta(seconds=1))
    assert too_early.code == "stream.not_begun"


def test_schedules_and_jobs_and_refusals_have_a_past_too(product: Product, history: Replay) -> None:
    product.add_people(2)
    who, workflow_id = product.principal(), product.workflow()
    attached = product.ask(AttachSchedule(workflow_id, acknowledged_affected_count=2, **DAILY))
    schedule_id, paused_at = UUID(attached["schedule_id"]), product.log_position()
    product.ask(PauseSchedule(schedule_id, "look first"))
    assert history.state_at(who, schedule_id, position=paused_at)["state"]["status"] == "active"
    assert history.state_at(who, schedule_id)["state"]["next_occurrence"] is None
    job_id = product.run(workflow_id)
    product.ask(PauseBatchJob(job_id, "wait"))
    product.ask(ResumeBatchJob(job_id))
    diff = history.diff(who, job_id, from_position=product.log_position() - 1)
    assert diff["changes"] == [{"pointer": "/status", "before": "paused", "after": "queued"}]
    with suppress(DomainError):
        product.ask(PauseSchedule(new_id(), "why"))
    (refused,) = product.system.reads.log.read(who, refused=True).data
    assert history.state_at(who, refused["stream_id"])["state"]["code"] == "schedule.not_found"


def test_an_unknown_id_a_foreign_one_and_a_malformed_one_are_refused_alike(product: Product, history: Replay) -> None:
    workflow_id = product.workflow()
    stranger = product.principal(project_id=product.other_project())
    for who, id in ((product.principal(), new_id()), (stranger, workflow_id), (product.principal(), "no-id")):
        for call, given in ((history.state_at, {}), (history.diff, {"from_position": 1})):
            refusal = refusal_of(call, who, id, **given)
            assert (refusal.code, refusal.details) == ("stream.not_found", {})


def test_before_its_first_event_it_is_said_when_that_was(product: Product, history: Replay) -> None:
    product.workflow()
    workflow_id = product.workflow()
    for call, given in ((history.state_at, {"position": 2}), (history.diff, {"from_position": 1})):
        refusal = refusal_of(call, product.principal(), workflow_id, **given)
        assert (refusal.code, refusal.details["first_position"]) == ("stream.not_begun", 3)


def test_a_position_and_a_time_at_once_are_refused(product: Product, history: Replay) -> None:
    workflow_id = product.workflow()
    given: Json = {"position": 1, "time": product.clock.now()}
    assert refusal_of(history.state_at, product.principal(), workflow_id, **given).code == "request.invalid"


def test_the_past_needs_the_scope_of_the_audit(product: Product, history: Replay) -> None:
    workflow_id = product.workflow()
    blind = product.principal(without=["audit:read"])
    assert {"audit:read"} < SCOPES
    assert refusal_of(history.state_at, blind, workflow_id).code == "scope.missing"
    assert refusal_of(history.diff, blind, workflow_id, from_position=1).code == "scope.missing"
    assert [name for name, _, _ in product.refusals()] == ["state.at", "state.diff"]


def test_a_difference_names_what_has_changed_and_nothing_else(product: Product, history: Replay) -> None:
    who, workflow_id = product.principal(), product.workflow(active=False)
    other: Json = {**CAPTURE, "name": "Another"}
    product.ask(EditWorkflow(workflow_id, version=1, name="Renamed", steps=[other]))
    diff = history.diff(who, workflow_id, from_position=1, to_position=2)
    assert (diff["before"]["version"], diff["after"]["version"]) == (1, 2)
    assert diff["changes"] == [
        {"pointer": "/content/steps", "before": [CAPTURE], "after": [other]},
        {"pointer": "/content_version", "before": 1, "after": 2},
        {"pointer": "/name", "before": "Launch", "after": "Renamed"},
    ]
    backwards = history.diff(who, workflow_id, from_position=2, to_position=1)
    assert [change["after"] for change in backwards["changes"]] == [[CAPTURE], 1, "Launch"]
    assert history.diff(who, workflow_id, from_position=2)["changes"] == []


# -- check


def checked(product: Product) -> tuple[int, int, list[Mismatch]]:
    parts = list(replay.check(product.system.engine))
    return (
        sum(part.streams for part in parts),
        sum(part.events for part in parts),
        [found for part in parts for found in part.mismatches],
    )


def test_everything_that_was_recorded_folds_to_what_is_live(product: Product) -> None:
    product.add_people(2)
    workflow_id = product.workflow()
    product.ask(AttachSchedule(workflow_id, acknowledged_affected_count=2, **DAILY))
    product.run(workflow_id)
    with suppress(DomainError):
        product.ask(PauseSchedule(new_id(), "why"))
    product.ask(DisableWorkflow(workflow_id))
    events = product.execute("SELECT count(*) FROM log")[0][0]
    assert checked(product) == (4, events, [])


def test_streams_that_were_written_together_stand_at_their_own_last_events(product: Product) -> None:
    product.add_people(2)
    workflow_id = product.workflow()
    product.ask(AttachSchedule(workflow_id, acknowledged_affected_count=2, **DAILY))
    product.ask(ArchiveWorkflow(workflow_id))
    assert checked(product) == (2, 5, [])


def test_more_streams_than_are_folded_at_once_are_all_folded(product: Product) -> None:
    meta = product.system.meta(product.principal(source="web"), via="test")
    for _ in range(STREAMS_AT_ONCE + 1):
        product.system.bus.dispatch(CreateWorkflow("Launch"), meta)
    assert checked(product) == (STREAMS_AT_ONCE + 1, STREAMS_AT_ONCE + 1, [])


@pytest.mark.parametrize(
    ("change", "field", "live"),
    [
        ("status = 'archived'", "status", "archived"),
        ("version = 7", "version", 7),
        ("kind = 'schedule'", "kind", "schedule"),
        ("position = 1", "position", 1),
        ("parent_id = id", "parent_id", None),
    ],
)
def test_what_does_not_agree_with_its_events_is_named(product: Product, change: str, field: str, live: Any) -> None:
    product.workflow()
    workflow_id = product.workflow()
    product.execute(f"UPDATE stream_heads SET {change} WHERE id = :id", id=workflow_id)
    _, _, (found,) = checked(product)
    assert (found.stream_id, found.field, found.live) == (workflow_id, field, workflow_id if live is None else live)


def test_a_stream_that_cannot_be_folded_is_named_and_the_others_are_folded(product: Product) -> None:
    workflow_id = product.workflow()
    product.workflow()
    product.execute("UPDATE log SET topic = 'workflow.imagined.v9' WHERE originator_id = :id", id=workflow_id)
    streams, _, (found,) = checked(product)
    assert (streams, found.stream_id, found.field) == (2, workflow_id, "events")


def test_a_head_without_events_and_events_without_a_head_are_named(product: Product) -> None:
    first, second = product.workflow(), product.workflow()
    product.execute("DELETE FROM log WHERE originator_id = :id", id=first)
    product.execute("DELETE FROM stream_heads WHERE id = :id", id=second)
    _, _, found = checked(product)
    assert {(mismatch.stream_id, mismatch.field) for mismatch in found} == {(first, "events"), (second, "head")}

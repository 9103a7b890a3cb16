"""The log as it is read: whose, in which order, narrowed, and one event as it was recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from aggregates.errors import DomainError
from aggregates.refusal.events import CallRefused
from commands.batch_job import RunBatch
from commands.schedule import AttachSchedule, PauseSchedule
from commands.workflow import DisableWorkflow, EnableWorkflow
from engine.ids import new_id
from tests.support.product import CAPTURE, Json, Product

DAILY: Json = {"rrule": "FREQ=DAILY", "starts_at": "2026-01-01T09:00:00"}


@pytest.fixture
def product(database_url: str, tmp_path: Path) -> Iterator[Product]:
    with closing(Product(database_url, tmp_path)) as product:
        product.empty_log()
        yield product


@pytest.fixture
def read(product: Product) -> Callable[..., list[Json]]:
    def read(**asked: Any) -> list[Json]:
        return product.system.reads.log.read(product.principal(), **{"limit": 100, **asked}).data

    return read


def told(rows: list[Json]) -> list[str]:
    return [row["topic"] for row in rows]


def test_an_event_says_who_when_by_which_way_and_what(product: Product, read: Any) -> None:
    ann = product.principal(id="key-a", source="mcp", on_behalf_of="ann")
    workflow_id = product.workflow(active=False)
    product.ask(EnableWorkflow(workflow_id), ann, request_id="r1", client="claude", correlation_id="c1")
    newest = read()[0]
    assert (newest["topic"], newest["kind"], newest["stream_id"], newest["version"]) == (
        "workflow.activated.v1",
        "workflow",
        workflow_id,
        2,
    )
    assert newest["position"] == product.log_position()
    wanted = {"actor": "key-a", "source": "mcp", "on_behalf_of": "ann", "via": "test", "client": "claude"}
    wanted |= {"request_id": "r1", "correlation_id": "c1"}
    assert {name: newest[name] for name in wanted} == wanted
    assert newest["reason"] is None


def test_what_an_event_says_is_plain_and_nothing_of_the_library(product: Product, read: Any) -> None:
    product.add_people(2)
    workflow_id = product.workflow()
    product.ask(AttachSchedule(workflow_id, acknowledged_affected_count=2, **DAILY))
    (attached,) = read(topic="schedule.attached")
    assert set(attached["data"]) == {
        "workflow_id",
        "recurrence",
        "variables",
        "acknowledgement",
        "approval",
        "firing",
        "rate",
        "breaker",
        "request_digest",
        "next_occurrence",
    }
    assert attached["data"]["workflow_id"] == str(workflow_id)
    assert attached["data"]["recurrence"]["rrule"] == "FREQ=DAILY"
    assert attached["data"]["next_occurrence"].endswith("T09:00:00+00:00")
    assert "_type_" not in str(attached)
    (created,) = read(topic="workflow.created")
    assert created["data"]["content"]["steps"] == [CAPTURE]


def test_the_newest_come_first_and_pages_meet_without_a_gap(product: Product, read: Any) -> None:
    for _ in range(4):
        product.workflow()
    reads, who = product.system.reads.log, product.principal()
    found: list[int] = []
    after = None
    while True:
        page = reads.read(who, limit=3, after=after)
        found += [row["position"] for row in page.data]
        after = page.next_cursor
        if after is None:
            break
    assert found == list(range(product.log_position(), 0, -1))


def test_from_a_position_on_they_come_in_the_order_in_which_they_happened(product: Product) -> None:
    for _ in range(4):
        product.workflow()
    reads, who = product.system.reads.log, product.principal()
    first = reads.read(who, from_position=3, limit=4)
    second = reads.read(who, from_position=3, limit=4, after=first.next_cursor)
    assert [row["position"] for row in [*first.data, *second.data]] == [3, 4, 5, 6, 7, 8]
    assert second.next_cursor is None
    assert reads.read(who, from_position=9).data == []


def test_the_log_is_narrowed_by_topic_actor_source_and_time(product: Product, read: Any) -> None:
    product.workflow()
    product.clock.advance(hours=2)
    late = product.clock.now()
    product.ask(DisableWorkflow(product.workflow()), product.principal(id="another", source="web"))
    assert told(read(topic="workflow.dis")) == ["workflow.disabled.v1"]
    assert read(topic="workflow.dis%") == []
    assert told(read(actor="another")) == told(read(source="web")) == ["workflow.disabled.v1"]
    assert len(read(since=late)) == 3
    assert len(read(until=late)) == 2
    assert read(since=late, until=late) == []


def test_a_stream_is_read_with_what_was_refused_about_it(product: Product, read: Any) -> None:
    product.add_people(2)
    workflow_id, other = product.workflow(), product.workflow()
    product.run(other)
    with pytest.raises(DomainError):
        product.ask(RunBatch(workflow_id, 7))
    assert told(read(stream_id=workflow_id)) == [CallRefused.TOPIC, "workflow.activated.v1", "workflow.created.v1"]
    refusal = read(refused=True)[0]
    assert refusal["data"] == {
        "name": "RunBatch",
        "code": "audience.drift",
        "kind": "conflict",
        "subject_id": str(workflow_id),
    }
    assert told(read(stream_id=refusal["stream_id"])) == [CallRefused.TOPIC]
    assert read(stream_id=new_id()) == []


def test_only_refused_calls_are_asked_for(product: Product, read: Any) -> None:
    workflow_id = product.workflow()
    for command in (PauseSchedule(workflow_id, "why"), RunBatch(workflow_id, 1), DisableWorkflow(workflow_id)):
        with suppress(DomainError):
            product.ask(command)
    assert [row["data"]["name"] for row in read(refused=True)] == ["RunBatch", "PauseSchedule"]


def test_another_project_reads_nothing_of_it(product: Product) -> None:
    workflow_id = product.workflow()
    reads, stranger = product.system.reads.log, product.principal(project_id=product.other_project())
    assert reads.read(stranger).data == reads.read(stranger, stream_id=workflow_id).data == []
    for position in (1, product.log_position(), 0, -1, 10**30, "1.0", "x"):
        with pytest.raises(DomainError) as refusal:
            reads.get(stranger, position)
        assert refusal.value.code == "event.not_found"


def test_one_event_is_read_by_its_position(product: Product, read: Any) -> None:
    product.workflow()
    assert product.system.reads.log.get(product.principal(), "2") == read()[0]


def test_what_cannot_be_asked_for_is_refused(product: Product, read: Any) -> None:
    for asked, code in (
        ({"limit": 0}, "request.invalid"),
        ({"limit": 201}, "request.invalid"),
        ({"after": "no-cursor"}, "request.invalid"),
        ({"stream_id": "no-id"}, "stream.not_found"),
    ):
        with pytest.raises(DomainError) as refusal:
            read(**asked)
        assert refusal.value.code == code


def test_reading_needs_the_scope_of_the_audit(product: Product) -> None:
    blind = product.principal(without=["audit:read"])
    log = product.system.reads.log
    for asked in (lambda: log.read(blind), lambda: log.get(blind, 1)):
        with pytest.raises(DomainError) as refusal:
            asked()
        assert refusal.value.code == "scope.missing"
    assert [name for name, _, _ in product.refusals()] == ["log.read", "log.get"]


def test_an_event_whose_code_is_gone_is_read_all_the_same(product: Product, read: Any) -> None:
    """Whoever audits must not depend on what today's code can decode."""
    product.workflow(active=False)
    product.execute("UPDATE log SET topic = 'workflow.imagined.v9'")
    (row,) = read()
    assert (row["topic"], row["data"]["name"]) == ("workflow.imagined.v9", "Launch")
    assert isinstance(row["stream_id"], UUID)


def test_tenant_json_that_looks_like_a_mark_of_the_store_is_read_as_it_was_sent(product: Product, read: Any) -> None:
    looks = {"_type_": "uuid_hex", "_data_": "no id"}
    product.workflow(steps=[{**CAPTURE, "config": {"payload": {"data": looks}}}], active=False)
    (created,) = read(topic="workflow.created")
    assert created["data"]["content"]["steps"][0]["config"]["payload"]["data"] == looks

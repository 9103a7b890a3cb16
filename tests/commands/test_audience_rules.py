"""What may be an audience, decided alike for every source, at every save and again when a workflow goes active."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection

from aggregates.audience import Condition
from aggregates.base import Principal, Source
from aggregates.errors import DomainError, Kind
from commands.batch_job import ExplainAudience, RunBatch, SizeAudience
from commands.workflow import CreateWorkflow, EditWorkflow, EnableWorkflow
from tests.commands.conftest import PRO, Desk, refused, renamed_step
from tests.support.people import add_cohort, has, within
from tests.support.product import CAPTURE, EVERYONE, Json, Product, batch

SOURCES: tuple[Source, ...] = ("web", "api", "mcp", "cli")
LEAF, FIRST, SECOND, STATIC, MISSING = (UUID(int=n) for n in (101, 102, 103, 104, 404))


def cohort_trigger(id: UUID, operator: str = "in") -> Json:
    return batch({"type": "cohort", "key": "id", "operator": operator, "value": str(id)})


def filters(**kinds: Any) -> Json:
    return {"type": "batch", "filters": {"properties": [], **kinds}}


def tree(product: Product) -> None:
    """A behavioral cohort, one that leads to it, one that leads to that, and a static one that came out of it."""

    def add(id: UUID, kind: str, *conditions: Condition) -> None:
        with product.system.engine.begin() as connection:
            add_cohort(connection, id.int, kind, *conditions, project=product.project_id)

    add(LEAF, "behavioral")
    add(FIRST, "dynamic", within(LEAF, "not_in"))
    add(SECOND, "dynamic", has("plan", "is_set"), within(FIRST))
    add(STATIC, "static", within(LEAF))


def circle(product: Product) -> None:
    """Two cohorts that lead to each other, and nothing else wrong with them."""
    with product.system.engine.begin() as connection:
        add_cohort(connection, FIRST.int, "dynamic", within(SECOND), project=product.project_id)
        add_cohort(connection, SECOND.int, "dynamic", within(FIRST), has("plan", "is_set"), project=product.project_id)


def circle_around_a_behavioral_one(product: Product) -> None:
    circle(product)
    with product.system.engine.begin() as connection:
        _add_condition(connection, FIRST, within(LEAF))
        add_cohort(connection, LEAF.int, "behavioral", project=product.project_id)


def _add_condition(connection: Connection, id: UUID, condition: Condition) -> None:
    connection.exec_driver_sql(
        "UPDATE cohorts SET conditions = conditions || jsonb_build_object("
        "'type', 'cohort', 'key', 'id', 'operator', 'in', 'value', %s::text) WHERE id = %s",
        (condition.as_data()["value"], id),
    )


# What an audience is made of: the cohorts that there are, the trigger, and the code that refuses it (None: accepted).
REFUSED: dict[str, tuple[Callable[[Product], None], Json, str]] = {
    "events": (tree, filters(events=[{"id": "purchased"}]), "audience.behavioral_filter"),
    "actions": (tree, filters(actions=[{"id": 7}]), "audience.behavioral_filter"),
    "no events, but the word": (tree, filters(events=[]), "audience.behavioral_filter"),
    "a behavioral cohort": (tree, cohort_trigger(LEAF), "cohort.behavioral"),
    "not in a behavioral cohort": (tree, cohort_trigger(LEAF, "not_in"), "cohort.behavioral"),
    "one level above it": (tree, cohort_trigger(FIRST), "cohort.behavioral"),
    "two levels above it": (tree, cohort_trigger(SECOND, "not_in"), "cohort.behavioral"),
    "a circle around it": (circle_around_a_behavioral_one, cohort_trigger(SECOND), "cohort.behavioral"),
}
ACCEPTED: dict[str, tuple[Callable[[Product], None], Json]] = {
    "a static cohort that came out of it": (tree, cohort_trigger(STATIC)),
    "a circle": (circle, cohort_trigger(FIRST)),
    "everyone, written out": (tree, EVERYONE),
}


def everybody(product: Product) -> list[Principal]:
    """Somebody of each source; what they may do is the same."""
    return [product.principal(source=source) for source in SOURCES]


def codes(refusal: DomainError) -> set[str]:
    return {problem.code for problem in refusal.problems if problem.severity == "error"}


@pytest.mark.parametrize("name", REFUSED)
def test_what_people_did_is_never_an_audience(product: Product, name: str) -> None:
    """One decision for filters and for cohorts: refused at every save, but for unfinished drafts from the web."""
    cohorts, trigger, code = REFUSED[name]
    cohorts(product)
    draft = UUID(product.ask(CreateWorkflow("Draft", trigger=PRO, steps=[CAPTURE]))["workflow_id"])
    commands = (
        CreateWorkflow("Launch", trigger=trigger, steps=[CAPTURE]),
        EditWorkflow(draft, 1, trigger=trigger),
        CreateWorkflow("Launch", trigger=trigger),
    )
    for somebody, command in itertools.product(everybody(product), commands):
        if somebody.source != "web":
            refusal = refused(product, command, somebody)
            assert refusal.code == "workflow.invalid"
            assert code in codes(refusal)
    if code == "cohort.behavioral":
        named = [problem.got for problem in refusal.problems if problem.code == code]
        assert [(got["id"], got["name"]) for got in named] == [(str(LEAF), "cohort 101")]


@pytest.mark.parametrize("name", REFUSED)
def test_a_draft_from_the_web_is_told_and_can_never_be_used(product: Product, name: str) -> None:
    cohorts, trigger, code = REFUSED[name]
    cohorts(product)
    product.add_people(2)
    editor = product.principal(source="web")
    made = product.ask(CreateWorkflow("Launch", trigger=trigger, steps=[CAPTURE]), editor)
    assert (code, "warning") in [(finding["code"], finding["severity"]) for finding in made["findings"]]
    workflow_id = UUID(made["workflow_id"])
    for somebody in everybody(product):
        assert code in codes(refused(product, EnableWorkflow(workflow_id), somebody))
        assert code in codes(refused(product, SizeAudience(workflow_id), somebody))
        assert refused(product, RunBatch(workflow_id, 2), somebody).code == "workflow.not_active"


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_people_are_is_an_audience(product: Product, name: str) -> None:
    cohorts, trigger = ACCEPTED[name]
    cohorts(product)
    for somebody in everybody(product):
        made = product.ask(CreateWorkflow("Launch", trigger=trigger, steps=[CAPTURE]), somebody)
        assert made["findings"] == []
        workflow_id = UUID(made["workflow_id"])
        assert product.ask(EnableWorkflow(workflow_id), somebody)["status"] == "active"
        assert product.size(workflow_id, somebody)["matched"] == 0


@pytest.mark.parametrize("source", SOURCES)
def test_a_cohort_that_became_behavioral_is_met_by_every_gate(product: Product, source: Source) -> None:
    tree(product)
    product.add_people(2)
    somebody = product.principal(source=source)
    workflow_id = product.workflow(trigger=cohort_trigger(STATIC))
    sizing = product.size(workflow_id, somebody)
    draft_id = product.workflow(trigger=cohort_trigger(STATIC), active=False)
    product.execute("UPDATE cohorts SET kind = 'behavioral'")
    assert codes(refused(product, EnableWorkflow(draft_id), somebody)) == {"cohort.behavioral"}
    for command in (
        SizeAudience(workflow_id),
        ExplainAudience(workflow_id),
        RunBatch(workflow_id, sizing["affected"], sizing["confirm_token"]),
    ):
        refusal = refused(product, command, somebody)
        assert (refusal.code, codes(refusal)) == ("audience.invalid", {"cohort.behavioral"})


@pytest.mark.parametrize("source", SOURCES)
def test_a_missing_cohort_can_only_be_saved_on_the_web_and_never_used(product: Product, source: Source) -> None:
    """SPEC says nothing of saving it; every source but the web is strict, so it fails fast there."""
    somebody = product.principal(source=source)
    command = CreateWorkflow("Launch", trigger=cohort_trigger(MISSING), steps=[CAPTURE])
    if source != "web":
        assert codes(refused(product, command, somebody)) == {"cohort.unknown"}
        return
    made = product.ask(command, somebody)
    assert [(finding["code"], finding["severity"]) for finding in made["findings"]] == [("cohort.unknown", "warning")]
    workflow_id = UUID(made["workflow_id"])
    assert codes(refused(product, EnableWorkflow(workflow_id), somebody)) == {"cohort.unknown"}
    refusal = refused(product, SizeAudience(workflow_id), somebody)
    assert (refusal.code, refusal.kind, codes(refusal)) == ("audience.invalid", Kind.INVALID, {"cohort.unknown"})


MISSING_FILTERS: tuple[Json | None, ...] = (
    None,
    {"type": "batch"},
    {"type": "batch", "filters": None},
    {"type": "batch", "filters": {}},
    {"type": "batch", "filters": {"properties": None}},
)


@pytest.mark.parametrize("source", SOURCES)
def test_nobody_means_everyone_by_leaving_the_filters_out(product: Product, source: Source) -> None:
    product.add_people(2)
    somebody = product.principal(source=source)
    for trigger in MISSING_FILTERS:
        command = CreateWorkflow("Launch", trigger=trigger, steps=[CAPTURE])
        if source != "web":
            assert refused(product, command, somebody).code == "workflow.invalid"
            continue
        workflow_id = UUID(product.ask(command, somebody)["workflow_id"])
        unusable, stopped = ("workflow.invalid", "workflow.not_active") if trigger else ("workflow.not_batch",) * 2
        assert refused(product, EnableWorkflow(workflow_id), somebody).code == "workflow.invalid"
        assert refused(product, SizeAudience(workflow_id), somebody).code == unusable
        assert refused(product, ExplainAudience(workflow_id), somebody).code == unusable
        assert refused(product, RunBatch(workflow_id, 2), somebody).code == stopped


def test_everyone_is_everyone_when_sized_and_when_enrolled(product: Product) -> None:
    desk = Desk(product, trigger=EVERYONE)
    sizing = product.size(desk.workflow_id)
    assert (sizing["everyone"], sizing["affected"], sizing["total"]) == (True, 4, 4)
    job_id = desk.run()
    desk.enrol(job_id)
    assert desk.enrolled(job_id) == desk.people


def test_filters_say_everyone_only_if_there_are_no_conditions(desk: Desk) -> None:
    assert desk.product.size(desk.workflow_id)["everyone"] is False


@pytest.mark.parametrize("source", SOURCES)
def test_a_branch_is_under_the_same_rule(product: Product, source: Source) -> None:
    tree(product)
    somebody = product.principal(source=source)
    severity = "warning" if source == "web" else "error"

    def branching(inside: Json) -> CreateWorkflow:
        condition = {"name": "yes", "filters": inside}
        choose = {"id": "choose", "name": "Choose", "type": "conditional_branch", "config": {"conditions": [condition]}}
        edges = [{"from": "choose", "to": "note", "branch": "yes"}, {"from": "choose", "to": "note", "branch": "else"}]
        return CreateWorkflow("Launch", trigger=EVERYONE, steps=[choose, CAPTURE], edges=edges)

    for trigger, code in (
        (filters(events=[{"id": "purchased"}]), "audience.behavioral_filter"),
        (cohort_trigger(SECOND), "cohort.behavioral"),
    ):
        command = branching(trigger["filters"])
        if severity == "error":
            problems = [problem.as_data() for problem in refused(product, command, somebody).problems]
        else:
            problems = product.ask(command, somebody)["findings"]
        found = [(p["pointer"].split("/")[1], p.get("severity", "error")) for p in problems if p["code"] == code]
        assert found == [("steps", severity)]


def test_an_edit_that_leaves_the_audience_alone_is_checked_as_a_whole(product: Product) -> None:
    tree(product)
    workflow_id = product.workflow(trigger=cohort_trigger(STATIC), active=False)
    product.execute("UPDATE cohorts SET kind = 'behavioral'")
    refusal = refused(product, EditWorkflow(workflow_id, 1, steps=renamed_step("Other")))
    assert codes(refusal) == {"cohort.behavioral"}

"""Every list: its filters filter, what cannot be one is refused, and what does not fit is on the next page."""

from __future__ import annotations

from typing import Any

import pytest

from tests.doors.doors import Doors
from tests.doors.operations import Operation, Told, operations
from tests.doors.stage import Stage
from tests.doors.tenants import HANDLES, Tenant, furnished
from tests.support.product import Json

OPERATIONS = operations()
CURSORS = frozenset({"after", "trace_after"})

ONE_PAGE = {"keys.list", "components.list", "operators.list", "views.list"}
"""Of these a project has so few that they are one page."""

LISTS = [each for each in OPERATIONS if each.grant.endswith((".list", ".occurrences", ".trace", ".read"))]
FILTERED = [each for each in OPERATIONS if each in LISTS and "status" in each.takes]

STATUSES: dict[str, tuple[str, ...]] = {
    "workflows.list": ("draft", "active", "archived"),
    "schedules.list": ("active", "paused", "completed", "detached"),
    "batch_jobs.list": ("held", "queued", "running", "paused", "cancelled", "completed", "rejected"),
    "confirmations.list": ("waiting", "confirmed", "rejected", "expired", "withdrawn"),
    "runs.list": ("pending", "skipped", "delivered", "failed"),
}


@pytest.fixture(scope="module")
def tenant(stage: Stage) -> Tenant:
    return furnished(stage, stage.product.other_project())


def own_things(operation: Operation, tenant: Tenant) -> dict[str, str]:
    return {name: tenant.first[HANDLES[name]] for name in operation.needs & set(HANDLES)}


def rows(told: Told) -> list[Json]:
    """The one list of an answer."""
    assert told.code == "ok", told
    (found,) = [value for value in told.whole.values() if isinstance(value, list)]
    return list(found)


@pytest.mark.parametrize("operation", LISTS, ids=str)
def test_a_list_goes_on_by_cursor(operation: Operation) -> None:
    assert bool(operation.takes & CURSORS) != (operation.grant in ONE_PAGE)


PAGED = [each for each in LISTS if {"after", "limit"} <= each.takes and not each.needs & set(HANDLES)]


@pytest.mark.parametrize("operation", PAGED, ids=str)
def test_pages_of_one_row_are_the_whole_list_in_its_order(operation: Operation, doors: Doors, tenant: Tenant) -> None:
    whole = rows(operation.ask(doors, tenant.key))
    assert len(whole) > 1
    found: list[Json] = []
    after: dict[str, Any] = {}
    # The list of what was done grows by nothing that is read.
    while len(found) < len(whole):
        told = operation.ask(doors, tenant.key, limit=1, **after)
        found += rows(told)
        after = {"after": told.whole.get("next_cursor", told.whole.get("nextCursor"))}
        if after["after"] is None:
            break
    assert found == whole


@pytest.mark.parametrize("operation", FILTERED, ids=str)
def test_a_filter_by_status_shows_that_status_and_no_other(operation: Operation, doors: Doors, tenant: Tenant) -> None:
    own = own_things(operation, tenant)
    sizes = set()
    for status in STATUSES[operation.grant]:
        found = rows(operation.ask(doors, tenant.key, **own, status=status))
        assert {row["status"] for row in found} <= {status}
        sizes.add(bool(found))
    assert sizes == {True, False}
    assert operation.ask(doors, tenant.key, **own, status="no such status").code == "request.invalid"


def test_every_list_that_takes_a_status_is_asked_for_each() -> None:
    assert {operation.grant for operation in FILTERED} == set(STATUSES)


@pytest.mark.parametrize("operation", LISTS, ids=str)
def test_a_filter_that_there_is_not_is_refused(operation: Operation, doors: Doors, tenant: Tenant) -> None:
    own = own_things(operation, tenant)
    told = operation.ask(doors, tenant.key, **own, stat="active")
    assert told.code == "request.invalid"
    assert [fault["pointer"] for fault in told.whole["errors"]] == ["/stat"]

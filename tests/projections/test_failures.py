"""What failed in a job, as it is told: by whom it may be read, how much of it, and what is not known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest

from aggregates.errors import DomainError
from projections.failures import SHOWN, Kind, add
from tests.support.product import CAPTURE, Json, Product


@pytest.fixture
def job_id(product: Product) -> UUID:
    product.add_people(1)
    return product.run(product.workflow(steps=[CAPTURE]))


def failed(product: Product, job_id: UUID, chunk: int, found: Mapping[Kind, int], uncounted: int = 0) -> None:
    """Let a chunk have failed like this."""
    many = sum(count for kind, count in found.items() if kind[3] == "failed") + uncounted
    product.execute(
        "INSERT INTO chunks (job_id, number, person_ids, size, state, failed) "
        "VALUES (:id, :chunk, '{}', 0, 'done', :many)",
        id=job_id,
        chunk=chunk,
        many=many,
    )
    with product.system.engine.begin() as connection:
        add(connection, job_id, chunk, found)


def told(product: Product, job_id: UUID, **principal: Any) -> Json:
    return product.system.reads.failures.of_job(product.principal(**principal), job_id)


def test_a_reason_about_a_person_is_withheld_without_person_read_and_counted_all_the_same(
    product: Product, job_id: UUID
) -> None:
    about = {("fork", "audience.invalid", "", "failed"): 2, ("fork", "audience.unanswerable", "", "failed"): 3}
    failed(product, job_id, 0, {**about, ("note", "template.failed", "", "failed"): 1})
    seen = told(product, job_id, without=["person:read"])
    rows = [(row["step_id"], row["reason"], row["meaning"] is None, row["failed"]) for row in seen["failures"]]
    assert rows == [("fork", "withheld", True, 5), ("note", "template.failed", False, 1)]
    assert len(told(product, job_id)["failures"]) == 3
    with pytest.raises(DomainError, match="run:read"):
        told(product, job_id, without=["run:read"])


def test_a_list_of_many_combinations_says_how_many_it_leaves_out(product: Product, job_id: UUID) -> None:
    many = {("call", f"http.{400 + n}", "a.example", "failed"): 1 + n for n in range(SHOWN + 5)}
    for chunk in (0, 1):
        failed(product, job_id, chunk, many)
    found = told(product, job_id)
    assert (len(found["failures"]), found["left_out"]) == (SHOWN, 5)
    assert found["failures"][0]["failed"] == 2 * (SHOWN + 5)
    assert (found["failed"], found["unaccounted"]) == (2 * sum(many.values()), 0)


def test_what_is_counted_of_a_chunk_again_is_added(product: Product, job_id: UUID) -> None:
    call: Kind = ("call", "timeout", "a.example", "retried")
    failed(product, job_id, 0, {call: 2})
    with product.system.engine.begin() as connection:
        add(connection, job_id, 0, {call: 3, (*call[:3], "failed"): 1})
    (row,) = told(product, job_id)["failures"]
    assert (row["failed"], row["retried"], row["host"]) == (1, 5, "a.example")


def test_runs_that_failed_before_failures_were_counted_are_unaccounted(product: Product, job_id: UUID) -> None:
    failed(product, job_id, 0, {}, uncounted=2)
    found = told(product, job_id)
    assert (found["failed"], found["unaccounted"], found["failures"]) == (2, 2, [])
    failed(product, job_id, 1, {("", "workflow.invalid", "", "failed"): 1})
    found = told(product, job_id)
    assert (found["failed"], found["unaccounted"], found["failures"][0]["step_id"]) == (3, 2, None)


def test_a_job_of_another_project_is_as_unknown_as_any(product: Product, job_id: UUID) -> None:
    for principal, id in ((product.principal(project_id=product.other_project()), job_id), (product.principal(), "x")):
        with pytest.raises(DomainError) as refused:
            product.system.reads.failures.of_job(principal, id)
        assert refused.value.code == "batch_job.not_found"

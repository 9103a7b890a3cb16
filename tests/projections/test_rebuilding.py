"""A view built again beside the live one: the same table, with the rows that the log says."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection

from commands.workflow import ArchiveWorkflow
from projections import rebuilding
from projections.reads import VIEWS
from projections.rebuilding import rebuild
from projections.runner import step
from projections.workflows import WorkflowsView
from tests.support.followers import rows, some_workflows
from tests.support.product import Product


def test_a_rebuild_gives_the_same_rows_and_the_same_position(product: Product) -> None:
    some_workflows(product, 7)
    before, position = rows(product), product.log_position()
    product.execute("DELETE FROM workflows WHERE name = 'Launch 3'")
    assert rebuild(product.system.engine, WorkflowsView()) == 7
    assert rows(product) == before
    assert product.execute("SELECT position FROM view_positions WHERE name = 'workflows'") == [(position,)]
    some_workflows(product, 1)
    assert len(rows(product)) == 8


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_can_be_rebuilt_again_and_again(product: Product, view: Any) -> None:
    some_workflows(product, 2)
    for _ in range(2):
        rebuild(product.system.engine, view())


def test_a_rebuild_misses_nothing_that_is_recorded_meanwhile(product: Product) -> None:
    some_workflows(product, 3)
    workflow_id = rows(product)[0].id
    view = WorkflowsView()

    class Meanwhile(WorkflowsView):
        def beside(self, name: str) -> Any:
            product.ask(ArchiveWorkflow(workflow_id))
            return super().beside(name)

    rebuild(product.system.engine, Meanwhile())
    assert [row.status for row in rows(product)].count("archived") == 1
    assert step(product.system.engine, view) == 0


def test_a_second_rebuild_takes_nothing_from_the_first(product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    some_workflows(product, 3)
    before, batches = rows(product), []
    monkeypatch.setattr(rebuilding, "BATCH", 2)

    class Dies(WorkflowsView):
        def beside(self, name: str) -> Any:
            raise ConnectionAbortedError

    class Rebuilt(WorkflowsView):
        def handle(self, connection: Connection, batch: Any) -> None:
            batches.append(batch)
            if len(batches) == 2:
                with pytest.raises(ConnectionAbortedError):
                    rebuild(product.system.engine, Dies())
            super().handle(connection, batch)

    rebuild(product.system.engine, Rebuilt())
    assert len(batches) >= 2
    assert rows(product) == before


def test_a_rebuilt_view_is_the_same_table(product: Product) -> None:
    """With its privileges, its indexes' names, and what others have built on it."""
    some_workflows(product, 3)
    product.execute("CREATE VIEW report AS SELECT id, name FROM workflows")
    product.execute("GRANT SELECT ON workflows TO pg_monitor")
    facts = (
        "SELECT c.oid, c.relname, CAST(c.relacl AS text) FROM pg_class c WHERE c.oid = 'workflows'::regclass "
        "OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'workflows'::regclass) ORDER BY c.oid"
    )
    before = product.execute(facts)
    product.execute("DELETE FROM workflows WHERE name = 'Launch 1'")
    rebuild(product.system.engine, WorkflowsView())
    assert product.execute(facts) == before
    assert product.execute("SELECT count(*) FROM report") == [(3,)]


def test_a_rebuild_mends_rows_that_are_wrong_and_takes_away_those_that_should_not_be(product: Product) -> None:
    some_workflows(product, 3)
    before = rows(product)
    product.execute("UPDATE workflows SET name = 'Wrong', content = '{}' WHERE name = 'Launch 0'")
    product.execute(
        "CREATE TEMP TABLE more AS SELECT * FROM workflows; UPDATE more SET id = gen_random_uuid(); "
        "INSERT INTO workflows SELECT * FROM more; DROP TABLE more"
    )
    rebuild(product.system.engine, WorkflowsView())
    assert rows(product) == before

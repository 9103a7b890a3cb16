"""Passing over the one event that a follower cannot take, and what a rebuild makes of it."""

from __future__ import annotations

import pytest

from aggregates.errors import DomainError
from projections.passing_over import pass_over
from projections.rebuilding import rebuild
from projections.runner import Runner
from projections.workflows import WorkflowsView
from tests.support.followers import Notes, rewritten, rows, some_workflows
from tests.support.product import Product


def test_the_event_at_which_a_follower_stands_still_is_passed_over_on_record(product: Product) -> None:
    some_workflows(product, 3)
    last = product.log_position()
    notes = Notes(poison=last - 1)
    runner = Runner(product.system.engine, [notes])
    runner.register()
    runner.catch_up()
    told = pass_over(product.system.engine, "notes", reason="not ours", now=product.clock.now())
    assert told["position"] == last - 1
    assert (told["topic"], told["because"]) == ("workflow.created.v1", "ValueError: cannot take this")
    runner.catch_up()
    assert notes.taken[-1] == last
    assert product.execute("SELECT name, position, reason FROM passed_over") == [("notes", last - 1, "not ours")]
    for name, code in (("notes", "follower.not_stopped"), ("nobody", "follower.not_found")):
        with pytest.raises(DomainError, match=code):
            pass_over(product.system.engine, name, reason="again", now=product.clock.now())


def test_a_rebuild_takes_what_was_passed_over_as_soon_as_it_can(product: Product) -> None:
    some_workflows(product, 2)
    said = "topic = 'workflow.{}.v1' WHERE notification_id = (SELECT max(notification_id) FROM log)"
    rewritten(product, "SET " + said.format("renamed"))
    product.execute("DELETE FROM workflows")
    product.catch_up()
    pass_over(product.system.engine, "workflows", reason="a newer version's", now=product.clock.now())
    rebuild(product.system.engine, WorkflowsView())
    assert len(rows(product)) == 1
    rewritten(product, "SET " + said.format("created"))
    rebuild(product.system.engine, WorkflowsView())
    assert len(rows(product)) == 2
    assert product.execute("SELECT * FROM passed_over") == []

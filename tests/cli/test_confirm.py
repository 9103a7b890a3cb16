"""`tidegate confirm`: a human reads what an agent asked for, types the number, or turns it down."""

from __future__ import annotations

from uuid import UUID

import pytest

from aggregates.policy import Limits
from commands.batch_job import RunBatch
from tests.cli.conftest import Tidegate, on_terminal
from tests.support.product import Product, batch, person


@pytest.fixture
def held(product: Product, server: str) -> str:
    """A job that an agent asked for and that waits for a human."""
    product.add_people(4)
    workflow_id = product.workflow(trigger=batch(person("plan", "exact", "pro")))
    agent = product.principal(id="agent", agent=True, limits=(Limits(confirmation="witnessed"),))
    sizing = product.size(workflow_id, agent)
    answer = product.ask(RunBatch(workflow_id, sizing["affected"], sizing["confirm_token"]), agent)
    return str(answer["batch_job_id"])


def test_it_is_listed_shown_and_accepted_by_its_address(tidegate: Tidegate, product: Product, held: str) -> None:
    listed = tidegate("confirm", "list", "--json").json["data"]
    assert [(row["id"], row["asks"], row["acknowledged"]) for row in listed] == [(held, "RunBatch", 2)]
    shown = tidegate("confirm", "show", f"https://tidegate.example.com/confirm/{held}/", "--json").json
    assert (shown["requested_by"], shown["affected"]) == ("agent", 2)
    # Nobody can type a number into a pipe.
    asked = tidegate("confirm", "accept", held)
    assert asked.code == 2 and "--confirm N" in asked.err
    drifted = tidegate("confirm", "accept", held, "--confirm", "3", "--json")
    assert (drifted.code, drifted.json["code"]) == (5, "audience.drift")
    done = tidegate("confirm", "accept", held, "--confirm", "2", "--json")
    assert (done.code, done.json["status"]) == (0, "queued")
    again = tidegate("confirm", "accept", held, "--confirm", "2", "--json")
    assert (again.code, again.json["code"]) == (5, "confirmation.decided")


def test_it_is_turned_down(tidegate: Tidegate, product: Product, held: str) -> None:
    assert tidegate("confirm", "reject", held, "--reason", "no", "--json").json["status"] == "rejected"
    assert product.job(UUID(held))["status"] == "rejected"


@pytest.mark.parametrize(("typed", "code"), [("2\n", 0), ("3\n", 2), ("\n", 2)])
def test_on_a_terminal_the_number_is_typed(product: Product, server: str, held: str, typed: str, code: int) -> None:
    env = {"TIDEGATE_URL": server, "TIDEGATE_API_KEY": str(product.owner_key)}
    ended, shown = on_terminal("confirm", "accept", held, env=env, typed=typed)
    assert ended == code, shown
    assert "Type the number of people to reach" in shown
    assert product.job(UUID(held))["status"] == ("queued" if code == 0 else "held")

"""What the log says of keys and projects: who and what, and nothing that lets one in."""

from __future__ import annotations

import pytest

from aggregates.policy import Limits
from commands.keys import ChangeKey, RevokeKey
from commands.policy import SetPolicy
from tests.commands.conftest import MakeProduct
from tests.support.keys import EVERY, events, made
from tests.support.product import Product


@pytest.fixture
def product(product_with: MakeProduct) -> Product:
    return product_with(approval_over=1)


def test_a_key_is_in_the_log_without_what_lets_one_in(product: Product) -> None:
    answer = made(product, owner="ada", limits=Limits(max_audience=5))
    (event,) = events(product, "key.created.v1")[-1:]
    assert event["data"] == {
        "key_id": answer["key_id"],
        "name": "key",
        "scopes": list(EVERY),
        "agent": False,
        "limits": {"max_audience": 5},
        "rate_per_minute": None,
        "expires_at": None,
        "owner": "ada",
        "chain": [],
    }
    secret = answer["key"].rpartition("_")[2]
    assert not product.execute("SELECT 1 FROM log WHERE position(convert_to(:it, 'UTF8') IN state) > 0", it=secret)


def test_the_owner_key_and_the_project_are_in_the_log_from_the_beginning(product: Product) -> None:
    first, second = events(product, "")[:2]
    assert (first["topic"], first["stream_id"]) == ("project.created.v1", product.project_id)
    assert (second["topic"], second["data"]["name"]) == ("key.created.v1", "owner")


def test_a_key_from_before_is_found_as_it_stood_and_then_changed(product: Product) -> None:
    with product.system.engine.begin() as connection:
        key_id, _ = product.system.keyring.create(
            connection, product.project_id, name="older", scopes=["run:read"], now=product.clock.now()
        )
    product.ask(ChangeKey(key_id, name="newer"))
    found, changed = events(product, "key.")[-2:]
    assert (found["topic"], found["data"]["name"], changed["topic"]) == ("key.found.v1", "older", "key.changed.v1")
    (row,) = [row for row in product.system.reads.keys.list(product.principal()) if row["id"] == key_id]
    assert (row["changed_by"], row["made_by"], row["stream_id"]) == ("tester", None, found["stream_id"])
    state = product.system.replay.state_at(product.principal(), row["stream_id"])
    assert (state["kind"], state["state"]["name"]) == ("key", "newer")
    product.ask(RevokeKey(key_id))
    (row,) = [row for row in product.system.reads.keys.list(product.principal()) if row["id"] == key_id]
    assert row["revoked_by"] == "tester"


def test_a_project_from_before_is_found_as_it_stood_and_then_set(product: Product) -> None:
    other = product.other_project()
    by = product.principal(project_id=other)
    product.execute("""UPDATE projects SET limits = '{"max_audience": 7}' WHERE id = :id""", id=other)
    product.ask(SetPolicy(Limits(max_audience=6)), by)
    page = product.system.reads.log.read(by, stream_id=other, from_position=1)
    assert [event["topic"] for event in page.data] == ["project.found.v1", "policy.set.v1"]
    assert page.data[0]["data"]["limits"] == {"max_audience": 7}
    told = product.system.reads.policy(by)
    assert (told["set_by"], told["set_at"]) == ("tester", page.data[1]["recorded_at"])
    untouched = product.system.reads.policy(product.principal())
    assert (untouched["set_by"], untouched["set_at"]) == (None, None)

"""Chains 13 to 15: who is there, and what they are like, is told to nobody without person:read."""

from __future__ import annotations

from commands.grants import SCOPES
from tests.reach.field import EMAIL, Field, Said
from tests.support.product import Json, batch, person

BLIND = SCOPES - {"person:read"}
ANN = person("email", "exact", "ann@example.com")
NOT_COMPARED = frozenset({"cohort_id", "position", "workflow_id", "request_id", "created_at", "updated_at"})


def told(said: Said) -> tuple[str, Json]:
    """An answer without what differs between any two answers."""
    return said.code, {name: value for name, value in said.data.items() if name not in NOT_COMPARED}


def both(field: Field, ask: object) -> None:
    """The same question before and after ann is there has the same answer."""
    assert callable(ask)
    before = told(ask(1))
    field.people("ann,ann@example.com,pro").done()
    assert told(ask(2)) == before


def test_13_a_static_cohort_by_condition_tells_nothing(field: Field) -> None:
    key = field.key("blind", scopes=BLIND)
    body = {"kind": "static", "conditions": [ANN]}
    both(field, lambda n: field.post(key, "/cohorts", {**body, "name": f"c{n}"}))


def test_13_a_static_cohort_by_members_tells_nothing(field: Field) -> None:
    key = field.key("blind", scopes=BLIND)
    both(field, lambda n: field.post(key, "/cohorts", {"name": f"c{n}", "kind": "static", "members": ["ann"]}))


def test_14_an_import_tells_nothing_of_who_was_there(field: Field) -> None:
    key = field.key("blind", scopes=BLIND)
    rows = b"distinct_id,email,plan\nann,ann@example.com,pro\n"
    both(field, lambda _: field.post(key, "/people:import?format=csv&dry_run=true", rows))
    field.product.execute("DELETE FROM people")
    both(field, lambda _: field.post(key, "/people:import?format=csv", rows))


def test_15_nothing_else_tells_it(field: Field) -> None:
    key = field.key("blind", scopes=BLIND)
    id = field.workflow(trigger=batch(ANN))
    path = f"/workflows/{id}"
    both(
        field,
        lambda n: Said(
            " ".join(
                [
                    field.size(key, id).code,
                    field.http(key, "GET", f"{path}/blast-radius/excluded").code,
                    field.post(key, f"{path}/simulate", {}).code,
                    field.http(key, "GET", "/people/properties").code,
                    field.http(key, "GET", "/people").code,
                    field.post(key, f"{path}/run-batch", {"acknowledged_affected_count": 1}).code,
                    str(field.post(key, "/workflows", {"name": f"w{n}", "trigger": batch(ANN), "steps": [EMAIL]})
                        .ok["findings"]),
                ]
            ),
            {},
        ),
    )  # fmt: skip

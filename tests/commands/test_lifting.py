"""Who lifts a limit: never one head with whom it holds back."""

from __future__ import annotations

from typing import Any

import pytest

from aggregates.key.events import stream_of
from aggregates.policy import Limits
from commands.approval import ApproveBatchJob
from commands.grants import SCOPES
from commands.keys import ChangeKey, RevokeKey
from commands.policy import SetPolicy
from tests.commands.conftest import Desk, MakeProduct, refused
from tests.support.keys import events, holder, key, machine, made, narrow
from tests.support.product import Product


@pytest.fixture
def product(product_with: MakeProduct) -> Product:
    return product_with(approval_over=1)


LIFTS: dict[str, dict[str, Any]] = {
    "cap": {"limits": Limits(max_audience=60)},
    "no cap": {"lifted": ("max_audience",)},
    "approval": {"limits": Limits(approval_over=9)},
    "growth": {"limits": Limits(max_growth=0.2)},
    "interval": {"lifted": ("minimum_interval_minutes",)},
    "send mode": {"limits": Limits(send_mode="live")},
    "rate": {"rate_per_minute": 101},
    "no rate": {"lifted": ("rate_per_minute",)},
    "no end": {"lifted": ("expires_at",)},
    "scopes": {"scopes": ("run:read", "workflow:read", "workflow:run")},
}


@pytest.mark.parametrize("lift", LIFTS.values(), ids=LIFTS)
def test_who_lifts_a_limit_has_every_scope_of_the_key(product: Product, lift: dict[str, Any]) -> None:
    target = narrow(product)
    admin = key(product, scopes=("key:admin", "workflow:read", "run:read"))
    refusal = refused(product, ChangeKey(target["key_id"], **lift), admin)
    if "scopes" in lift:
        lacking = [(p.pointer, p.code, p.got) for p in refusal.problems]
        assert lacking == [("/scopes", "scope.beyond", ["workflow:run"])] or refusal.code == "scope.missing"
    else:
        assert (refusal.code, refusal.details) == ("scope.missing", {"missing": ["workflow:run"]})


@pytest.mark.parametrize("lift", LIFTS.values(), ids=LIFTS)
def test_nobody_lifts_a_key_of_their_own_chain(product: Product, lift: dict[str, Any]) -> None:
    root = key(product, owner="ada")
    target = narrow(product, root)
    sister, cousin = key(product, root), key(product, owner="ada")
    for by in (root, sister, cousin, key(product, sister)):
        refusal = refused(product, ChangeKey(target["key_id"], **lift), by)
        assert refusal.code == "key.own_chain"
        (event,) = events(product, "call.refused.v1")[-1:]
        assert (event["actor"], event["data"]["subject_id"]) == (by.id, str(stream_of(target["key_id"])))
    for by in (key(product, owner="grace"), machine(product)):
        answer = product.ask(ChangeKey(narrow(product, root)["key_id"], **lift), by)
        (event,) = events(product, "key.changed.v1")[-1:]
        assert event["actor"] == by.id
        assert event["data"]["widened"]
        assert answer["position"] == event["position"]


def test_a_key_lifts_neither_itself_nor_what_made_it(product: Product) -> None:
    root = made(product, limits=Limits(max_audience=50))
    child = made(product, holder(product, root), limits=Limits(max_audience=50))
    for target in (root, child):
        command = ChangeKey(target["key_id"], lifted=("max_audience",))
        refusal = refused(product, command, holder(product, child))
        assert {refusal.code, *(p.code for p in refusal.problems)} & {"key.own_chain", "limit.beyond"}
        command = ChangeKey(target["key_id"], lifted=("max_audience",))
        unlimited = key(product)
        assert product.ask(command, unlimited)["limits"] == {}
        product.ask(ChangeKey(target["key_id"], limits=Limits(max_audience=50)), unlimited)


def test_narrowing_and_revoking_are_for_its_own_chain_too(product: Product) -> None:
    root = key(product)
    target = narrow(product, root)
    answer = product.ask(ChangeKey(target["key_id"], limits=Limits(max_audience=5), name="less"), root)
    assert (answer["limits"]["max_audience"], answer["name"]) == (5, "less")
    (event,) = events(product, "key.changed.v1")
    assert event["data"]["widened"] == []
    assert event["data"]["changes"] == [
        {"pointer": "/limits/max_audience", "before": 50, "after": 5},
        {"pointer": "/name", "before": "key", "after": "less"},
    ]
    assert product.ask(RevokeKey(target["key_id"]), root)["revoked"]


def test_the_mark_of_an_agent_is_never_taken_away(product: Product) -> None:
    target = narrow(product)
    for by in (key(product), machine(product)):
        refusal = refused(product, ChangeKey(target["key_id"], agent=False), by)
        assert [(p.pointer, p.code) for p in refusal.problems] == [("/agent", "agent.stays")]


def test_whoever_lacks_a_scope_does_not_widen_the_policy_and_anybody_may_narrow_it(product: Product) -> None:
    admin = key(product, scopes=("key:admin", "workflow:read"))
    product.ask(SetPolicy(Limits(approval_over=5, max_audience=50)), admin)
    for wider in (Limits(), Limits(approval_over=5), Limits(approval_over=6, max_audience=50)):
        refusal = refused(product, SetPolicy(wider), admin)
        assert refusal.code == "scope.missing"
        assert set(refusal.details["missing"]) == SCOPES - {"key:admin", "workflow:read"}
    product.ask(SetPolicy(Limits(approval_over=4, max_audience=50)), admin)


def test_a_narrow_key_does_not_widen_the_policy_beyond_itself(product: Product) -> None:
    product.ask(SetPolicy(Limits(max_audience=10)))
    capped = key(product, limits=Limits(max_audience=20))
    refusal = refused(product, SetPolicy(Limits(max_audience=21)), capped)
    assert [(p.pointer, p.code) for p in refusal.problems] == [("/max_audience", "limit.beyond")]


def test_what_the_old_policy_holds_stays_held(product_with: MakeProduct) -> None:
    desk = Desk(product_with())
    desk.product.ask(SetPolicy(Limits(approval_over=1)))
    asks = key(desk.product)
    job_id = desk.run(asks)
    assert desk.status(job_id) == "held"
    desk.product.ask(SetPolicy(Limits()), key(desk.product))
    desk.enrol(job_id)
    assert (desk.status(job_id), desk.enrolled(job_id)) == ("held", [])
    command = ApproveBatchJob(job_id, *desk.token(asks))
    assert refused(desk.product, command, asks).code == "approval.own_request"
    (event,) = events(desk.product, "policy.set.v1")[-1:]
    assert event["data"]["changes"] == [{"pointer": "/approval_over", "before": 1, "after": None}]
    assert event["data"]["widened"] == ["/approval_over"]

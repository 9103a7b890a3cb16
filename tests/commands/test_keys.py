"""Changing a key: it counts at once, nobody gives more than they have, and narrowing is always allowed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from aggregates.base import Principal
from aggregates.errors import DomainError
from aggregates.policy import Limits
from commands.keys import ChangeKey, CreateKey, RevokeKey
from tests.commands.conftest import refused
from tests.support.product import Product

READER = ("run:read", "workflow:read")


@pytest.fixture
def key(product: Product) -> dict[str, Any]:
    """A key that narrows everything, made by somebody who has everything."""
    return product.ask(
        CreateKey(
            "ci",
            READER,
            limits=Limits(max_audience=50, send_mode="capture"),
            rate_per_minute=100,
            expires_at=product.clock.now() + timedelta(days=30),
        )
    )


def holder(product: Product, key: dict[str, Any]) -> Principal:
    return product.system.principal_of(key["key"], "api")


def change(product: Product, key: dict[str, Any], by: Principal | None = None, **fields: Any) -> dict[str, Any]:
    """By somebody who has everything and did not make it, unless told."""
    return product.ask(ChangeKey(key["key_id"], **fields), by or product.principal(id="another"))


def faults(product: Product, key: dict[str, Any], by: Principal | None = None, **fields: Any) -> list[tuple[str, str]]:
    """Why a change is refused; that it left the key as it was."""
    before = holder(product, key)
    refusal = refused(product, ChangeKey(key["key_id"], **fields), by)
    assert refusal.code == "key.invalid"
    assert holder(product, key) == before
    return [(problem.pointer, problem.code) for problem in refusal.problems]


def test_what_is_left_out_stays(product: Product, key: dict[str, Any]) -> None:
    before = holder(product, key)
    answer = change(product, key, name="builds")
    after = holder(product, key)
    assert after.name == "builds"
    assert after == Principal(**{**vars(before), "name": "builds"})
    assert answer["scopes"] == list(READER)
    assert answer["limits"] == {"max_audience": 50, "send_mode": "capture"}


def test_everything_changes_and_counts_from_the_next_request_on(product: Product, key: dict[str, Any]) -> None:
    until = product.clock.now() + timedelta(days=1)
    change(
        product,
        key,
        name="helper",
        scopes=("cohort:read", "cohort:read"),
        agent=True,
        limits=Limits(max_audience=5, approval_over=2),
        rate_per_minute=10,
        expires_at=until,
    )
    after = holder(product, key)
    assert (after.name, set(after.scopes), after.agent, after.rate_per_minute) == ("helper", {"cohort:read"}, True, 10)
    assert after.own_limits == Limits(max_audience=5, approval_over=2, send_mode="capture")
    assert after.expires_at == until
    product.clock.advance(days=2)
    with pytest.raises(DomainError) as refusal:
        holder(product, key)
    assert refusal.value.code == "auth.invalid"


def test_limits_are_lifted_by_name(product: Product, key: dict[str, Any]) -> None:
    change(product, key, lifted=("max_audience", "rate_per_minute", "expires_at"))
    after = holder(product, key)
    assert (after.own_limits, after.rate_per_minute, after.expires_at) == (Limits(send_mode="capture"), None, None)


@pytest.mark.parametrize(
    "fields",
    [
        {"lifted": ("scopes",)},
        {"lifted": ("nothing",)},
        {"lifted": ("max_audience",), "limits": Limits(max_audience=3)},
        {"lifted": ("rate_per_minute",), "rate_per_minute": 3},
    ],
)
def test_only_a_limit_is_lifted_and_not_in_the_breath_that_gives_it(
    product: Product, key: dict[str, Any], fields: dict[str, Any]
) -> None:
    assert faults(product, key, **fields) == [("/lifted", "field.invalid")]


def test_changing_nothing_or_the_same_again_is_no_error(product: Product, key: dict[str, Any]) -> None:
    before = product.execute("SELECT xmin, * FROM api_keys WHERE id = :id", id=key["key_id"])
    first = change(product, key)
    assert change(product, key, name="ci", scopes=tuple(reversed(READER)), rate_per_minute=100) == first
    assert product.execute("SELECT xmin, * FROM api_keys WHERE id = :id", id=key["key_id"]) == before


# -- nobody gives more than they have


def small(product: Product, key: dict[str, Any]) -> Principal:
    """Somebody who may administer keys and has less of everything than the key."""
    ends = holder(product, key).expires_at
    assert ends is not None
    return Principal(
        product.project_id,
        "small",
        frozenset({"key:admin", "cohort:read"}),
        "api",
        limits=(Limits(), Limits(max_audience=10, approval_over=3)),
        rate_per_minute=20,
        expires_at=ends - timedelta(days=20),
    )


def test_nobody_adds_what_they_lack(product: Product, key: dict[str, Any]) -> None:
    by = small(product, key)
    until = holder(product, key).expires_at
    assert until is not None
    assert faults(product, key, by, scopes=(*READER, "workflow:run")) == [("/scopes", "scope.beyond")]
    assert faults(product, key, by, limits=Limits(max_audience=51)) == [("/max_audience", "limit.beyond")]
    assert faults(product, key, by, lifted=("max_audience",)) == [("/max_audience", "limit.beyond")]
    assert faults(product, key, by, rate_per_minute=101) == [("/rate_per_minute", "limit.beyond")]
    assert faults(product, key, by, lifted=("rate_per_minute",)) == [("/rate_per_minute", "limit.beyond")]
    assert faults(product, key, by, expires_at=until + timedelta(days=1)) == [("/expires_at", "limit.beyond")]
    assert faults(product, key, by, lifted=("expires_at",)) == [("/expires_at", "limit.beyond")]


def test_narrowing_is_allowed_to_whoever_has_less_than_the_key_keeps(product: Product, key: dict[str, Any]) -> None:
    by = small(product, key)
    until = holder(product, key).expires_at
    assert until is not None
    change(product, key, by, name="renamed")
    change(product, key, by, scopes=("run:read",))
    change(product, key, by, limits=Limits(max_audience=49), rate_per_minute=99, expires_at=until - timedelta(days=1))
    change(product, key, by, agent=True)
    after = holder(product, key)
    assert (set(after.scopes), after.rate_per_minute, after.agent) == ({"run:read"}, 99, True)
    assert after.own_limits == Limits(max_audience=49, send_mode="capture")
    # What was narrowed away is gone: it was the maker's to give.
    assert faults(product, key, by, scopes=READER) == [("/scopes", "scope.beyond")]


def test_who_ends_makes_nobody_who_ends_later(product: Product) -> None:
    ends = product.clock.now() + timedelta(days=1)
    maker = product.principal(expires_at=ends)
    for later in (None, ends + timedelta(seconds=1)):
        refusal = refused(product, CreateKey("ci", READER, expires_at=later), maker)
        assert [(problem.pointer, problem.code) for problem in refusal.problems] == [("/expires_at", "limit.beyond")]
    product.ask(CreateKey("ci", READER, expires_at=ends), maker)


def test_nobody_raises_themselves(product: Product) -> None:
    ends = product.clock.now() + timedelta(days=1)
    made = product.ask(
        CreateKey("admin", ("key:admin",), limits=Limits(max_audience=1), rate_per_minute=60, expires_at=ends)
    )
    by = holder(product, made)
    assert faults(product, made, by, scopes=("key:admin", "workflow:run")) == [("/scopes", "scope.beyond")]
    assert faults(product, made, by, lifted=("max_audience", "rate_per_minute", "expires_at")) == [
        ("/max_audience", "limit.beyond"),
        ("/rate_per_minute", "limit.beyond"),
        ("/expires_at", "limit.beyond"),
    ]


# -- agents


def test_the_mark_of_an_agent_is_set_and_never_taken_away(product: Product, key: dict[str, Any]) -> None:
    change(product, key, agent=False)
    assert not holder(product, key).agent
    change(product, key, agent=True)
    assert holder(product, key).agent
    assert faults(product, key, agent=False) == [("/agent", "agent.stays")]
    assert faults(product, key, scopes=("batch:approve",)) == [("/scopes", "scope.agent")]


def test_a_key_that_may_approve_becomes_no_agents_key_as_it_is(product: Product) -> None:
    made = product.ask(CreateKey("ops", ("batch:approve", "run:read")))
    assert faults(product, made, agent=True) == [("/scopes", "scope.agent")]
    change(product, made, agent=True, scopes=("run:read",))
    assert holder(product, made).agent


@pytest.mark.parametrize("who", [{"agent": True}, {"source": "mcp"}], ids=["agent", "mcp"])
def test_an_agent_changes_no_key_whatever_its_scopes(
    product: Product, key: dict[str, Any], who: dict[str, Any]
) -> None:
    command = ChangeKey(key["key_id"], limits=Limits(max_audience=1))
    assert refused(product, command, product.principal(**who)).code == "key.not_for_agents"


# -- which key


def test_an_unknown_and_a_foreign_key_are_not_found_and_a_revoked_one_stays_as_it_is(
    product: Product, key: dict[str, Any]
) -> None:
    stranger = product.principal(project_id=product.other_project())
    for command, by in ((ChangeKey("unknown", name="x"), None), (ChangeKey(key["key_id"], name="x"), stranger)):
        refusal = refused(product, command, by)
        assert (refusal.code, refusal.message) == ("key.not_found", "No such key.")
    product.ask(RevokeKey(key["key_id"]))
    assert refused(product, ChangeKey(key["key_id"], name="x")).code == "key.revoked"


def test_all_that_is_wrong_is_told_at_once(product: Product, key: dict[str, Any]) -> None:
    found = faults(
        product,
        key,
        name="\n",
        scopes=("nothing",),
        limits=Limits(max_audience=0),
        rate_per_minute=0,
        expires_at=product.clock.now(),
    )
    assert [pointer for pointer, _ in found] == ["/name", "/scopes", "/max_audience", "/rate_per_minute", "/expires_at"]

"""Four eyes have two heads: whoever stands behind a request is one with it, and nobody lifts what is one with them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from aggregates.base import Principal
from aggregates.key.events import stream_of
from aggregates.policy import Limits
from commands.approval import ApproveBatchJob, DecideStep, RejectBatchJob
from commands.grants import SCOPES
from commands.keys import ChangeKey, CreateKey, RevokeKey
from commands.policy import SetPolicy
from commands.unknown import DecideUnknown
from engine.bootstrap import system_principal
from tests.commands.conftest import Desk, MakeProduct, refused
from tests.support.product import Json, Product

EVERY = tuple(sorted(SCOPES))
WORKER = tuple(sorted(SCOPES - {"batch:approve"}))


@pytest.fixture
def product(product_with: MakeProduct) -> Product:
    return product_with(approval_over=1)


def machine(product: Product) -> Principal:
    """Whoever sits at the console of the machine."""
    return system_principal(product.project_id, source="cli", name="cli")


def made(product: Product, by: Principal | None = None, scopes: tuple[str, ...] = EVERY, **terms: Any) -> Json:
    """A new key; of the machine unless somebody makes it."""
    return product.ask(CreateKey("key", scopes, **terms), by or machine(product))


def holder(product: Product, key: Json) -> Principal:
    return product.system.principal_of(key["key"], "api")


def key(product: Product, by: Principal | None = None, scopes: tuple[str, ...] = EVERY, **terms: Any) -> Principal:
    return holder(product, made(product, by, scopes, **terms))


# -- who stands behind a key


def test_a_key_made_at_the_machine_begins_a_chain_and_names_its_owner(product: Product) -> None:
    answer = made(product, owner="ada")
    assert (answer["owner"], answer["chain"]) == ("ada", [])
    root = holder(product, answer)
    assert (root.owner, root.chain) == ("ada", ())


def test_a_key_has_its_makers_owner_and_the_chain_of_its_makers(product: Product) -> None:
    root = key(product, owner="ada")
    child = key(product, root)
    grandchild = key(product, child, ("run:read",))
    assert (child.owner, child.chain) == ("ada", (root.id,))
    assert (grandchild.owner, grandchild.chain) == ("ada", (root.id, child.id))
    rows = {row["id"]: row for row in product.system.reads.keys.list(root)}
    assert (rows[grandchild.id]["owner"], rows[grandchild.id]["chain"]) == ("ada", [root.id, child.id])
    assert (rows[grandchild.id]["made_by"], rows[root.id]["made_by"]) == (child.id, "cli")


@pytest.mark.parametrize("owner", ["grace", "ada"])
def test_an_owner_is_named_at_the_machine_only(product: Product, owner: str) -> None:
    refusal = refused(product, CreateKey("key", ("run:read",), owner=owner), key(product, owner="ada"))
    assert [(p.pointer, p.code) for p in refusal.problems] == [("/owner", "owner.inherited")]


@pytest.mark.parametrize("owner", ["", " ada", "a\nb", "x" * 500])
def test_an_owner_is_a_name(product: Product, owner: str) -> None:
    refusal = refused(product, CreateKey("key", ("run:read",), owner=owner), machine(product))
    assert [(p.pointer, p.code) for p in refusal.problems] == [("/owner", "field.invalid")]


# -- who approves


def minted(product: Product, asks: Principal) -> Principal:
    return key(product, asks)


def minted_by_the_minted(product: Product, asks: Principal) -> Principal:
    return key(product, key(product, asks))


def of_the_same_user(product: Product, asks: Principal) -> Principal:
    return key(product, owner=asks.owner)


def of_a_maker_that_was_revoked(product: Product, asks: Principal) -> Principal:
    maker = key(product, asks)
    found = key(product, maker)
    product.ask(RevokeKey(maker.id))
    product.ask(RevokeKey(asks.id))
    return found


FORMS: dict[str, Callable[[Product, Principal], Principal]] = {
    "minted": minted,
    "minted by the minted": minted_by_the_minted,
    "of the same user": of_the_same_user,
    "of a maker that was revoked": of_a_maker_that_was_revoked,
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_whoever_stands_behind_the_request_does_not_approve_it(
    desk: Desk, form: Callable[[Product, Principal], Principal]
) -> None:
    asks = key(desk.product, owner="ada")
    job_id = desk.run(asks)
    assert desk.status(job_id) == "held"
    approver = form(desk.product, asks)
    command = ApproveBatchJob(job_id, *desk.token(approver))
    assert refused(desk.product, command, approver).code == "approval.own_request"
    assert desk.approve(job_id, key(desk.product, owner="grace"))["status"] == "queued"


def test_a_maker_does_not_approve_what_its_key_asked_for_nor_does_a_sister(desk: Desk) -> None:
    root = key(desk.product)
    job_id = desk.run(key(desk.product, root, WORKER))
    for approver in (root, key(desk.product, root)):
        command = ApproveBatchJob(job_id, *desk.token(approver))
        assert refused(desk.product, command, approver).code == "approval.own_request"
    assert desk.approve(job_id, key(desk.product))["status"] == "queued"


def test_who_asks_may_withdraw_with_any_key_of_theirs(desk: Desk) -> None:
    asks = key(desk.product)
    job_id = desk.run(asks)
    assert desk.product.ask(RejectBatchJob(job_id, "never mind"), key(desk.product, asks))["status"] == "rejected"


def test_an_occurrence_is_asked_for_by_whoever_gave_the_standing_approval(product_with: MakeProduct) -> None:
    desk = Desk(product_with())
    gives = key(desk.product, owner="ada", limits=Limits(approval_over=1))
    schedule_id = desk.attach(gives)
    (job_id,) = desk.fire(schedule_id)
    assert desk.status(job_id) == "held"
    narrow: dict[str, Any] = {"limits": Limits(approval_over=1)}
    for approver in (gives, key(desk.product, gives, **narrow), key(desk.product, owner="ada")):
        command = ApproveBatchJob(job_id, *desk.token(approver))
        assert refused(desk.product, command, approver).code == "approval.own_request"
    assert desk.approve(job_id, key(desk.product, owner="grace"))["status"] == "queued"


def test_steps_and_unknown_outcomes_are_decided_by_another_head(product_with: MakeProduct) -> None:
    ask = {"instructions": "Right?", "expires_after": {"days": 3}, "on_expiry": "rejected"}
    ends = [{"id": name, "name": name, "type": "exit", "config": {"reason": name}} for name in ("yes", "no")]
    steps = [{"id": "ask", "name": "Ask", "type": "approval", "config": ask}, *ends]
    edges = [{"from": "ask", "to": to, "branch": way} for way, to in (("approved", "yes"), ("rejected", "no"))]
    desk = Desk(product_with(), steps=steps, edges=edges)
    asks = key(desk.product)
    job_id = desk.run(asks)
    desk.enrol(job_id)
    desk.product.execute(
        "INSERT INTO runs (job_id, person_id, status, reason, at_step, steps, updated_at) "
        "VALUES (:job, :person, 'waiting', 'outcome_unknown', 'ask', '[]', now())",
        job=job_id,
        person=desk.pro[0],
    )
    unknown = DecideUnknown(f"{job_id}.{desk.pro[0]}", "failed")
    for by in (asks, key(desk.product, asks)):
        for command in (DecideStep(job_id, "ask", "approved"), unknown):
            assert refused(desk.product, command, by).code == "approval.own_request"
    other = key(desk.product)
    assert desk.product.ask(unknown, other)["decision"] == "failed"
    desk.product.ask(DecideStep(job_id, "ask", "approved"), other)


def test_a_viewer_decides_nothing(desk: Desk) -> None:
    job_id = desk.run(key(desk.product))
    viewer = key(desk.product, scopes=tuple(sorted(scope for scope in SCOPES if scope.endswith(":read"))))
    count, token = desk.token(viewer)
    decisions = (
        ApproveBatchJob(job_id, count, token),
        RejectBatchJob(job_id, "no"),
        DecideStep(job_id, "ask", "approved"),
        DecideUnknown(f"{job_id}.{desk.pro[0]}", "retry"),
    )
    for command in decisions:
        refusal = refused(desk.product, command, viewer)
        assert (refusal.code, refusal.details) == ("scope.missing", {"missing": ["batch:approve"]})


# -- who lifts


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
NARROW = Limits(max_audience=50, approval_over=3, max_growth=0.1, minimum_interval_minutes=120, send_mode="capture")


def narrow(product: Product, by: Principal | None = None, **terms: Any) -> Json:
    """An agent's key with every limit there is."""
    ends = product.clock.now() + timedelta(days=30)
    limits = {"limits": NARROW, "rate_per_minute": 100, "expires_at": ends, "agent": True}
    return made(product, by, ("workflow:read", "workflow:run"), **(limits | terms))


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


# -- what the log says


def events(product: Product, topic: str) -> list[Json]:
    """What was recorded under a topic, oldest first."""
    return list(product.system.reads.log.read(product.principal(), topic=topic, from_position=1, limit=100).data)


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

"""Four eyes have two heads: whoever stands behind a request is one with it, and does not approve it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from aggregates.base import Principal
from aggregates.policy import Limits
from commands.approval import ApproveBatchJob, DecideStep, RejectBatchJob
from commands.confirmation import AcceptConfirmation
from commands.grants import SCOPES
from commands.keys import CreateKey, RevokeKey
from commands.schedule import AttachSchedule, PauseSchedule, ResumeSchedule, ReviseSchedule
from commands.unknown import DecideUnknown
from tests.commands.conftest import Desk, MakeProduct, refused
from tests.support.keys import WORKER, holder, key, machine, made
from tests.support.product import Product


@pytest.fixture
def product(product_with: MakeProduct) -> Product:
    return product_with(approval_over=1)


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


def test_an_occurrence_is_asked_for_by_whoever_asked_for_the_standing_approval(product_with: MakeProduct) -> None:
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


def attached(desk: Desk, agent: Principal) -> AttachSchedule:
    return desk.attaching(*desk.token(agent, schedule=desk.daily()))


def revised(desk: Desk, agent: Principal) -> ReviseSchedule:
    id = desk.attach(key(desk.product))
    count, token = desk.token(agent, schedule={"schedule_id": id, "rrule": "FREQ=WEEKLY"})
    return ReviseSchedule(id, rrule="FREQ=WEEKLY", acknowledged_affected_count=count, confirm_token=token)


def resumed(desk: Desk, agent: Principal) -> ResumeSchedule:
    id = desk.attach(key(desk.product))
    desk.product.ask(PauseSchedule(id, "wait"), agent)
    return ResumeSchedule(id, *desk.token(agent, schedule={"schedule_id": id}))


@pytest.mark.parametrize("asked", [attached, revised, resumed])
def test_an_agent_asks_for_the_occurrences_of_what_a_human_confirmed(
    product_with: MakeProduct, asked: Callable[[Desk, Principal], Any]
) -> None:
    desk = Desk(product_with(confirmation="witnessed", approval_over=1))
    root, alice = key(desk.product, owner="carol"), key(desk.product, owner="alice")
    agent = key(desk.product, root, WORKER, agent=True)
    waits = desk.product.ask(asked(desk, agent), agent)
    schedule_id = UUID(desk.product.ask(AcceptConfirmation(UUID(waits["confirmation_id"]), 2), alice)["schedule_id"])
    (job_id,) = desk.fire(schedule_id)
    assert (desk.status(job_id), desk.schedule(schedule_id)["acknowledged_by"]) == ("held", alice.id)
    for approver in (root, key(desk.product, owner="carol"), key(desk.product, root)):
        assert refused(desk.product, AcceptConfirmation(job_id, 2), approver).code == "approval.own_request"
    assert desk.product.ask(AcceptConfirmation(job_id, 2), alice)["status"] == "queued"


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

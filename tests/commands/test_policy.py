"""Policy: the installation's ceiling, what a project narrows, what a key narrows further; each limit at its place."""

from __future__ import annotations

from itertools import count
from typing import Any
from uuid import UUID

import pytest

from aggregates.base import Principal
from aggregates.errors import DomainError
from aggregates.policy import Limits, Policy
from commands.approval import ApproveBatchJob
from commands.batch_job import RunBatch
from commands.keys import CreateKey, RevokeKey
from commands.policy import SetPolicy
from commands.schedule import PauseSchedule, ResumeSchedule, ReviseSchedule
from tests.commands.conftest import Desk, MakeProduct, refused
from tests.support.product import Product
from tests.workers.conftest import Workshop

INSTALLATION = Policy(
    max_audience=100,
    approval_over=50,
    max_growth=0.5,
    minimum_interval_minutes=120,
    send_mode="live",
    token_minutes=15,
    approval_hours=72,
    reach_per_day=100,
    max_churn=0.5,
    send_rate="1/second",
)

# A limit, something narrower, something wider, and what is left of both above.
LIMITS: tuple[tuple[str, Any, Any], ...] = (
    ("max_audience", 10, 1000),
    ("approval_over", 5, 60),
    ("max_growth", 0.1, 0.9),
    ("minimum_interval_minutes", 240, 60),
    ("send_mode", "capture", "live"),
    ("reach_per_day", 10, 1000),
    ("max_churn", 0.1, 0.9),
    ("send_rate", "59/minute", "100/second"),
)
every_limit = pytest.mark.parametrize(("name", "tighter", "wider"), LIMITS, ids=[limit[0] for limit in LIMITS])


@every_limit
def test_limits_only_ever_narrow(name: str, tighter: Any, wider: Any) -> None:
    narrow, wide = Limits(**{name: tighter}), Limits(**{name: wider})
    assert getattr(INSTALLATION.narrowed([narrow]), name) == tighter
    assert INSTALLATION.narrowed([wide]) == INSTALLATION
    for order in ([narrow, wide], [wide, narrow]):
        assert getattr(INSTALLATION.narrowed(order), name) == tighter


@every_limit
def test_a_project_narrows_the_installation_and_a_key_the_project(
    product_with: MakeProduct, name: str, tighter: Any, wider: Any
) -> None:
    product = product_with(
        max_audience=100,
        approval_over=50,
        max_growth=0.5,
        minimum_interval_minutes=120,
        send_mode="live",
        reach_per_day=100,
        max_churn=0.5,
        send_rate="1/second",
    )

    def policy(**limits: Any) -> Any:
        """What a fresh key with these limits meets."""
        made = product.ask(CreateKey("ci", ("workflow:read",), limits=Limits(**limits)))
        return product.system.reads.policy(product.system.principal_of(made["key"], "api"))[name]

    before = getattr(INSTALLATION, name)
    assert policy() == before
    assert policy(**{name: wider}) == before
    assert policy(**{name: tighter}) == tighter
    product.ask(SetPolicy(Limits(**{name: tighter})))
    assert policy() == policy(**{name: wider}) == tighter
    product.ask(SetPolicy(Limits(**{name: wider})))
    assert policy() == before


@every_limit
def test_nobody_gives_more_than_they_have(product: Product, name: str, tighter: Any, wider: Any) -> None:
    owner = product.principal(limits=(Limits(), Limits(**{name: tighter})))
    for limits in (Limits(), Limits(**{name: wider})):
        for command in (SetPolicy(limits), CreateKey("ci", ("workflow:read",), limits=limits)):
            refusal = refused(product, command, owner)
            assert [(p.pointer, p.code) for p in refusal.problems] == [(f"/{name}", "limit.beyond")]
    product.ask(SetPolicy(Limits(**{name: tighter})), owner)
    product.ask(CreateKey("ci", ("workflow:read",), limits=Limits(**{name: tighter})), owner)


def test_a_limit_of_the_project_is_not_the_makers_own(product: Product) -> None:
    """Who may administer the project lifts what the project narrowed, up to the installation's."""
    owner = product.principal(limits=(Limits(max_audience=5), Limits()))
    product.ask(SetPolicy(Limits(max_audience=500)), owner)


@pytest.mark.parametrize("own", [None, 5])
def test_a_key_hands_on_no_higher_rate_than_its_own(product: Product, own: int | None) -> None:
    maker = product.principal(rate_per_minute=own)
    for rate, passes in ((None, own is None), (6, own is None), (5, True)):
        command = CreateKey("ci", ("workflow:read",), rate_per_minute=rate)
        if passes:
            product.ask(command, maker)
        else:
            refusal = refused(product, command, maker)
            assert [(p.pointer, p.code) for p in refusal.problems] == [("/rate_per_minute", "limit.beyond")]


BAD: tuple[tuple[str, Any], ...] = (
    ("max_audience", 0),
    ("max_audience", 1.5),
    ("max_audience", True),
    ("max_audience", 10**9 + 1),
    ("approval_over", -1),
    ("max_growth", -0.1),
    ("max_growth", 11),
    ("max_growth", float("nan")),
    ("max_growth", "0.1"),
    ("minimum_interval_minutes", 59),
    ("send_mode", "loud"),
)


def test_a_limit_that_cannot_be_is_refused_by_name(product: Product) -> None:
    for name, value in BAD:
        limits = Limits(**{name: value})
        for command, code in (
            (SetPolicy(limits), "policy.invalid"),
            (CreateKey("ci", ("workflow:read",), limits=limits), "key.invalid"),
        ):
            refusal = refused(product, command)
            assert (refusal.code, [problem.pointer for problem in refusal.problems]) == (code, [f"/{name}"])


def test_an_agent_sets_no_policy_whatever_its_scopes(desk: Desk) -> None:
    agents = (desk.agent, desk.product.principal(agent=True), desk.product.principal(source="mcp", agent=True))
    for agent in agents:
        for limits in (Limits(), Limits(max_audience=1)):
            assert refused(desk.product, SetPolicy(limits), agent).code == "policy.not_for_agents"
    lacking = desk.product.principal(without=["key:admin"])
    assert refused(desk.product, SetPolicy(Limits()), lacking).code == "scope.missing"


def test_every_sizing_shows_the_callers_policy(desk: Desk) -> None:
    narrowed = desk.product.principal(limits=(Limits(max_audience=7), Limits(approval_over=3, send_mode="capture")))
    sizing = desk.product.size(desk.workflow_id, narrowed)
    told = desk.product.system.reads.policy(narrowed)
    assert {name: told[name] for name in sizing["policy"]} == sizing["policy"]
    assert (sizing["limit"], sizing["policy"]["approval_over"], sizing["send_mode"]) == (7, 3, "capture")


# -- each limit at its place


@pytest.mark.parametrize("place", ["installation", "project", "key"])
@pytest.mark.parametrize(("limit", "passes"), [(1, False), (2, True), (3, True)])
def test_the_largest_audience_is_the_same_number_for_the_sizing_and_for_the_guard(
    product_with: MakeProduct, place: str, limit: int, passes: bool
) -> None:
    desk = Desk(product_with(**({"max_audience": limit} if place == "installation" else {})))
    by = somebody(desk, place, max_audience=limit)
    sizing = desk.product.size(desk.workflow_id, by)
    assert (sizing["limit"], sizing["affected"]) == (limit, 2)
    command = RunBatch(desk.workflow_id, 2, sizing["confirm_token"])
    if passes:
        assert desk.product.ask(command, by)["acknowledged"] == 2
        return
    refusal = refused(desk.product, command, by)
    assert (refusal.code, refusal.details) == ("audience.over_limit", {"affected": 2, "limit": limit})


def somebody(desk: Desk, place: str, **limits: Any) -> Principal:
    """Somebody whose limits stand at one of the places."""
    own = Limits(**limits)
    at = {"installation": (), "project": (own, Limits()), "key": (Limits(), own)}[place]
    return desk.product.principal(id="somebody", limits=at)


@pytest.mark.parametrize("place", ["installation", "project", "key"])
@pytest.mark.parametrize(("threshold", "status"), [(0, "held"), (1, "held"), (2, "queued")])
def test_over_the_threshold_another_person_decides(
    product_with: MakeProduct, place: str, threshold: int, status: str
) -> None:
    desk = Desk(product_with(**({"approval_over": threshold} if place == "installation" else {})))
    job_id = desk.run(somebody(desk, place, approval_over=threshold))
    assert desk.status(job_id) == status


@pytest.mark.parametrize("place", ["installation", "project", "key"])
def test_a_schedule_grows_no_more_than_policy_allows(product_with: MakeProduct, place: str) -> None:
    desk = Desk(product_with(**({"max_growth": 0.05} if place == "installation" else {"max_growth": 1})), people=20)
    by = somebody(desk, place, max_growth=0.05)
    refusal = refused(desk.product, desk.attaching(10, max_growth=0.06), by)
    assert [(p.pointer, p.code) for p in refusal.problems] == [("/max_growth", "limit.beyond")]
    # The default gives way as well.
    assert desk.schedule(desk.attach(by))["max_growth"] == 0.05


@pytest.mark.parametrize("place", ["installation", "project", "key"])
def test_a_schedule_comes_no_more_often_than_policy_allows(product_with: MakeProduct, place: str) -> None:
    desk = Desk(product_with(**({"minimum_interval_minutes": 1440} if place == "installation" else {})))
    by = somebody(desk, place, minimum_interval_minutes=1440)
    refusal = refused(desk.product, desk.attaching(2, rrule="FREQ=HOURLY"), by)
    assert [problem.code for problem in refusal.problems] == ["rrule.too_frequent"]
    schedule_id = desk.attach(by)
    revise = ReviseSchedule(schedule_id, rrule="FREQ=HOURLY;INTERVAL=12", acknowledged_affected_count=2)
    assert refused(desk.product, revise, by).code == "schedule.invalid"


def test_nobody_lets_a_schedule_go_on_that_comes_more_often_than_they_may(desk: Desk) -> None:
    schedule_id = desk.attach(rrule="FREQ=HOURLY")
    desk.product.ask(PauseSchedule(schedule_id, "look first"))
    daily = somebody(desk, "key", minimum_interval_minutes=1440)
    refusal = refused(desk.product, ResumeSchedule(schedule_id, 2), daily)
    assert [problem.code for problem in refusal.problems] == ["rrule.too_frequent"]
    assert desk.product.ask(ResumeSchedule(schedule_id, 2))["status"] == "active"


@pytest.mark.parametrize(
    ("installation", "project", "key", "expected"),
    [
        ("live", None, None, "live"),
        ("live", "capture", None, "capture"),
        ("live", None, "capture", "capture"),
        ("live", "capture", "live", "capture"),
        ("capture", "live", "live", "capture"),
    ],
)
def test_whether_a_job_sends_is_decided_by_the_strictest(
    product_with: MakeProduct, installation: str, project: str | None, key: str | None, expected: str
) -> None:
    desk = Desk(product_with(send_mode=installation))
    by = desk.product.principal(limits=(Limits(send_mode=project), Limits(send_mode=key)))
    sizing = desk.product.size(desk.workflow_id, by)
    answer = desk.product.ask(RunBatch(desk.workflow_id, 2, sizing["confirm_token"]), by)
    assert (sizing["send_mode"], answer["send_mode"]) == (expected, expected)
    job_id = UUID(answer["batch_job_id"])
    desk.enrol(job_id)
    assert desk.product.execute("SELECT send_mode FROM jobs_at_work") == [(expected,)]


# -- what a schedule may do is what its giver might


def test_a_schedule_stays_below_the_threshold_of_who_attached_it(desk: Desk) -> None:
    by = somebody(desk, "key", approval_over=1)
    (job_id,) = desk.fire(desk.attach(by))
    assert (desk.status(job_id), desk.product.job(job_id)["reason"]) == ("held", "approval_over")
    assert desk.enrolled(job_id) == []
    assert refused(desk.product, ApproveBatchJob(job_id, 2), by).code == "approval.own_request"
    desk.approve(job_id)


@pytest.mark.parametrize(("own", "expected"), [(None, "live"), ("capture", "capture")])
def test_a_schedule_sends_no_more_than_who_attached_it(
    product_with: MakeProduct, own: str | None, expected: str
) -> None:
    desk = Desk(product_with(send_mode="live"))
    schedule_id = desk.attach(somebody(desk, "key", send_mode=own), overlap="allow")
    (job_id,) = desk.fire(schedule_id)
    assert desk.product.job(job_id)["send_mode"] == expected
    # Whoever resumes it gives it their own.
    desk.product.ask(PauseSchedule(schedule_id, "look first"))
    desk.product.ask(ResumeSchedule(schedule_id, 2), somebody(desk, "key", send_mode="capture"))
    (later,) = desk.fire(schedule_id)
    assert desk.product.job(later)["send_mode"] == "capture"


def test_a_schedule_stays_below_the_largest_audience_of_who_attached_it(desk: Desk) -> None:
    schedule_id = desk.attach(somebody(desk, "key", max_audience=2))
    assert desk.schedule(schedule_id)["ceiling"] == 2
    desk.widen()
    (job_id,) = desk.fire(schedule_id)
    assert (desk.status(job_id), desk.enrolled(job_id)) == ("held", [])


def test_a_tighter_project_holds_the_schedules_that_are_there(desk: Desk, workshop: Workshop) -> None:
    schedule_id = desk.attach()
    desk.product.ask(SetPolicy(Limits(max_audience=1)))
    upcoming = desk.schedule(schedule_id)["next_occurrence"]
    desk.product.clock.advance(seconds=(upcoming - desk.product.clock.now()).total_seconds() + 1)
    workshop.scheduler.fire()
    (job_id,) = desk.jobs()
    assert (desk.status(job_id), desk.product.job(job_id)["reason"]) == ("held", "over_limit")


# -- at once


def test_a_limit_and_a_revocation_count_from_the_next_command(desk: Desk) -> None:
    made = desk.product.ask(CreateKey("ci", ("workflow:read", "workflow:run", "person:read")))
    keys = (str(number) for number in count())

    def ask() -> dict[str, Any]:
        holder = desk.product.system.principal_of(made["key"], "api")
        return desk.product.ask(RunBatch(desk.workflow_id, 2), holder, idempotency_key=next(keys))

    assert ask()["status"] == "queued"
    for limits, expected in (
        (Limits(approval_over=1), "held"),
        (Limits(), "queued"),
    ):
        desk.product.ask(SetPolicy(limits))
        assert ask()["status"] == expected
    desk.product.ask(SetPolicy(Limits(max_audience=1)))
    with pytest.raises(DomainError) as refusal:
        ask()
    assert refusal.value.code == "audience.over_limit"
    desk.product.ask(SetPolicy(Limits()))
    desk.product.ask(RevokeKey(made["key_id"]))
    with pytest.raises(DomainError) as refusal:
        ask()
    assert refusal.value.code == "auth.invalid"


def test_the_policy_of_one_project_is_not_anothers(product: Product) -> None:
    product.other_project()
    product.ask(SetPolicy(Limits(max_audience=1)))
    assert product.execute("SELECT limits FROM projects WHERE id <> :id", id=product.project_id) == [({},)]

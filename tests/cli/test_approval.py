"""A held job and whoever did not ask for it; pauses; frozen people; the policy that holds and refuses."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from commands.grants import SCOPES
from tests.cli.conftest import Tidegate, on_terminal
from tests.support.product import CAPTURE, Product
from workers.enrolment import enrol

UNKNOWN = "01a1fcaf-cbd8-7bca-ab46-4fd488ca31ee"

pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture
def workflow(product: Product) -> str:
    """A workflow over four people."""
    product.add_people(4)
    return str(product.workflow())


@pytest.fixture
def as_somebody_else(product: Product, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """From now on the commands come from another key, with every scope but some; its text."""

    def become(*without: str) -> str:
        with product.system.engine.begin() as connection:
            _, key = product.system.keyring.create(
                connection, product.project_id, name="second", scopes=sorted(SCOPES - set(without)),
                now=product.clock.now(),
            )  # fmt: skip
        monkeypatch.setenv("TIDEGATE_API_KEY", key)
        return key

    return become


def held(tidegate: Tidegate, workflow: str) -> str:
    """A job that waits for a second person, because more than two people are reached."""
    assert tidegate("policy", "set", "--approval-over", "2").code == 0
    said = tidegate("batch", "run", workflow, "--confirm", "4", "--json")
    assert said.code == 6, said
    return str(said.json["batch_job_id"])


def test_a_held_job_has_an_exit_code_and_says_who_may_let_it_run(tidegate: Tidegate, workflow: str) -> None:
    tidegate("policy", "set", "--approval-over", "2")
    said = tidegate("batch", "run", workflow, "--confirm", "4")
    job = dict(said.rows)["job"]
    assert (said.code, dict(said.rows)["status"]) == (6, "held")
    assert "Nothing was sent" in said.err
    assert f"tidegate batch approve {job}" in said.err


def test_a_second_key_approves_and_the_job_runs(
    tidegate: Tidegate, product: Product, workflow: str, as_somebody_else: Callable[..., str]
) -> None:
    job = held(tidegate, workflow)
    as_somebody_else()
    said = tidegate("batch", "approve", job, "--confirm", "4", "--note", "looks right")
    assert (said.code, dict(said.rows)["status"]) == (0, "queued"), said
    assert f"tidegate batch watch {job}" in said.err
    product.catch_up()
    assert tidegate("batch", "show", job, "--json").json["status"] == "queued"


def test_who_asked_for_a_job_cannot_approve_it(tidegate: Tidegate, workflow: str) -> None:
    said = tidegate("batch", "approve", held(tidegate, workflow), "--confirm", "4")
    assert said.code == 4
    assert said.err.startswith("approval.own_request: ")


def test_a_key_without_the_scope_cannot_approve(
    tidegate: Tidegate, workflow: str, as_somebody_else: Callable[..., str]
) -> None:
    job = held(tidegate, workflow)
    as_somebody_else("batch:approve")
    said = tidegate("batch", "approve", job, "--confirm", "4", "--json")
    assert (said.code, said.json["code"]) == (4, "scope.missing")


def test_an_audience_that_has_changed_since_is_drift_for_the_approver(
    tidegate: Tidegate, product: Product, workflow: str, as_somebody_else: Callable[..., str]
) -> None:
    job = held(tidegate, workflow)
    product.add_people(1, distinct_id="one more")
    as_somebody_else()
    assert tidegate("batch", "approve", job, "--confirm", "4").code == 5
    sizing = tidegate("workflows", "size", workflow, "--json").json
    # The job was asked for four people; a fifth is asked for with a new one.
    assert tidegate("batch", "approve", job, "--confirm", "5", "--token", sizing["confirm_token"]).code == 5


def test_a_rejected_job_never_runs(
    tidegate: Tidegate, product: Product, workflow: str, as_somebody_else: Callable[..., str]
) -> None:
    job = held(tidegate, workflow)
    as_somebody_else()
    said = tidegate("batch", "reject", job, "--reason", "wrong week", "--json")
    assert (said.code, said.json["status"]) == (0, "rejected"), said
    product.catch_up()
    assert tidegate("batch", "watch", job).code == 7
    assert tidegate("batch", "approve", job, "--confirm", "4").code == 5


def test_without_a_number_and_without_a_terminal_nothing_is_approved(
    tidegate: Tidegate, product: Product, workflow: str
) -> None:
    job = held(tidegate, workflow)
    product.catch_up()
    said = tidegate("batch", "approve", job)
    assert (said.code, f"tidegate workflows size {workflow}" in said.err) == (2, True)


def test_a_human_sees_what_is_held_and_types_the_number(
    tidegate: Tidegate, product: Product, workflow: str, server: str, as_somebody_else: Callable[..., str]
) -> None:
    job = held(tidegate, workflow)
    product.catch_up()
    env = {"TIDEGATE_URL": server, "TIDEGATE_API_KEY": as_somebody_else()}
    code, shown = on_terminal("batch", "approve", job, env=env, typed="4\n")
    assert code == 0, shown
    assert "approval_over" in shown
    assert "Type the number of people to reach" in shown


def test_a_job_is_paused_and_goes_on(tidegate: Tidegate, product: Product, workflow: str) -> None:
    job = str(product.run(product.workflow()))
    paused = tidegate("batch", "pause", job, "--reason", "lunch", "--json")
    assert (paused.code, paused.json["status"]) == (0, "paused"), paused
    product.catch_up()
    assert tidegate("batch", "show", job, "--json").json["reason"] == "lunch"
    assert tidegate("batch", "resume", job, "--json").json["status"] == "queued"
    # Stopping is quick: it needs no reason, and a beginning of the id will do.
    assert tidegate("batch", "pause", job[:13]).code == 0


def test_an_approval_step_of_a_running_job_is_decided_once(
    tidegate: Tidegate, product: Product, as_somebody_else: Callable[..., str]
) -> None:
    product.add_people(2)
    config = {"instructions": "Go on?", "expires_after": "P1D", "on_expiry": "rejected"}
    ask = {"id": "ask", "name": "Ask", "type": "approval", "config": config}
    edges = [{"from": "ask", "to": "note", "branch": branch} for branch in ("approved", "rejected")]
    job = product.run(product.workflow(steps=[ask, CAPTURE], edges=edges))
    enrol(product.system, job)
    assert tidegate("batch", "decide", str(job), "nothing", "approved").code == 3
    as_somebody_else()
    said = tidegate("batch", "decide", str(job), "ask", "approved", "--note", "looks right", "--json")
    assert (said.code, said.json["status"]) == (0, "running"), said
    assert tidegate("batch", "decide", str(job), "ask", "rejected").code == 5


def test_a_step_that_nobody_stands_at_yet_is_a_conflict_and_another_word_is_usage(
    tidegate: Tidegate, product: Product, workflow: str
) -> None:
    job = str(product.run(product.workflow()))
    said = tidegate("batch", "decide", job, "ask", "approved")
    assert (said.code, said.err.startswith("batch_job.illegal_move: ")) == (5, True)
    assert tidegate("batch", "decide", job, "ask", "maybe").code == 2


def test_an_unknown_job_is_not_found(tidegate: Tidegate) -> None:
    for command in (
        ["approve", "--confirm", "4"], ["reject", "--reason", "x"], ["pause", "--reason", "x"], ["resume"],
    ):  # fmt: skip
        said = tidegate("batch", command[0], UNKNOWN, *command[1:])
        assert said.code == 3, (command, said)
        assert said.err.startswith("batch_job.not_found: ")


def test_a_frozen_sizing_buys_a_job_over_those_very_people(tidegate: Tidegate, product: Product, workflow: str) -> None:
    sizing = tidegate("workflows", "size", workflow, "--freeze", "--json").json
    assert (sizing["frozen"], sizing["affected"]) == (True, 4)
    product.add_people(1, distinct_id="one more")
    said = tidegate("batch", "run", workflow, "--confirm", "4", "--token", sizing["confirm_token"])
    assert said.code == 0, said
    assert dict(tidegate("workflows", "size", workflow).rows)["frozen"] == "false"


def test_a_held_job_over_kept_people_is_approved_with_the_number_that_was_asked_for(
    tidegate: Tidegate, product: Product, workflow: str, as_somebody_else: Callable[..., str]
) -> None:
    tidegate("policy", "set", "--approval-over", "2")
    token = tidegate("workflows", "size", workflow, "--freeze", "--json").json["confirm_token"]
    said = tidegate("batch", "run", workflow, "--confirm", "4", "--token", token, "--json")
    assert said.code == 6, said
    product.add_people(1, distinct_id="one more")
    as_somebody_else()
    assert tidegate("batch", "approve", said.json["batch_job_id"], "--confirm", "5").code == 5
    assert tidegate("batch", "approve", said.json["batch_job_id"], "--confirm", "4").code == 0


def test_the_policy_is_shown_narrowed_and_widened_again(tidegate: Tidegate) -> None:
    before = tidegate("policy", "show", "--json").json
    said = tidegate("policy", "set", "--max-audience", "3", "--max-growth", "5%", "--minimum-interval", "120", "--json")
    assert said.code == 0, said
    assert said.json["limits"] == {"max_audience": 3, "max_growth": 0.05, "minimum_interval_minutes": 120}
    told = dict(tidegate("policy", "show").rows)
    assert (told["max_audience"], told["max_growth"], told["minimum_interval_minutes"]) == ("3", "0.05", "120")
    assert tidegate("policy", "set", "--clear").code == 0
    after = tidegate("policy", "show", "--json").json
    assert {**after, "set_by": None, "set_at": None} == before


def test_a_policy_is_not_widened_by_saying_nothing(tidegate: Tidegate) -> None:
    assert tidegate("policy", "set").code == 2
    assert tidegate("policy", "set", "--clear", "--max-audience", "3").code == 2


def test_more_people_than_the_policy_allows_are_refused(tidegate: Tidegate, workflow: str) -> None:
    tidegate("policy", "set", "--max-audience", "3")
    assert tidegate("batch", "run", workflow, "--confirm", "4").code == 7

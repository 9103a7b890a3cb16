"""The bus: grants, idempotency keys, conflicts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from aggregates.base import Source
from aggregates.errors import DomainError
from aggregates.policy import Limits
from commands.batch_job import RunBatch, SizeAudience
from commands.bus import HANDLERS
from commands.due import ExpireApproval, FireSchedule
from commands.grants import COMMANDS, ENGINE, READS, SCOPES, authorize
from commands.keys import CreateKey, RevokeKey
from commands.workflow import CreateWorkflow, EditWorkflow, EnableWorkflow
from projections.page import Reader
from projections.tables import metadata
from tests.commands.conftest import refused
from tests.support.product import CAPTURE, EVERYONE, Product


def create(name: str = "Launch") -> CreateWorkflow:
    return CreateWorkflow(name=name, trigger=EVERYONE, steps=[CAPTURE])


def test_every_command_has_a_handler_and_a_grant() -> None:
    assert {command.__name__ for command in HANDLERS} == set(COMMANDS)
    own = {name for name, scopes in COMMANDS.items() if scopes == (ENGINE,)}
    assert own == {"FireSchedule", "ExpireApproval", "ExpireConfirmation"}
    others = [scopes for name, scopes in [*COMMANDS.items(), *READS.items()] if name not in own]
    assert all(set(scopes) <= SCOPES and scopes for scopes in others)


def test_no_key_can_be_given_what_only_the_engine_may_do(product: Product) -> None:
    with pytest.raises(DomainError) as refusal:
        product.ask(CreateKey("ci", (ENGINE,)))
    assert [problem.code for problem in refusal.value.problems] == ["scope.unknown"]
    for command in (FireSchedule(UUID(int=1), product.clock.now()), ExpireApproval(UUID(int=1))):
        with pytest.raises(DomainError) as refusal:
            product.ask(command)
        assert refusal.value.code == "scope.missing"


def test_every_read_has_a_grant_and_asks_for_it(product: Product) -> None:
    nobody = product.principal(without=sorted(SCOPES))
    id = UUID(int=1)
    arguments: dict[str, Any] = {name: [str(id)] for name in ("get", "result", "trace")}
    arguments |= {"schedules.occurrences": [id], "failures.of_job": [id]}
    named = {"runs.unknown": {"batch_job_id": id}}
    for group, reader in vars(product.system.reads).items():
        if not isinstance(reader, Reader):
            continue
        own = [name for name in vars(type(reader)) if not name.startswith("_")]
        for name in own:
            read = f"{group}.{name}"
            assert read in READS
            given = arguments.get(read, arguments.get(name, []))
            with pytest.raises(DomainError) as refusal:
                getattr(reader, name)(nobody, *given, **named.get(read, {}))
            assert refusal.value.code == "scope.missing"


def test_a_command_without_a_grant_is_refused_to_everybody(product: Product) -> None:
    @dataclass(frozen=True)
    class Undeclared:
        pass

    with pytest.raises(DomainError) as refusal:
        authorize(product.principal(), Undeclared.__name__)
    assert refusal.value.code == "grant.undeclared"


def test_the_same_key_and_body_answer_alike_and_act_once(product: Product) -> None:
    product.empty_log()
    first = product.ask(create(), idempotency_key="k")
    again = product.ask(create(), idempotency_key="k")
    assert first == again
    assert product.execute("SELECT count(*) FROM stream_heads") == [(1,)]


def test_the_same_key_with_another_body_is_refused(product: Product) -> None:
    product.ask(create(), idempotency_key="k")
    with pytest.raises(DomainError) as refusal:
        product.ask(create("Other"), idempotency_key="k")
    assert refusal.value.code == "idempotency.mismatch"


def test_the_order_of_fields_does_not_make_another_body(product: Product) -> None:
    trigger = {"filters": EVERYONE["filters"], "type": "batch"}
    first = product.ask(create(), idempotency_key="k")
    again = product.ask(CreateWorkflow(name="Launch", trigger=trigger, steps=[CAPTURE]), idempotency_key="k")
    assert first == again


def test_keys_of_other_principals_and_commands_are_other_keys(product: Product) -> None:
    first = product.ask(create(), idempotency_key="k")
    other = product.ask(create(), product.principal(id="other"), idempotency_key="k")
    assert first["workflow_id"] != other["workflow_id"]
    product.ask(EnableWorkflow(UUID(first["workflow_id"])), idempotency_key="k")


def test_a_refused_command_leaves_its_key_free(product: Product) -> None:
    with pytest.raises(DomainError):
        product.ask(CreateWorkflow(name=""), idempotency_key="k")
    product.ask(create(), idempotency_key="k")


def test_many_at_once_with_one_key_make_one_job(product: Product) -> None:
    product.add_people(3)
    workflow_id = product.workflow()
    principal = product.principal()

    def run(_: int) -> str:
        meta = product.system.meta(principal, via="test", idempotency_key="k")
        try:
            return product.system.bus.dispatch(RunBatch(workflow_id, 3), meta).id
        except DomainError as refusal:
            return refusal.code

    with ThreadPoolExecutor(10) as pool:
        answers = set(pool.map(run, range(40)))
    assert len(answers - {"idempotency.in_flight"}) == 1
    assert product.execute("SELECT count(*) FROM stream_heads WHERE kind = 'batch_job'") == [(1,)]


def test_many_at_once_with_one_token_make_one_job(product: Product) -> None:
    product.add_people(3)
    workflow_id = product.workflow()
    principal = product.principal(source="mcp")
    sizing = product.size(workflow_id, principal)

    def run(_: int) -> str:
        command = RunBatch(workflow_id, 3, sizing["confirm_token"])
        return product.system.bus.dispatch(command, product.system.meta(principal, via="test")).id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(run, range(24)))) == 1
    assert product.execute("SELECT count(*) FROM stream_heads WHERE kind = 'batch_job'") == [(1,)]


def test_an_edit_of_an_old_version_is_refused_also_when_both_come_at_once(product: Product) -> None:
    workflow_id = product.workflow(active=False)
    principal = product.principal()

    def edit(n: int) -> str:
        command = EditWorkflow(workflow_id, version=1, steps=[{**CAPTURE, "name": f"Step {n}"}])
        try:
            return str(product.system.bus.dispatch(command, product.system.meta(principal, via="test")).data["version"])
        except DomainError as refusal:
            return refusal.code

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(edit, range(8)))
    assert sorted(answers) == ["2", *["workflow.stale"] * 7]


def test_a_key_opens_the_door_until_it_is_revoked(product: Product) -> None:
    made = product.ask(CreateKey("ci", ("workflow:read",)))
    principal = product.system.principal_of(made["key"], "api")
    assert (principal.project_id, principal.scopes) == (product.project_id, frozenset({"workflow:read"}))
    product.ask(RevokeKey(made["key_id"]))
    for credential in (made["key"], made["key"][:-1], "tg_live_x_y", "", "x" * 10_000, "tg_live_\ud800_"):
        with pytest.raises(DomainError) as refusal:
            product.system.principal_of(credential, "api")
        assert refusal.value.code == "auth.invalid"


def test_a_key_hands_on_no_more_than_its_maker_has(product: Product) -> None:
    maker = product.principal(without=["person:read"])
    for scopes, code in ((("person:read",), "scope.beyond"), (("fly",), "scope.unknown"), ((), "scope.unknown")):
        with pytest.raises(DomainError) as refusal:
            product.ask(CreateKey("ci", scopes), maker)
        assert code in {problem.code for problem in refusal.value.problems}
    with pytest.raises(DomainError):
        product.ask(CreateKey("bot", ("batch:approve",), agent=True))
    capped = product.principal(limits=(Limits(), Limits(max_audience=10)))
    for limit in (None, 11):
        with pytest.raises(DomainError) as refusal:
            product.ask(CreateKey("ci", ("workflow:read",), limits=Limits(max_audience=limit)), capped)
        assert [problem.pointer for problem in refusal.value.problems] == ["/max_audience"]
    product.ask(CreateKey("ci", ("workflow:read",), limits=Limits(max_audience=10)), capped)


@pytest.mark.parametrize(("source", "agent"), [("mcp", False), ("api", True)])
def test_an_agent_cannot_make_itself_another_key(product: Product, source: Source, agent: bool) -> None:
    maker = product.principal(source=source, agent=agent)
    commands = (
        CreateKey("other", ("workflow:run",)),
        CreateKey("other", ("workflow:run",), agent=True),
        RevokeKey("x"),
    )
    for command in commands:
        with pytest.raises(DomainError) as refusal:
            product.ask(command, maker)
        assert refusal.value.code == "key.not_for_agents"


def test_the_plain_key_is_stored_nowhere(product: Product) -> None:
    made = product.ask(CreateKey("ci", ("workflow:read",)), idempotency_key="k")
    secret = made["key"].split("_", 3)[3]
    assert len(secret) >= 43
    for table in ("api_keys", "idempotency_keys", "log"):
        assert secret not in str(product.execute(f"SELECT * FROM {table}"))
    assert "key" not in product.ask(CreateKey("ci", ("workflow:read",)), idempotency_key="k")


def test_a_confirm_token_is_stored_nowhere_and_shown_to_nobody_else(product: Product) -> None:
    """It is signed and not kept: there is no place from which anybody could read one that is not theirs."""
    product.add_people(2)
    workflow_id = product.workflow()
    sizing = product.ask(SizeAudience(workflow_id, freeze=True))
    token = sizing["confirm_token"]
    product.ask(RunBatch(workflow_id, 2, token), idempotency_key="k")
    refusal = refused(product, RunBatch(workflow_id, 2, token, {"no": "variable"}))
    assert token not in str(refusal.details)
    for name in metadata.tables:
        assert token not in str(product.execute(f'SELECT * FROM "{name}"')), name


def test_a_rehearsal_answers_and_refuses_like_the_command_and_leaves_nothing(product: Product) -> None:
    bus, meta = product.system.bus, product.system.meta
    me = product.principal()
    product.empty_log()
    rehearsed = bus.rehearse(create(), meta(me, via="test", idempotency_key="k"))
    assert (rehearsed.done, rehearsed.answer.data["status"]) == (False, "draft")
    for table in ("log", "stream_heads", "idempotency_keys"):
        assert product.execute(f"SELECT count(*) FROM {table}") == [(0,)]
    for wrong, somebody, code in (
        (create(), product.principal(without=["workflow:write"]), "scope.missing"),
        (create(name=""), me, "workflow.invalid"),
        (EnableWorkflow(UUID(int=1)), me, "workflow.not_found"),
    ):
        with pytest.raises(DomainError) as refusal:
            bus.rehearse(wrong, meta(somebody, via="test"))
        assert refusal.value.code == code


def test_a_rehearsal_says_what_has_been_done_already(product: Product) -> None:
    product.empty_log()
    bus, meta = product.system.bus, product.system.meta
    done = product.ask(create(), idempotency_key="k")
    again = bus.rehearse(create(), meta(product.principal(), via="test", idempotency_key="k"))
    assert (again.done, again.answer.id) == (True, done["workflow_id"])
    assert product.execute("SELECT count(*) FROM log") == [(1,)]

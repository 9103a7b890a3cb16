"""What a workflow's content may do with secrets, asked whenever it is saved or enabled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from aggregates.base import Principal
from aggregates.errors import DomainError
from commands.runs import RunWorkflow
from commands.simulation import SimulateWorkflow
from commands.workflow import CreateWorkflow, DisableWorkflow, EditWorkflow, EnableWorkflow
from engine import bootstrap
from tests.support.product import CAPTURE, EVERYONE, Json, Product
from workers.enrolment import enrol

VALUE = "s3cret-value-of-default"
MANUAL: Json = {"type": "manual", "inputs": {}}


@pytest.fixture
def product(database_url: str, tmp_path: Path) -> Iterator[Product]:
    folder = tmp_path / "secrets" / "default"
    folder.mkdir(parents=True)
    (folder / "TOKEN").write_text(VALUE)
    (folder / "BOUND").write_text(VALUE)
    (folder / "BOUND.hosts").write_text("api.example.com\n")
    with closing(Product(database_url, tmp_path, secrets_dir=tmp_path / "secrets")) as product:
        yield product


@pytest.fixture
def agent(product: Product) -> Principal:
    return product.principal(agent=True)


def webhook(url: str = "https://api.example.com/hook", **config: Any) -> Json:
    return {"id": "call", "name": "Call", "type": "webhook", "config": {"url": url, **config}}


def bearer(secret: str = "TOKEN") -> Json:  # a name, not a secret
    return {"headers": {"Authorization": f"Bearer {{{{ secrets.{secret} }}}}"}}


def saved(product: Product, step: Json, principal: Principal | None = None) -> dict[str, str]:
    """What is wrong with saving it, by pointer."""
    try:
        product.ask(CreateWorkflow("Launch", "", EVERYONE, [step]), principal)
    except DomainError as refusal:
        return {problem.pointer: problem.code for problem in refusal.problems}
    return {}


AUTHORIZATION = "/steps/0/config/headers/Authorization"


@pytest.mark.parametrize("place", ["url", "headers", "body"])
def test_a_secret_may_stand_in_address_headers_and_body(product: Product, place: str) -> None:
    name = "{{ secrets.TOKEN }}"
    config: Json = {"url": {"url": f"https://api.example.com/?key={name}"}, "headers": bearer(), "body": {}}[place]
    assert saved(product, webhook(**({"body": {"key": [name]}} if place == "body" else config))) == {}


def test_a_literal_in_a_header_of_credentials_is_refused(product: Product) -> None:
    for value in ("Bearer abc", "Bearer {{ variables.token }}", "", "{{ person.properties.token }}"):
        found = saved(product, webhook(headers={"Authorization": value}))
        assert found[AUTHORIZATION] == "webhook.literal_secret"
    assert saved(product, webhook(headers={"Accept": "text/plain"})) == {}


def test_a_literal_is_refused_in_an_unfinished_draft_too(product: Product) -> None:
    step, web = webhook(headers={"Cookie": "session=1"}), product.principal(source="web")
    with pytest.raises(DomainError) as refused:
        product.ask(CreateWorkflow("Unfinished", steps=[step]), web)
    assert [problem.code for problem in refused.value.problems] == ["webhook.literal_secret"]


def test_a_secret_that_is_not_there_is_a_problem_and_only_a_warning_in_an_unfinished_draft(product: Product) -> None:
    step = webhook(**bearer("ABSENT"))
    assert saved(product, step) == {AUTHORIZATION: "secret.unknown"}
    web = product.principal(source="web")
    made = product.ask(CreateWorkflow("Unfinished", "", EVERYONE, [step]), web)
    assert [(found["code"], found["severity"]) for found in made["findings"]] == [("secret.unknown", "warning")]
    with pytest.raises(DomainError) as refused:
        product.ask(EnableWorkflow(UUID(made["workflow_id"])), web)
    assert [problem.code for problem in refused.value.problems] == ["secret.unknown"]


def test_no_project_names_the_secrets_of_another(product: Product) -> None:
    other = product.principal(project_id=product.other_project())
    assert saved(product, webhook(**bearer()), other) == {AUTHORIZATION: "secret.unknown"}


def test_a_bound_secret_goes_to_its_hosts_only(product: Product, agent: Principal) -> None:
    elsewhere = webhook("https://agents.own.test/hook", **bearer("BOUND"))
    for who in (None, agent):
        assert saved(product, elsewhere, who) == {AUTHORIZATION: "secret.host_refused"}
        assert saved(product, webhook(**bearer("BOUND")), who) == {}


def test_who_cannot_be_asked_does_not_choose_where_an_unbound_secret_goes(product: Product, agent: Principal) -> None:
    for who in (agent, product.principal(source="mcp")):
        assert saved(product, webhook(**bearer()), who) == {AUTHORIZATION: "secret.host_refused"}
    assert saved(product, webhook(**bearer())) == {}


def test_an_agent_does_not_edit_its_way_to_an_unbound_secret(product: Product, agent: Principal) -> None:
    made = product.ask(CreateWorkflow("Launch", "", EVERYONE, [webhook(**bearer())]))
    id = UUID(made["workflow_id"])
    for edit in ({"steps": [webhook("https://agents.own.test/", **bearer())]}, {"name": "Renamed"}):
        with pytest.raises(DomainError) as refused:
            product.ask(EditWorkflow(id, made["version"], **edit), agent)
        assert [problem.code for problem in refused.value.problems] == ["secret.host_refused"]
    with pytest.raises(DomainError):
        product.ask(EnableWorkflow(id), agent)


MENTIONS: list[Json] = [
    {
        "type": "approval",
        "config": {"instructions": "{{ secrets.TOKEN }}", "expires_after": "P1D", "on_expiry": "rejected"},
    },
    {"type": "exit", "config": {"reason": "{{secrets.TOKEN}}"}},
    {
        "type": "conditional_branch",
        "config": {
            "conditions": [
                {
                    "name": "a",
                    "filters": {
                        "properties": [
                            {"type": "person", "key": "plan", "operator": "exact", "value": "{{ secrets.TOKEN }}"}
                        ]
                    },
                }
            ]
        },
    },
    {"type": "capture", "config": {"message": "{{ secrets.TOKEN }}"}},
]


@pytest.mark.parametrize("step", MENTIONS, ids=lambda step: str(step["type"]))
def test_what_is_no_template_may_not_read_as_one_that_names_secrets(product: Product, step: Json) -> None:
    found = saved(product, {"id": "s", "name": "S", **step})
    assert "template.secrets_refused" in found.values()


def test_a_simulation_and_the_ledger_of_a_capture_show_no_secret(product: Product) -> None:
    product.add_people(1)
    step = webhook("https://api.example.com/{{ secrets.TOKEN }}", **bearer(), body={"key": "{{ secrets.TOKEN }}"})
    id = product.workflow(steps=[step])
    simulated = product.ask(SimulateWorkflow(id))
    (run,) = simulated["runs"]
    output = run["steps"][0]["output"]
    assert output["headers"] == {"Authorization": "Bearer ***"}
    assert (output["url"], output["body"]) == ("https://api.example.com/***", {"key": "***"})
    assert VALUE not in str(simulated)


def test_content_with_a_literal_from_before_still_runs_and_is_not_enabled_again(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    literal = webhook(headers={"Authorization": "Bearer abc"})
    with monkeypatch.context() as before:
        before.setattr("commands.workflow.secret_problems", lambda *_, **__: [])
        id = product.workflow(trigger=MANUAL, steps=[literal])
    run = product.ask(RunWorkflow(id))
    enrol(product.system, UUID(run["batch_job_id"]))
    assert product.job(UUID(run["batch_job_id"]))["status"] == "running"
    product.ask(DisableWorkflow(id))
    with pytest.raises(DomainError) as refused:
        product.ask(EnableWorkflow(id))
    assert [problem.code for problem in refused.value.problems] == ["webhook.literal_secret"]


def test_no_secret_is_in_what_the_database_keeps(product: Product) -> None:
    product.ask(
        CreateWorkflow("Launch", "", EVERYONE, [CAPTURE, webhook(**bearer())], [{"from": "note", "to": "call"}])
    )
    for table in ("log", "outside", "workflows", "idempotency_keys"):
        rows = product.execute(f"SELECT to_jsonb(t)::text FROM {table} t")
        assert VALUE not in str(rows)


def test_the_system_does_not_show_what_is_in_its_vault(product: Product) -> None:
    assert isinstance(product.system, bootstrap.System)
    assert VALUE not in repr(product.system)

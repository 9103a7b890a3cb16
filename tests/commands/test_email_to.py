"""An email goes to whoever is confirmed: refused elsewhere at every save, at enabling, at sizing and at every order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aggregates.base import Principal
from aggregates.errors import DomainError
from aggregates.policy import Limits
from commands.batch_job import RunBatch, SizeAudience
from commands.policy import SetPolicy
from commands.runs import RunWorkflow
from commands.workflow import CreateWorkflow, EditWorkflow, EnableWorkflow
from tests.commands.conftest import MakeProduct, refused
from tests.support.product import EVERYONE, Product
from tests.support.walks import chain, step

OPS = "ops@example.com"


def mail(id: str = "mail", **config: Any) -> dict[str, Any]:
    return step(id, "email", {"subject": "Hello", "text": "Hi", **config})


def pointers(refusal: DomainError) -> dict[str, str]:
    return {problem.pointer: problem.code for problem in refusal.problems}


@pytest.fixture
def product(product_with: MakeProduct) -> Product:
    return product_with(notify_addresses=OPS)


def test_thirty_emails_to_literal_addresses_are_refused_at_the_save_with_every_pointer(product: Product) -> None:
    steps = chain(*(mail(f"m{n}", to=f"p{n}@example.com") for n in range(30)))
    refusal = refused(product, CreateWorkflow("Mail", trigger={"type": "manual", "inputs": {}}, **steps))
    assert (refusal.code, pointers(refusal)) == (
        "workflow.invalid",
        {f"/steps/{n}/config/to": "email.to_elsewhere" for n in range(30)} | {"/steps": "workflow.too_many_sends"},
    )


def test_an_edit_to_another_address_is_refused(product: Product) -> None:
    workflow_id = product.workflow(steps=[mail()], active=False)
    refusal = refused(product, EditWorkflow(workflow_id, 1, steps=[mail(to="{{ person.properties.other }}")]))
    assert pointers(refusal) == {"/steps/0/config/to": "email.to_elsewhere"}


def test_a_page_may_keep_an_unfinished_draft_which_is_refused_at_enabling_and_sizing(product: Product) -> None:
    web = product.principal(source="web")
    draft = CreateWorkflow("Mail", trigger=EVERYONE, steps=[mail(to="x@example.com")])
    answer = product.ask(draft, web)
    assert [finding["code"] for finding in answer["findings"]] == ["email.to_elsewhere"]
    for command in (EnableWorkflow(answer["workflow_id"]), SizeAudience(answer["workflow_id"])):
        assert pointers(refused(product, command, web)) == {"/steps/0/config/to": "email.to_elsewhere"}


def test_a_listed_colleague_is_written_to_until_the_policy_lists_them_no_more(product: Product) -> None:
    product.add_people(2)
    workflow_id = product.workflow(steps=[mail(to=OPS)])
    manual = product.workflow(steps=[mail(to=OPS)], trigger={"type": "manual"})
    sizing = product.size(workflow_id)
    product.ask(SetPolicy(Limits(notify_addresses=())))
    narrowed = _narrowed(product, notify_addresses=())
    orders: list[Callable[[], Any]] = [
        lambda: product.ask(SizeAudience(workflow_id), narrowed),
        lambda: product.ask(RunBatch(workflow_id, 2, sizing["confirm_token"]), narrowed),
        lambda: product.ask(RunWorkflow(manual), narrowed),
    ]
    for order in orders:
        with pytest.raises(DomainError) as refusal:
            order()
        assert pointers(refusal.value) == {"/steps/0/config/to": "email.to_elsewhere"}


def test_a_sizing_says_how_many_messages_one_person_gets(product: Product) -> None:
    product.add_people(3)
    hook = step("hook", "webhook", {"url": "https://example.com"})
    sizing = product.size(product.workflow(**chain(mail("a"), hook, mail("b"))))
    assert (sizing["deliveries"], sizing["per_person"]) == ({"email": 2, "webhook": 1}, 3)
    told = "3 people, at most 3 messages each (2 email, 1 webhook), and whoever the receiver tells."
    assert sizing["reaches"] == told
    sizing = product.size(product.workflow())
    assert (sizing["deliveries"], sizing["per_person"], sizing["reaches"]) == ({}, 0, "3 people.")


def test_a_key_that_may_send_less_is_refused_more(product: Product) -> None:
    workflow_id = product.workflow(**chain(mail("a"), mail("b")))
    product.add_people(1)
    refusal = refused(product, SizeAudience(workflow_id), _narrowed(product, max_sends=1))
    assert pointers(refusal) == {"/steps": "workflow.too_many_sends"}


def _narrowed(product: Product, **limits: Any) -> Principal:
    return product.principal(limits=(Limits(**limits), Limits()))

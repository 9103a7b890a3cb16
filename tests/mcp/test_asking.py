"""A client that can ask its human is made to ask before a batch runs; and nothing depends on that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Literal
from uuid import UUID

import pytest
from mcp import Client, MCPError
from mcp.types import CallToolResult, ElicitResult, InputRequiredResult

from mcp_adapter.asking import Form
from tests.mcp.conftest import CONTENT, PEOPLE, World
from tests.support.agents import Agent, facts, problem
from tests.support.humans import Human
from tests.support.refusals import refusals

RUN = "workflows-run-batch"
YES: dict[str, Any] = {"people": PEOPLE, "go_on": True}

Round = CallToolResult | InputRequiredResult


@pytest.fixture
def agent(world: World) -> Agent:
    """Of the protocol in which a server can ask; its client can too."""
    return replace(world.agent(), human=Human(**YES))


@pytest.fixture
def arguments(agent: Agent, workflow_id: str) -> dict[str, Any]:
    return asked_for(agent, workflow_id)


def asked_for(agent: Agent, workflow_id: str) -> dict[str, Any]:
    sized = agent.call("workflows-blast-radius", workflow_id=workflow_id)
    return {
        "workflow_id": workflow_id,
        "acknowledged_affected_count": sized["affected"],
        "confirm_token": sized["confirm_token"],
    }


def asked(agent: Agent) -> list[str]:
    assert isinstance(agent.human, Human)
    return [question.message for question in agent.human.asked]


def by_hand(agent: Agent, body: Callable[[Callable[..., Awaitable[Round]]], Awaitable[None]]) -> None:
    """Do the rounds of a call one by one, on one connection."""

    async def run(client: Client) -> None:
        async def call(arguments: dict[str, Any], **answers: Any) -> Round:
            result = await client.session.call_tool(RUN, arguments, allow_input_required=True, **answers)
            assert isinstance(result, CallToolResult | InputRequiredResult)
            return result

        await body(call)

    agent.within(run)


def answered(question: Round, **content: Any) -> dict[str, Any]:
    """The second round of a call: the state as it came, and an answer."""
    assert isinstance(question, InputRequiredResult)
    assert question.input_requests
    responses = {key: ElicitResult(action="accept", content=content or YES) for key in question.input_requests}
    return {"input_responses": responses, "request_state": question.request_state}


def test_a_human_who_agrees_is_asked_once_with_the_number_and_the_name(
    agent: Agent, world: World, arguments: dict[str, Any]
) -> None:
    events, jobs, _ = world.traces()
    assert agent.call(RUN, **arguments)["acknowledged"] == PEOPLE
    (question,) = asked(agent)
    assert question.startswith(f'Run workflow "Spring launch" over {PEOPLE} people now?')
    assert "capture" in question
    assert world.traces()[:2] == (events + 1, jobs + 1)


def test_the_form_is_flat(agent: Agent, arguments: dict[str, Any]) -> None:
    agent.call(RUN, **arguments)
    assert isinstance(agent.human, Human)
    schema = agent.human.asked[0].requested_schema
    assert {name: field["type"] for name, field in schema["properties"].items()} == {
        "people": "integer",
        "go_on": "boolean",
    }
    assert schema["required"] == list(Form.model_fields)


@pytest.mark.parametrize(
    ("action", "content", "said"),
    [
        ("decline", {}, "decline"),
        ("cancel", {}, "cancel"),
        ("accept", {"people": PEOPLE, "go_on": False}, "no"),
        ("accept", {"people": PEOPLE + 1, "go_on": True}, PEOPLE + 1),
        ("accept", {"people": PEOPLE}, "unreadable"),
        ("accept", {}, "unreadable"),
    ],
)
def test_without_a_yes_to_the_number_nothing_is_started(
    agent: Agent,
    world: World,
    arguments: dict[str, Any],
    action: Literal["accept", "decline", "cancel"],
    content: dict[str, Any],
    said: Any,
) -> None:
    before = world.traces()
    refused = replace(agent, human=Human(action, **content)).refusal(RUN, **arguments)
    assert (refused["code"], refused["details"]["answer"]) == ("confirm.declined", said)
    assert world.traces() == before
    about = UUID(arguments["workflow_id"])
    assert refusals(world.system.engine) == [("RunBatch", "confirm.declined", about)]
    assert agent.call(RUN, **arguments)["status"] == "queued"  # the token was not spent by a no


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_client_that_cannot_ask_goes_on_with_count_and_token(world: World, workflow_id: str, mode: str) -> None:
    human = Human(**YES) if mode == "legacy" else None  # with the older protocols nobody can be asked
    plain = replace(world.agent(mode=mode), human=human)
    assert plain.call(RUN, **asked_for(plain, workflow_id))["status"] == "queued"
    assert human is None or human.asked == []


def test_a_yes_replaces_neither_count_nor_token(agent: Agent, arguments: dict[str, Any]) -> None:
    del arguments["confirm_token"]
    assert agent.refusal(RUN, **arguments)["code"] == "confirm.missing"
    assert asked(agent) == []


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"confirm_token": "garbage"}, "confirm.invalid"),
        ({"acknowledged_affected_count": PEOPLE + 1}, "audience.drift"),
        ({"acknowledged_affected_count": "seven"}, "request.invalid"),
        ({"variables": {"offer": 3}}, "variables.invalid"),
        ({"variables": {"offer": "twenty"}}, "confirm.changed"),
        ({"workflow_id": "nothing"}, "workflow.not_found"),
        ({"dry_run": True}, "request.invalid"),
    ],
)
def test_nobody_is_asked_for_what_would_be_refused(
    agent: Agent, world: World, arguments: dict[str, Any], wrong: dict[str, Any], code: str
) -> None:
    before = world.traces()
    assert agent.refusal(RUN, **arguments | wrong)["code"] == code
    assert (asked(agent), world.traces()) == ([], before)


def test_nobody_is_asked_without_the_scope_the_key_or_an_active_workflow(
    agent: Agent, world: World, arguments: dict[str, Any]
) -> None:
    blind = replace(agent, key=world.key(scopes=["workflow:read", "person:read"])[1])
    assert blind.refusal(RUN, **arguments)["code"] == "scope.missing"
    other = replace(agent, key=world.key()[1])
    assert other.refusal(RUN, **arguments)["code"] == "confirm.changed"
    draft = str(agent.call("workflows-create", name="Draft", **CONTENT)["workflow_id"])
    assert agent.refusal(RUN, **asked_for(agent, draft))["code"] == "workflow.not_active"
    assert asked(agent) == []


def test_the_same_call_again_is_the_same_job_and_asks_nobody(agent: Agent, arguments: dict[str, Any]) -> None:
    started = agent.call(RUN, **arguments)
    unwilling = replace(agent, human=Human("decline"))
    assert unwilling.call(RUN, **arguments) == {**started, "changed": False}
    assert asked(unwilling) == []


def test_an_answer_that_is_sent_again_starts_no_second_job(
    agent: Agent, world: World, arguments: dict[str, Any]
) -> None:
    async def body(call: Callable[..., Awaitable[Round]]) -> None:
        answer = answered(await call(arguments))
        first, second = [facts(await call(arguments, **answer)) for _ in range(2)]  # type: ignore[arg-type]
        assert second == {**first, "changed": False}

    _, jobs, _ = world.traces()
    by_hand(agent, body)
    assert world.traces()[1] == jobs + 1


def test_an_answer_to_a_question_that_was_not_asked_is_not_taken(
    agent: Agent, world: World, arguments: dict[str, Any]
) -> None:
    async def body(call: Callable[..., Awaitable[Round]]) -> None:
        invented = answered(await call(arguments)) | {"request_state": None}
        assert isinstance(await call(arguments, **invented), InputRequiredResult)

    before = world.traces()
    by_hand(agent, body)
    assert world.traces() == before


def test_the_state_is_good_for_its_key_its_arguments_and_itself(
    agent: Agent, world: World, workflow_id: str, arguments: dict[str, Any]
) -> None:
    kept: list[dict[str, Any]] = []
    others = (arguments | {"idempotency_key": "k"}, asked_for(agent, workflow_id))

    async def mine(call: Callable[..., Awaitable[Round]]) -> None:
        kept.append(answered(await call(arguments)))
        state = kept[0]["request_state"]
        for changed in others:
            with pytest.raises(MCPError, match="requestState"):
                await call(changed, **kept[0])
        middle = len(state) // 2
        another = "A" if state[middle] != "A" else "B"
        with pytest.raises(MCPError, match="requestState"):
            await call(arguments, **kept[0] | {"request_state": state[:middle] + another + state[middle + 1 :]})

    async def theirs(call: Callable[..., Awaitable[Round]]) -> None:
        with pytest.raises(MCPError, match="requestState"):
            await call(arguments, **kept[0])

    before = world.traces()
    by_hand(agent, mine)
    by_hand(replace(agent, key=world.key()[1]), theirs)
    assert world.traces() == before


def test_an_audience_that_changes_while_the_human_thinks_is_refused(
    agent: Agent, world: World, arguments: dict[str, Any]
) -> None:
    async def body(call: Callable[..., Awaitable[Round]]) -> None:
        answer = answered(await call(arguments))
        world.people(count=1, start=50)
        result = await call(arguments, **answer)
        assert isinstance(result, CallToolResult)
        assert problem(result)["code"] == "audience.drift"

    before = world.traces()
    by_hand(agent, body)
    assert world.traces() == before


def test_only_running_a_batch_asks(agent: Agent, world: World) -> None:
    world.people(count=PEOPLE)
    made = agent.call("workflows-create", name="W", **CONTENT)["workflow_id"]
    agent.call("workflows-enable", workflow_id=made)
    agent.call("workflows-blast-radius", workflow_id=made)
    assert asked(agent) == []

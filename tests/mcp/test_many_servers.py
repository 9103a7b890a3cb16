"""Four server processes behind one address, each request at the next one: an agent does not notice, in either era."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.types import ElicitResult, InputRequiredResult
from sqlalchemy import update

from engine.clock import SystemClock
from engine.embedded import Services
from engine.sessions import Sessions
from projections import tables
from tests.mcp.conftest import AGENT_SCOPES, CONTENT, ERAS
from tests.support.agents import Agent, facts
from tests.support.brokers import emptied
from tests.support.databases import Databases
from tests.support.fleet import PEOPLE, Fleet, fleet
from tests.support.humans import Human
from tests.support.visitors import VERSION, Visitor, message, told

LIST = message("tools/list")
METHODS = ("POST", "GET", "DELETE")
SERVERS = 4
RUN = "workflows-run-batch"


class Yesterday(SystemClock):
    """Of a process that opened a session a day and a minute ago."""

    def now(self) -> datetime:
        return super().now() - timedelta(days=1, minutes=1)


@pytest.fixture(scope="module")
def many(
    databases: Databases, services: Services, tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Iterator[Fleet]:
    url = databases.create()
    home = tmp_path_factory.mktemp("fleet")
    with fleet(url, emptied(services.redis_url, worker_id), home, servers=SERVERS) as made:
        yield made
    databases.drop(url)


@pytest.fixture
def visitor(many: Fleet) -> Visitor:
    return Visitor(many.mcp, many.key(AGENT_SCOPES))


def everywhere(visitor: Visitor, session: str, many: Fleet) -> set[tuple[str, int]]:
    """What every process answers to every method."""
    many.proxy.taken.clear()
    answers = {
        (method, visitor.send(method, session, LIST if method == "POST" else None).status_code)
        for method in METHODS
        for _ in many.servers
    }
    assert set(many.proxy.taken) == set(range(len(many.servers)))
    return answers


NOWHERE = {(method, 404) for method in METHODS}


@pytest.mark.parametrize("mode", ERAS)
def test_a_broadcast_from_draft_to_done_on_one_connection(many: Fleet, mode: str) -> None:
    human = Human(people=PEOPLE, go_on=True)
    agent = Agent(many.mcp, many.key(AGENT_SCOPES), mode, human)

    async def body(client: Client) -> dict[str, Any]:
        async def call(tool: str, **arguments: Any) -> dict[str, Any]:
            return facts(await client.call_tool(tool, arguments))

        workflow = (await call("workflows-create", name="Spring launch", **CONTENT))["workflow_id"]
        await call("workflows-enable", workflow_id=workflow)
        sized = await call("workflows-blast-radius", workflow_id=workflow)
        started = await call(
            "workflows-run-batch",
            workflow_id=workflow,
            acknowledged_affected_count=sized["affected"],
            confirm_token=sized["confirm_token"],
        )
        job = await call("batch-jobs-get", batch_job_id=started["batch_job_id"], wait_seconds=25)
        while not job["ended"]:
            job = await call("batch-jobs-get", batch_job_id=started["batch_job_id"], wait_seconds=25)
        return job

    many.proxy.taken.clear()
    job = agent.within(body)
    assert (job["status"], job["counts"]["delivered"]) == ("completed", PEOPLE)
    assert len(human.asked) == (mode == "auto")
    assert set(many.proxy.taken) == set(range(len(many.servers)))


def test_the_answer_of_a_human_is_taken_up_by_another_process(many: Fleet) -> None:
    agent = Agent(many.mcp, many.key(AGENT_SCOPES), "auto", Human(people=PEOPLE, go_on=True))

    async def body(client: Client) -> None:
        async def call(tool: str, **arguments: Any) -> dict[str, Any]:
            return facts(await client.call_tool(tool, arguments))

        workflow = (await call("workflows-create", name="W", **CONTENT))["workflow_id"]
        await call("workflows-enable", workflow_id=workflow)
        for _ in range(SERVERS):
            sized = await call("workflows-blast-radius", workflow_id=workflow)
            arguments = {
                "workflow_id": workflow,
                "acknowledged_affected_count": sized["affected"],
                "confirm_token": sized["confirm_token"],
            }
            question = await client.session.call_tool(RUN, arguments, allow_input_required=True)
            asking = many.proxy.taken[-1]
            assert isinstance(question, InputRequiredResult)
            assert question.input_requests
            yes = ElicitResult(action="accept", content={"people": PEOPLE, "go_on": True})
            responses: dict[str, Any] = dict.fromkeys(question.input_requests, yes)
            answer = await client.session.call_tool(
                RUN, arguments, input_responses=responses, request_state=question.request_state
            )
            assert facts(answer)["acknowledged"] == PEOPLE
            assert many.proxy.taken[-1] != asking

    agent.within(body)


def test_a_session_of_one_key_is_unknown_to_another_on_every_process(visitor: Visitor, many: Fleet) -> None:
    session = visitor.open()
    other = replace(visitor, key=many.key(AGENT_SCOPES))
    assert everywhere(other, session, many) == NOWHERE
    for _ in many.servers:
        assert visitor.send("POST", session, LIST).status_code == 200


def test_a_session_that_one_process_ended_is_ended_on_all(visitor: Visitor, many: Fleet) -> None:
    session = visitor.open()
    assert visitor.send("DELETE", session).status_code == 200
    assert everywhere(visitor, session, many) == NOWHERE


def test_forged_sessions_are_unknown_on_every_process(visitor: Visitor, many: Fleet) -> None:
    payload, _, signature = visitor.open().rpartition(".")
    for forged in ("x", f"{payload[:-1]}{'A' if payload[-1] != 'A' else 'B'}.{signature}", f"{payload}.{signature}x"):
        assert everywhere(visitor, forged, many) == NOWHERE


def test_a_session_that_is_too_old_is_unknown_on_every_process(visitor: Visitor, many: Fleet) -> None:
    me = many.system.principal_of(visitor.key, "mcp")
    key = many.system.secrets.derive("mcp sessions")
    for clock, answer in ((SystemClock(), {("POST", 200), ("GET", 405)}), (Yesterday(), NOWHERE)):
        session = Sessions(many.system.engine, key, clock, 24).open(me, version=VERSION, client="probe 1")
        assert everywhere(visitor, session, many) >= answer


def test_scopes_and_the_end_of_a_key_count_on_every_process_from_the_next_call_on(
    visitor: Visitor, many: Fleet
) -> None:
    key_id = many.system.principal_of(visitor.key, "mcp").id
    session = visitor.open()

    def changed(**columns: Any) -> None:
        with many.system.engine.begin() as connection:
            connection.execute(update(tables.api_keys).filter_by(id=key_id).values(columns))

    for scopes, refused in ((["workflow:read"], True), (["workflow:write"], False)):
        changed(scopes=scopes)
        for _ in many.servers:
            created = visitor.call(session, "workflows-create", name="W", **CONTENT)
            assert created.get("isError", False) is refused
    changed(revoked_at=many.system.clock.now())
    assert everywhere(visitor, session, many) == {(method, 401) for method in METHODS}


def test_a_keys_rate_is_one_for_all_processes_and_both_doors(many: Fleet) -> None:
    key = many.key(AGENT_SCOPES, rate_per_minute=1)
    visitor, agent = Visitor(many.mcp, key), Agent(many.mcp, key)
    session = visitor.open()
    many.proxy.taken.clear()
    headers = {"Authorization": f"Bearer {key}"}
    answers = [
        httpx2.get(f"{many.proxy.url}/api/v1/workflows", headers=headers, trust_env=False) for _ in range(2 * SERVERS)
    ]
    assert [answer.status_code for answer in answers] == [200] + [429] * (2 * SERVERS - 1)
    assert set(many.proxy.taken) == set(range(SERVERS))
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    refusal = agent.refusal("workflows-list")
    assert (refusal["code"], refusal["details"]["rate_per_minute"]) == ("rate.limited", 1)
    assert 1 <= refusal["details"]["retry_after"] <= 60
    assert all(visitor.call(session, "workflows-list")["isError"] for _ in many.servers)


def test_a_process_that_is_killed_ends_no_session(visitor: Visitor, many: Fleet) -> None:
    sessions = [visitor.open() for _ in many.servers]
    many.kill(many.servers[0])
    for session in sessions:
        for _ in many.servers:
            answer = visitor.send("POST", session, LIST)
            assert "tools" in told(answer)["result"]

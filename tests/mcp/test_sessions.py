"""Sessions of the older protocols: whose they are, how long they last, how they end, and that they give no rights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from itsdangerous import URLSafeSerializer
from sqlalchemy import func, select, update

from commands.keys import RevokeKey
from engine.bootstrap import System, build, system_principal
from engine.sessions import Sessions
from engine.settings import load_settings
from projections import tables
from projections.runner import read_log
from tests.mcp.conftest import CONTENT, World
from tests.support.product import MovableClock
from tests.support.timetable import scheduler_of
from tests.support.visitors import VERSION, Visitor, message, told

LIST = message("tools/list")
METHODS = ("POST", "GET", "DELETE")


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def system(database_url: str, tmp_path: Path, clock: MovableClock) -> Iterator[System]:
    """As everywhere here, with a clock that a test can move, and sessions of two hours."""
    given: dict[str, Any] = {"database_url": database_url, "data_dir": tmp_path, "http_port": 0}
    settings = load_settings({}, directory=tmp_path, mcp_session_hours=2, **given)
    with closing(build(settings, clock=clock)) as system:
        yield system


@pytest.fixture
def visitor(world: World) -> Visitor:
    return Visitor(f"{world.url}/mcp", world.key()[1])


def unknown(visitor: Visitor, session: str) -> list[tuple[int, Any]]:
    """What every method answers."""
    answers = [visitor.send(method, session, LIST if method == "POST" else None) for method in METHODS]
    return [(answer.status_code, answer.json()) for answer in answers]


SESSION_NOT_FOUND = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "Session not found"}}
NOWHERE = [(404, SESSION_NOT_FOUND)] * 3


def ended_rows(world: World) -> int:
    with world.system.engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(tables.ended_sessions)).scalar_one()


def test_an_id_is_visible_ascii_of_fair_length_and_never_the_same(visitor: Visitor) -> None:
    ids = [visitor.open(name=name) for name in ("probe", "probe", "\N{GRINNING FACE}" * 500)]
    assert len(set(ids)) == 3
    assert all("!" <= letter <= "~" for id in ids for letter in id)
    assert max(len(id) for id in ids) < 2_000


def test_an_initialize_that_fails_opens_no_session(visitor: Visitor) -> None:
    answer = visitor.send("POST", None, message("initialize", protocolVersion=VERSION))
    assert "error" in told(answer)
    assert "Mcp-Session-Id" not in answer.headers


def test_every_answer_of_a_session_names_it(visitor: Visitor) -> None:
    session = visitor.open()
    answers = [visitor.send("POST", session, LIST), visitor.send("GET", session), visitor.send("DELETE", session)]
    assert [answer.headers["Mcp-Session-Id"] for answer in answers] == [session] * 3


def test_there_are_tools_and_nothing_that_others_could_list(visitor: Visitor) -> None:
    capabilities = told(visitor.initialize())["result"]["capabilities"]
    assert set(capabilities) - {"experimental"} == {"tools", "resources", "prompts"}
    assert "error" in told(visitor.send("POST", visitor.open(), message("tasks/list")))
    for kind in ("resources", "prompts"):
        assert told(visitor.send("POST", visitor.open(), message(f"{kind}/list")))["result"][kind] == []


def test_there_is_no_stream_to_get(visitor: Visitor) -> None:
    answer = visitor.send("GET", visitor.open(), Accept="text/event-stream")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST, DELETE")


@pytest.mark.parametrize("method", METHODS)
def test_without_an_id_only_initialize_is_taken(visitor: Visitor, method: str) -> None:
    answer = visitor.send(method, None, LIST if method == "POST" else None)
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, "Bad Request: Missing session ID")


@pytest.mark.parametrize("opened", [False, True])
def test_what_is_wrong_in_itself_is_refused_with_and_without_a_session(visitor: Visitor, opened: bool) -> None:
    session = visitor.open() if opened else None
    wrong = {
        "batch": visitor.send("POST", session, [LIST, LIST]).status_code,
        "accept": visitor.send("POST", session, LIST, Accept="application/json").status_code,
        "content": visitor.send("POST", session, LIST, Content_Type="text/plain").status_code,
        "version": visitor.send("POST", session, LIST, MCP_Protocol_Version="1999-01-01").status_code,
        "method": visitor.send("PUT", session, LIST).status_code,
        "size": visitor.send("POST", session, "x" * 1024 * 1024).status_code,
    }
    assert wrong == {"batch": 400, "accept": 406, "content": 400, "version": 400, "method": 405, "size": 413}


@pytest.mark.parametrize(("header", "status"), [("Host", 421), ("Origin", 403)])
def test_hosts_and_origins_are_checked_for_every_method(visitor: Visitor, header: str, status: int) -> None:
    session = visitor.open()
    foreign = {header: "http://evil.example" if header == "Origin" else "evil.example"}
    for method in METHODS:
        body = LIST if method == "POST" else None
        assert visitor.send(method, session, body, **foreign).status_code == status
    assert visitor.send("POST", session, LIST).status_code == 200


def test_a_session_of_one_key_is_unknown_to_every_other(visitor: Visitor, world: World) -> None:
    session = visitor.open()
    of_the_project, of_another = world.key()[1], world.key(project=world.other_project)[1]
    assert unknown(replace(visitor, key=of_the_project), session) == NOWHERE
    assert unknown(replace(visitor, key=of_another), session) == NOWHERE
    assert visitor.send("POST", session, LIST).status_code == 200


def test_a_forged_session_is_unknown(visitor: Visitor) -> None:
    session = visitor.open()
    payload, _, signature = session.rpartition(".")
    by_another = URLSafeSerializer("another secret").dumps(["x", "y", 0, 2**40, VERSION, "", ""])
    changed = payload[:-1] + ("A" if payload[-1] != "A" else "B")
    for forged in ("x", "0" * 5000, payload, f"{changed}.{signature}", f"{payload}.{signature[::-1]}", str(by_another)):
        assert unknown(visitor, forged) == NOWHERE
    assert visitor.send("POST", session, LIST).status_code == 200


def test_a_session_that_was_ended_is_unknown_and_no_other_is(visitor: Visitor) -> None:
    session, other = visitor.open(), visitor.open()
    answer = visitor.send("DELETE", session)
    assert (answer.status_code, answer.content) == (200, b"")
    assert unknown(visitor, session) == NOWHERE
    assert visitor.send("POST", other, LIST).status_code == 200


def test_a_session_ends_by_its_age(visitor: Visitor, clock: MovableClock) -> None:
    session = visitor.open()
    clock.advance(hours=1, minutes=59)
    assert visitor.send("POST", session, LIST).status_code == 200
    clock.advance(minutes=2)
    assert unknown(visitor, session) == NOWHERE
    assert visitor.send("POST", visitor.open(), LIST).status_code == 200


def test_a_shorter_age_counts_for_sessions_that_are_open(world: World, clock: MovableClock) -> None:
    me = system_principal(world.project)
    by_hours = {
        hours: Sessions(world.system.engine, world.system.secrets.derive("mcp sessions"), clock, hours)
        for hours in (1, 2, 3)
    }
    session = by_hours[2].open(me, version=VERSION, client="probe 1")
    clock.advance(minutes=90)
    assert [by_hours[hours].find(session, me) is not None for hours in (1, 2, 3)] == [False, True, True]
    clock.advance(minutes=60)
    assert [by_hours[hours].find(session, me) is not None for hours in (1, 2, 3)] == [False, False, False]


def test_the_end_of_a_session_is_kept_until_its_age_and_then_collected(
    visitor: Visitor, world: World, clock: MovableClock
) -> None:
    session = visitor.open()
    visitor.send("DELETE", session)
    scheduler = scheduler_of(world.system)
    scheduler.collect()
    assert ended_rows(world) == 1
    clock.advance(hours=4)
    scheduler.collect()
    assert ended_rows(world) == 0
    assert unknown(visitor, session) == NOWHERE


def test_what_is_stored_of_an_ended_session_opens_none(visitor: Visitor, world: World) -> None:
    session = visitor.open()
    visitor.send("DELETE", session)
    with world.system.engine.connect() as connection:
        stored = connection.execute(select(tables.ended_sessions.c.id)).scalar_one()
    assert stored not in session
    assert session not in stored


def test_scopes_of_this_moment_count_in_a_session_that_is_open(world: World) -> None:
    key_id, plain = world.key(scopes=["workflow:read"])
    visitor = Visitor(f"{world.url}/mcp", plain)
    session = visitor.open()
    assert visitor.call(session, "workflows-create", name="W", **CONTENT)["isError"]
    for scopes, refused in ((["workflow:write"], False), (["workflow:read"], True)):
        with world.system.engine.begin() as connection:
            connection.execute(update(tables.api_keys).filter_by(id=key_id).values(scopes=scopes))
        assert visitor.call(session, "workflows-create", name="W", **CONTENT).get("isError", False) is refused


def test_a_key_that_was_revoked_is_refused_in_a_session_that_is_open(world: World) -> None:
    key_id, plain = world.key()
    visitor = Visitor(f"{world.url}/mcp", plain)
    session = visitor.open()
    admin = system_principal(world.project)
    world.system.bus.dispatch(RevokeKey(key_id), world.system.meta(admin, via="test"))
    for method in METHODS:
        assert visitor.send(method, session, LIST if method == "POST" else None).status_code == 401


def test_the_clients_name_is_recorded_with_what_it_does_in_a_session(visitor: Visitor, world: World) -> None:
    session = visitor.open(name="Some\u0000 Client\N{RIGHT-TO-LEFT OVERRIDE}")
    assert not visitor.call(session, "workflows-create", name="W", **CONTENT).get("isError")
    with world.system.engine.connect() as connection:
        assert read_log(connection, after=0, limit=1_000)[-1].event.meta["client"] == "Some Client 1"


def test_a_session_is_good_at_both_addresses(visitor: Visitor) -> None:
    session = visitor.open()
    studio = replace(visitor, url=f"{visitor.url}/studio")
    assert studio.send("POST", session, LIST).status_code == 200
    assert studio.send("DELETE", session).status_code == 200
    assert unknown(visitor, session) == NOWHERE


def test_another_secret_knows_none_of_our_sessions(database_url: str, tmp_path: Path, world: World) -> None:
    me = system_principal(world.project)
    session = world.system.sessions.open(me, version=VERSION, client="probe 1")
    settings = load_settings({}, directory=tmp_path, database_url=database_url, data_dir=tmp_path / "other")
    with closing(build(settings)) as other:
        assert other.sessions.find(session, me) is None
    assert world.system.sessions.find(session, me) is not None

"""An installation with two projects behind a real server, and agents that talk to it with the SDK's own client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import pytest
from sqlalchemy import func, insert, select

from commands.grants import SCOPES
from engine.bootstrap import System, build, ensure_project
from engine.ids import new_id
from engine.settings import load_settings
from projections import tables
from tests.support.agents import Agent
from tests.support.refusals import FACTS
from tests.support.serving import following, serving

T = TypeVar("T")

PEOPLE = 7
"""How many the active workflow of the tests would reach."""

ERAS = ("legacy", "auto")
"""The handshake of 2025-11-25, and requests that stand for themselves of 2026-07-28."""

OF_BOTH_ERAS = {"test_asking", "test_batch", "test_confirm_url", "test_confirming", "test_door"}

AGENT_SCOPES = sorted(SCOPES - {"key:admin", "batch:approve", "person:write", "cohort:write"})

CONTENT: dict[str, Any] = {
    "trigger": {
        "type": "batch",
        "filters": {"properties": [{"type": "person", "key": "plan", "operator": "exact", "value": ["pro"]}]},
    },
    "steps": [{"id": "note", "name": "Note", "type": "capture", "config": {"message": "Hello"}}],
    "edges": [],
    "variables": [{"key": "offer", "type": "string", "default": "ten"}],
}


@dataclass(frozen=True)
class World:
    """What a test works with: the parts, the address, and two tenants."""

    system: System
    url: str
    project: UUID
    other_project: UUID

    def agent(self, *, mode: str = "auto", scopes: list[str] | None = None, project: UUID | None = None) -> Agent:
        return Agent(f"{self.url}/mcp", self.key(scopes=scopes, project=project)[1], mode)

    def limited(self, agent: Agent, **limits: Any) -> Agent:
        """Another agent, whose key narrows the policy."""
        return replace(agent, key=self.key(limits=limits)[1])

    def key(self, *, scopes: list[str] | None = None, project: UUID | None = None, **fields: Any) -> tuple[str, str]:
        """A new key: its id and its plain text."""
        with self.system.engine.begin() as connection:
            return self.system.keyring.create(
                connection,
                project or self.project,
                name="agent",
                scopes=AGENT_SCOPES if scopes is None else scopes,
                now=self.system.clock.now(),
                **fields,
            )

    def people(self, *, count: int, start: int = 0, plan: str = "pro") -> None:
        rows = [
            {
                "project_id": self.project,
                "distinct_id": f"p{n}",
                "email": f"p{n}@example.com",
                "properties": {"plan": plan},
            }
            for n in range(start, start + count)
        ]
        with self.system.engine.begin() as connection:
            connection.execute(insert(tables.people), rows)

    def cohort(self, name: str, kind: str) -> None:
        row = {"id": new_id(), "project_id": self.project, "name": name, "kind": kind}
        with self.system.engine.begin() as connection:
            connection.execute(insert(tables.cohorts).values(row))

    def traces(self) -> tuple[int, int, int]:
        """Events but records of refusals, batch jobs and frozen chunks: what a refused call must leave as it was."""
        jobs = select(func.count()).select_from(tables.stream_heads).where(tables.stream_heads.c.kind == "batch_job")
        with self.system.engine.connect() as connection:
            return (
                connection.execute(FACTS).scalar_one(),
                connection.execute(jobs).scalar_one(),
                connection.execute(select(func.count()).select_from(tables.chunks)).scalar_one(),
            )


@pytest.fixture
def system(database_url: str, tmp_path: Path) -> Iterator[System]:
    settings = load_settings({}, directory=tmp_path, database_url=database_url, data_dir=tmp_path, http_port=0)
    with closing(build(settings)) as system:
        yield system


@pytest.fixture
def world(system: System) -> Iterator[World]:
    """Views that follow, and both doors on a free port."""
    project, _ = ensure_project(system)
    other, _ = ensure_project(system, "other")
    with following(system), serving(system) as url:
        yield World(system, url, project, other)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The eras differ in how a call travels and how a human is asked, not in what a tool does."""
    if "agent" in metafunc.fixturenames and metafunc.module.__name__.rpartition(".")[2] in OF_BOTH_ERAS:
        metafunc.parametrize("agent", ERAS, indirect=True)


@pytest.fixture
def agent(request: pytest.FixtureRequest, world: World) -> Agent:
    """An agent of the default project; in each era, where that makes a difference."""
    return world.agent(mode=getattr(request, "param", "auto"))


@pytest.fixture
def workflow_id(agent: Agent, world: World) -> str:
    """An active workflow that would reach seven people."""
    world.people(count=PEOPLE)
    world.people(count=2, start=100, plan="free")
    made = agent.call("workflows-create", name="Spring launch", **CONTENT)
    assert agent.call("workflows-enable", workflow_id=made["workflow_id"])["status"] == "active"
    return str(made["workflow_id"])


@pytest.fixture
def stranger(agent: Agent, world: World) -> Agent:
    """An agent of another project, in the same era."""
    return replace(agent, key=world.key(project=world.other_project)[1])

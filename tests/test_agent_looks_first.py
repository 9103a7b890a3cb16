"""The example agent, against answers as a server gives them: it asks nobody for a number that cannot be."""

from __future__ import annotations

import asyncio
import importlib.util
from types import ModuleType
from typing import Any

import pytest

from tests.support.processes import ROOT

SIZING: dict[str, Any] = {
    "affected": 40,
    "matched": 40,
    "excluded": {},
    "limit": 50,
    "send_mode": "live",
    "policy": {},
    "findings": [],
    "confirm_token": "t",
}


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("example_agent", ROOT / "examples" / "agent.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Server:
    """Answers from a script, and remembers what was asked."""

    def __init__(self, sizing: dict[str, Any], started: dict[str, Any], *jobs: dict[str, Any]) -> None:
        self.asked: list[str] = []
        self._answers: dict[str, list[dict[str, Any]]] = {
            "workflows-create": [{"workflow_id": "w"}],
            "workflows-enable": [{}],
            "workflows-blast-radius": [sizing],
            "workflows-run-batch": [{"batch_job_id": "j", **started}],
            "batch-jobs-get": [
                {"summary": "", "batch_job_id": "j", "counts": {}, "enrolled": 0, **job} for job in jobs
            ],
        }

    async def __call__(self, tool: str, **_arguments: Any) -> dict[str, Any]:
        self.asked.append(tool)
        return self._answers[tool].pop(0)


def path(example: ModuleType, monkeypatch: pytest.MonkeyPatch, server: Server, given: int | None) -> int:
    async def content(_tidegate: Any) -> dict[str, Any]:
        return {}

    def asked(_prompt: str) -> str:
        raise AssertionError("a human was asked")

    monkeypatch.setattr(example, "discover", content)
    monkeypatch.setattr("builtins.input", asked)
    code: int = asyncio.run(example.path(server, given))
    return code


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"affected": 51}, "At most 50 people"),
        ({"budget_left": 39}, "Only 39 more people"),
        ({"affected": 0}, "Nobody would be reached"),
    ],
)
@pytest.mark.parametrize("given", [None, 40, 51])
def test_what_cannot_be_is_said_and_asked_of_nobody(
    example: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    said: str,
    given: int | None,
) -> None:
    server = Server({**SIZING, **changes}, {})
    assert path(example, monkeypatch, server, given) == 7
    assert "workflows-run-batch" not in server.asked
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("where", [{"confirmation": "witnessed"}, {"policy": {"confirmation": "witnessed"}}])
def test_where_a_human_confirms_on_a_page_the_agent_shows_it_and_waits(
    example: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], where: dict[str, Any]
) -> None:
    held, done = {"status": "held", "ended": False}, {"status": "completed", "ended": True}
    server = Server({**SIZING, **where}, {"status": "held", "confirm_url": "https://here/confirm/1"}, held, held, done)
    assert path(example, monkeypatch, server, None) == 0
    assert server.asked.count("batch-jobs-get") == 3
    assert "https://here/confirm/1" in capsys.readouterr().out


def test_a_job_that_waits_for_a_second_person_is_left_to_them(
    example: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(SIZING, {"status": "held"}, {"status": "held", "ended": False})
    assert path(example, monkeypatch, server, 40) == 6

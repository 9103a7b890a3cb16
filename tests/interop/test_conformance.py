"""The official conformance tool against the running server. What is left out stands in `exclusions`, with reasons."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.interop import exclusions
from tests.interop.conftest import Bench, script
from tests.support.bearer_proxy import bearing
from tests.support.installation import Installation
from tests.support.processes import ROOT

pytestmark = pytest.mark.interop

OLD_TOOL, NEW_TOOL = "conformance-2025-11-25", "conformance-2026-07-28"

HANDSHAKE = (
    "server-initialize",
    "ping",
    "tools-list",
    "server-sse-multiple-streams",
    "resources-list",
    "prompts-list",
    "dns-rebinding-protection",
)


@dataclass(frozen=True)
class Suite:
    """A version of the tool, what it is asked for, and the scenarios of it that are ours."""

    tool: str
    chosen: tuple[str, ...]
    scenarios: tuple[str, ...]


SUITES = {
    "2025-11-25": Suite(OLD_TOOL, ("--suite", "all"), HANDSHAKE),
    "2025-11-25 by the newer tool": Suite(
        NEW_TOOL, ("--requirements", "2025-11-25"), (*HANDSHAKE, "server-session-lifecycle")
    ),
    "2026-07-28": Suite(
        NEW_TOOL,
        ("--requirements", "2026-07-28"),
        (
            "server-stateless",
            "tools-list",
            "server-sse-multiple-streams",
            "resources-list",
            "sep-2164-resource-not-found",
            "prompts-list",
            "dns-rebinding-protection",
            "caching",
            "input-required-result-unsupported-methods",
            "http-header-validation",
        ),
    ),
}

OURS = [(suite, scenario) for suite, found in SUITES.items() for scenario in found.scenarios]


@dataclass(frozen=True)
class Verdicts:
    """What a run of the tool left: the checks of each scenario."""

    directory: Path
    said: str

    def of(self, scenario: str) -> list[dict[str, Any]]:
        found = [path for path in self.directory.glob("*/checks.json") if _scenario(path) == scenario]
        assert len(found) == 1, f"{scenario} left {len(found)} verdicts.\n{self.said[-4000:]}"
        return list(json.loads(found[0].read_text()))

    @property
    def scenarios(self) -> set[str]:
        return {_scenario(path) for path in self.directory.glob("*/checks.json")}


def _scenario(path: Path) -> str:
    return re.sub(r"-\d{4}-\d\d-\d\dT[\d-]+Z$", "", path.parent.name).removeprefix("server-")


@pytest.fixture(scope="module")
def proxied(installation: Installation) -> Iterator[str]:
    """The endpoint, for a tool that cannot send a key."""
    with bearing(installation.url, installation.agent_key()) as url:
        yield f"{url}/mcp"


@pytest.fixture(scope="module")
def verdicts(bench: Bench, proxied: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdicts]:
    """Every suite, run once. Its exit code says nothing: it counts what we do not offer."""
    made = {}
    for name, suite in SUITES.items():
        directory = tmp_path_factory.mktemp("verdicts")
        program = script(f"{suite.tool}/dist/index.js")
        ran = bench.run("node", program, "server", "--url", proxied, *suite.chosen, "--output-dir", str(directory))
        made[name] = Verdicts(directory, ran.stdout + ran.stderr)
    return made


@pytest.mark.parametrize(("suite", "scenario"), OURS)
def test_the_server_conforms(verdicts: dict[str, Verdicts], suite: str, scenario: str) -> None:
    checks = [check for check in verdicts[suite].of(scenario) if (scenario, check["id"]) not in exclusions.CHECKS]
    assert "SUCCESS" in {check["status"] for check in checks}
    assert [check for check in checks if check["status"] not in {"SUCCESS", "INFO"}] == []


@pytest.mark.parametrize(("scenario", "check"), exclusions.CHECKS)
def test_a_check_is_left_out_only_as_long_as_it_cannot_be_made(
    verdicts: dict[str, Verdicts], scenario: str, check: str
) -> None:
    found = {entry["id"]: entry["status"] for entry in verdicts["2026-07-28"].of(scenario)}
    assert found[check] in {"FAILURE", "SKIPPED"}


@pytest.mark.parametrize("tool", [OLD_TOOL, NEW_TOOL])
def test_every_scenario_that_the_tool_offers_is_run_or_left_out_with_a_reason(
    bench: Bench, verdicts: dict[str, Verdicts], tool: str
) -> None:
    listed = bench.run("node", script(f"{tool}/dist/index.js"), "list", "--server").stdout
    offered = set(re.findall(r"^  - (\S+)", listed, re.MULTILINE))
    assert "server-initialize" in offered
    ours = {scenario for suite in SUITES.values() if suite.tool == tool for scenario in suite.scenarios}
    assert offered - ours - set(exclusions.SCENARIOS) == set()
    assert ours & set(exclusions.SCENARIOS) == set()
    ran = {scenario for name, suite in SUITES.items() if suite.tool == tool for scenario in verdicts[name].scenarios}
    assert ran - ours - set(exclusions.SCENARIOS) == set()


def test_nothing_is_left_out_that_no_tool_offers(bench: Bench) -> None:
    listed = "".join(
        bench.run("node", script(f"{tool}/dist/index.js"), "list", "--server").stdout for tool in (OLD_TOOL, NEW_TOOL)
    )
    assert [name for name in exclusions.SCENARIOS if f"  - {name} " not in listed] == []


def test_the_documentation_says_what_is_left_out_and_why() -> None:
    rows = [line for line in (ROOT / "docs" / "interop.md").read_text().splitlines() if line.startswith("|")]
    left_out: list[tuple[tuple[str, ...], str]] = [
        ((scenario,), reason) for scenario, reason in exclusions.SCENARIOS.items()
    ]
    left_out += [(pair, reason) for pair, reason in exclusions.CHECKS.items()]
    for names, reason in left_out:
        assert [row for row in rows if reason in row and all(f"`{name}`" in row for name in names)], names

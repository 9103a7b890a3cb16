"""The page that tells how to connect an agent names only what there is."""

from __future__ import annotations

import re

from aggregates.errors import CODES
from commands.grants import AGENT_SCOPES, SCOPES
from engine.settings import PREFIX, Settings
from mcp_adapter.tools import TOOLS
from tests.cli.conftest import Tidegate
from tests.support.processes import ROOT

PAGE = (ROOT / "docs" / "connect.md").read_text(encoding="utf-8")
QUOTED = set(re.findall(r"`([^`\n]+)`", PAGE))


def test_scopes_tools_codes_and_settings_exist() -> None:
    scopes = {text for text in QUOTED if re.fullmatch(r"(workflow|run|person|cohort|batch|key|audit):[a-z]+", text)}
    tools = {text for text in QUOTED if re.fullmatch(r"(workflows|runs|components|cohorts|batch-jobs)-[a-z-]+", text)}
    codes = {text for text in QUOTED if re.fullmatch(r"[a-z_]+\.[a-z_]+", text)} - {"details.close"}
    settings = set(re.findall(rf"{PREFIX}[A-Z_]+", PAGE))
    assert scopes and scopes <= SCOPES
    assert tools and tools <= set(TOOLS)
    assert codes and codes <= set(CODES) | {"details.retry_after"}
    assert settings <= {PREFIX + name.upper() for name in Settings.model_fields}


def test_an_agent_with_all_scopes_has_no_way_to_approve() -> None:
    without = re.search(r"`--scope all` is what the tools use: without (.+?)\.", PAGE)
    assert without and set(re.findall(r"`([^`]+)`", without[1])) == SCOPES - AGENT_SCOPES
    assert "batch:approve" not in AGENT_SCOPES
    assert not {tool.name for tool in TOOLS.values() if "batch:approve" in tool.scopes}


def test_commands_take_the_options_that_the_page_gives(tidegate: Tidegate) -> None:
    for command, options in (
        (("keys", "create"), ("--agent", "--scope", "--max-audience", "--approval-over", "--rate", "--expires")),
        (("mcp-config",), ("--key", "--toolsets", "--readonly", "--stdio")),
    ):
        told = tidegate(*command, "--help").out
        assert all(option in told and option in PAGE for option in options)

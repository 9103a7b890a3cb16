"""What goes wrong before and around a request: words, problem documents, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from aggregates.errors import CODES, Kind
from engine.cli.exits import OF_KIND, Exit, exit_of
from engine.settings import child_environment
from tests.cli.conftest import ROOT, Tidegate
from tests.support.product import Product


def test_every_kind_of_refusal_has_an_exit_code() -> None:
    assert set(OF_KIND) == set(Kind)
    assert all(exit_of({"code": code}) != Exit.DONE for code in CODES)


def test_a_code_from_a_newer_server_goes_by_its_status() -> None:
    assert exit_of({"code": "brand.new", "status": 404}) == Exit.NOT_FOUND
    assert exit_of({"code": "brand.new", "status": 500}) == Exit.FAILED


def test_without_a_server_it_says_how_to_start_one(tidegate: Tidegate) -> None:
    said = tidegate("batch", "list")
    assert said.code == 1
    assert "tidegate up" in said.err
    assert said.out == ""


def test_an_error_as_json_is_the_problem_document_and_nothing_else(tidegate: Tidegate) -> None:
    said = tidegate("batch", "list", "--json")
    assert said.json["code"] == "server.unknown"
    assert said.json["next"]
    assert said.err == ""


def test_a_server_that_does_not_answer_is_a_failure(tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("TIDEGATE_API_KEY", "tg_live_x_y")
    said = tidegate("people", "list")
    assert said.code == 1
    assert said.err.startswith("server.unreachable: ")


@pytest.mark.usefixtures("server")
def test_a_wrong_key_is_not_allowed(tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_API_KEY", "tg_live_nobody_nothing")
    said = tidegate("workflows", "list")
    assert said.code == 4
    assert said.err.startswith("auth.invalid: ")


@pytest.mark.usefixtures("server")
def test_a_missing_scope_is_not_allowed(tidegate: Tidegate, product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    with product.system.engine.begin() as connection:
        _, key = product.system.keyring.create(
            connection, product.project_id, name="reader", scopes=["workflow:read"], now=product.clock.now()
        )
    monkeypatch.setenv("TIDEGATE_API_KEY", key)
    said = tidegate("people", "list")
    assert said.code == 4
    assert "person:read" in said.err


def test_a_wrong_command_names_the_right_ones(tidegate: Tidegate) -> None:
    said = tidegate("batch", "rn")
    assert said.code == 2
    assert "run" in said.err
    assert "tidegate batch --help" in said.err


def test_a_wrong_option_and_a_wrong_value_are_usage(tidegate: Tidegate) -> None:
    assert tidegate("people", "list", "--nope").code == 2
    assert tidegate("people", "list", "--limit", "many").code == 2
    assert tidegate("people", "import", "people.xls").code == 2
    assert tidegate("workflows", "create", "missing.json").code == 2


def test_a_setting_that_does_not_exist_is_named(tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_HTPP_PORT", "1")
    said = tidegate("config", "show")
    assert said.code == 1
    assert "TIDEGATE_HTPP_PORT" in said.err


def test_what_the_encoding_has_no_room_for_is_escaped_and_json_stays_json(tmp_path: Path) -> None:
    sender = "Zoë 中 😀 <shop@example.com>"
    env = child_environment(PYTHONIOENCODING="latin-1", TIDEGATE_EMAIL_FROM=sender, TIDEGATE_DATA_DIR=str(tmp_path))
    shown = subprocess.run(
        [sys.executable, "-m", "engine.cli", "config", "show", "--json"],
        env={**env, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        check=False,
        capture_output=True,
        timeout=60,
    )
    assert shown.returncode == 0, shown.stderr
    settings = {row["setting"]: row["value"] for row in json.loads(shown.stdout.decode("latin-1"))["data"]}
    assert settings["TIDEGATE_EMAIL_FROM"] == sender

"""Every code that the product says of an input is in a catalogue, and every code of a catalogue is in the reference."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from aggregates.codes import CODES
from aggregates.problem_codes import PROBLEM_CODES
from aggregates.reasons import REASONS
from commands.grants import READS
from engine.http.problems import FIELD_CODES, PARTS

ROOT = Path(__file__).resolve().parents[1]
CODE = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")

FOLDERS = ("aggregates", "commands", "projections", "engine/http", "mcp_adapter")

NO_CODE = {"tidegate.steps", "http.request"}
"""An entry point's group, a type of ASGI message."""


def literals(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value):
            yield node.value


def written(folder: str) -> set[str]:
    paths = (path for path in (ROOT / folder).rglob("*.py") if "tables" not in path.parts)
    return {code for path in paths for code in literals(path)}


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_code_is_in_a_catalogue(folder: str) -> None:
    assert written(folder) - set(CODES) - set(PROBLEM_CODES) - set(REASONS) - set(READS) <= NO_CODE


def test_every_problem_in_the_catalogue_is_said_somewhere() -> None:
    paths = [path for folder in (*FOLDERS, "engine") for path in (ROOT / folder).rglob("*.py")]
    said = {code for path in paths if path.name != "problem_codes.py" for code in literals(path)}
    made = {code.replace("field", part) for code in FIELD_CODES for part in PARTS.values()}
    assert set(PROBLEM_CODES) <= said | made


def test_what_is_wrong_with_a_part_of_a_request_is_in_the_catalogue() -> None:
    # An address has all its parts, or it is another address; only a query can have too much.
    made = {code.replace("field", part) for code in FIELD_CODES for part in PARTS.values()}
    assert made - set(PROBLEM_CODES) == {"path.missing", "path.unknown", "header.unknown"}


def test_a_code_means_one_thing() -> None:
    assert not set(CODES) & set(PROBLEM_CODES)


def test_every_refusal_of_the_command_line_is_in_the_catalogue() -> None:
    for path in (ROOT / "engine/cli").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Refusal.of":
                code = node.args[0]
                assert isinstance(code, ast.Constant)
                assert code.value in CODES, path.name

"""Every reason that the ledger can give is in the catalogue, and the documentation has the whole catalogue."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from aggregates.reasons import FAMILIES, REASONS, meaning

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "reasons.md").read_text(encoding="utf-8")
SAYS = {"Result": 1, "Outcome": 3, "Entry": None, "Ending": 1, "ended": None, "_note": None, "_broken": 4}
"""What makes a reason, and the place of it among the arguments; by name it is `reason` or `error`."""

NEVER_TOLD = {"not_begun"}
"""Of effects that were not begun: their people stay as they were."""


def sources() -> list[Path]:
    return sorted([*(ROOT / "workers").rglob("*.py"), *(ROOT / "aggregates" / "walk").rglob("*.py")])


def words(node: ast.expr, home: ModuleType) -> Iterator[str]:
    """The texts that an expression can be, as far as it says so itself."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.Name(id=name) if isinstance(getattr(home, name, None), str):
            yield getattr(home, name)
        case ast.IfExp(body=one, orelse=other) | ast.BoolOp(values=[one, other]):
            yield from words(one, home)
            yield from words(other, home)
        case ast.JoinedStr(values=[ast.Constant(value=str(start)), *_]):
            yield start + "0"


def reasons_in(path: Path) -> set[str]:
    home = import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in SAYS:
                said = [each.value for each in node.keywords if each.arg in {"reason", "error"}]
                place = SAYS[name]
                said += node.args[place : place + 1] if place is not None else []
                found |= {word for each in said for word in words(each, home)}
            elif name == "ValueError" and "walk" in path.parts:  # what a variable cannot be set to
                found |= {word for each in node.args for word in words(each, home)}
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.JoinedStr):
            found |= {word for word in words(node.value, home) if re.fullmatch(r"[a-z]+\.0", word)}
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
            if getattr(node.targets[0].value, "attr", "") in {"failed", "skipped"}:  # by person
                found |= set(words(node.value, home))
        elif isinstance(node, ast.DictComp) or (isinstance(node, ast.Return) and path.name == "making.py"):
            found |= set(words(node.value, home)) if node.value is not None else set()
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "CASE WHEN" in node.value:
            found |= set(re.findall(r"THEN '([a-z_]+)'", node.value)) if " AS reason" in node.value else set()
    return found


def test_every_reason_that_is_given_is_in_the_catalogue() -> None:
    given = {reason for path in sources() for reason in reasons_in(path)} - NEVER_TOLD
    assert {"opted_out", "graph.endless", "timeout", "http.0", "smtp.0", "run.crashed", "variables.too_large"} <= given
    assert {"address_changed", "email.to_elsewhere", "step.not_external", "secret.unknown", "destination.down"} <= given
    assert {reason for reason in given if meaning(reason) is None} == set()


def test_the_page_has_every_reason_with_its_meaning_and_no_other() -> None:
    rows = dict(re.findall(r"^\| `([^`]+)` \| (.+?) \|$", PAGE, flags=re.MULTILINE))
    families = {f"{prefix}NNN" if prefix != "internal." else "internal.KIND": text for prefix, text in FAMILIES.items()}
    assert rows == REASONS | families


@pytest.mark.parametrize("sentence", [*REASONS.values(), *FAMILIES.values()])
def test_a_meaning_is_a_sentence(sentence: str) -> None:
    assert sentence[0].isupper() and sentence.endswith(".")

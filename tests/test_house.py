"""The rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from aggregates.base import Event
from aggregates.errors import CODES
from engine.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("aggregates", "commands", "projections", "engine", "mcp_adapter", "workers")
LOCKS = ("requirements.lock", "tests/interop/requirements.lock", "tests/interop/package-lock.json")
LONGEST_FILE = 300
LONGEST_FUNCTION = 40

# A history is one step after another; its length says nothing about the house.
EXEMPT = ("engine/migrations/versions/",)


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if not str(path.relative_to(ROOT)).startswith(EXEMPT):
                yield path


def folders() -> list[Path]:
    return sorted({path.parent for path in sources()} - {ROOT / "engine" / "migrations"})


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", list(sources()), ids=name)
def test_a_file_is_one_room(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize("path", list(sources()), ids=name)
def test_a_function_does_one_thing(path: Path) -> None:
    functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    long = {f.name: f.end_lineno - f.lineno + 1 for f in functions if f.end_lineno}
    assert {name: lines for name, lines in long.items() if lines > LONGEST_FUNCTION} == {}


@pytest.mark.parametrize("path", list(sources()), ids=name)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("folder", folders(), ids=name)
def test_a_folder_maps_its_rooms(folder: Path) -> None:
    docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
    rooms = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}
    if folder.name == "steps":  # one step type a file; the package itself discovers them
        rooms = {"base"}
    unmapped = {room for room in rooms if not room.startswith("__") and not re.search(rf"\b{room}\b", docstring)}
    assert unmapped == set()


def test_every_code_that_is_raised_is_in_the_catalogue() -> None:
    raised = re.compile(r'(?:DomainError|invalid)\(\s*"([a-z_.]+)"')
    used = {code for path in sources() for code in raised.findall(path.read_text())}
    assert used <= set(CODES)


def test_every_code_says_what_happened_and_what_to_do_next() -> None:
    assert [
        code for code, entry in CODES.items() if not (entry.message.endswith(".") and entry.next.endswith("."))
    ] == []


def test_every_setting_is_explained() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


@pytest.mark.parametrize("name", LOCKS)
def test_what_is_locked_is_named_by_its_digest_and_by_no_address(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "sha256:" in text or '"integrity": "sha512-' in text
    assert "://" not in text


def test_every_event_has_an_explicit_versioned_topic() -> None:
    folders = [path.parent.name for path in (ROOT / "aggregates").glob("*/events.py")]
    homes = {import_module(f"aggregates.{folder}.events").__name__ for folder in folders}
    ours = [event for event in _subclasses(Event) if event.__module__ in homes]
    assert {event.__module__ for event in ours} == homes
    assert all(re.fullmatch(r"[a-z_]+\.[a-z_]+\.v\d+", event.__dict__["TOPIC"]) for event in ours)


def _subclasses(root: type[Event]) -> list[type[Event]]:
    children: list[type[Event]] = root.__subclasses__()
    return [*children, *(event for child in children for event in _subclasses(child))]

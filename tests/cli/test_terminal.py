"""What a human sees: tables, the question before people are contacted, no colour where none is wanted."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from engine.cli.app import build
from engine.cli.front_page import page
from tests.cli.conftest import ROOT, on_terminal
from tests.support.product import Product


@pytest.fixture
def env(product: Product, server: str, tmp_path: Path) -> dict[str, str]:
    return {"TIDEGATE_URL": server, "TIDEGATE_API_KEY": str(product.owner_key), "TIDEGATE_DATA_DIR": str(tmp_path)}


def test_a_list_on_a_terminal_is_a_table_with_a_header(product: Product, env: dict[str, str]) -> None:
    product.add_people(1)
    code, shown = on_terminal("people", "list", env=env)
    assert code == 0
    assert "distinct id" in shown
    assert "\x1b[1m" in shown


def test_no_color_is_obeyed(product: Product, env: dict[str, str]) -> None:
    product.add_people(1)
    _, shown = on_terminal("people", "list", env={**env, "NO_COLOR": "1"})
    assert "p1@example.com" in shown
    assert "\x1b[3" not in shown


def test_stored_text_cannot_steer_the_terminal(product: Product, env: dict[str, str]) -> None:
    product.add_people(1, distinct_id="\x1b[2Jgone")
    _, shown = on_terminal("people", "list", env=env)
    assert "\x1b[2J" not in shown
    assert r"\x1b[2Jgone" in shown


def test_a_human_types_the_number_and_the_batch_runs(product: Product, env: dict[str, str]) -> None:
    product.add_people(4)
    workflow = str(product.workflow())
    code, shown = on_terminal("batch", "run", workflow, env=env, typed="4\n")
    assert code == 0, shown
    assert "Type the number of people to reach" in shown
    assert product.execute("SELECT count(*) FROM stream_heads WHERE kind = 'batch_job'")[0][0] == 1


@pytest.mark.parametrize("typed", ["y\n", "yes\n", "3\n", "\n"])
def test_anything_but_the_number_starts_nothing(product: Product, env: dict[str, str], typed: str) -> None:
    product.add_people(4)
    code, shown = on_terminal("batch", "run", str(product.workflow()), env=env, typed=typed)
    assert code == 2, shown
    assert "Nothing was started" in shown
    assert product.execute("SELECT count(*) FROM stream_heads WHERE kind = 'batch_job'")[0][0] == 0


def test_the_first_page_loads_neither_the_database_nor_the_web_nor_the_library_of_commands() -> None:
    code = (
        "import sys\nfrom engine.cli.start import main\nsys.argv[1:] = ['--help']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'sqlalchemy', 'fastapi', 'pydantic', 'httpx2', 'mcp', 'redis', 'dramatiq', 'cyclopts', 'rich'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "workflows" in done.stdout


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_first_page_is_what_the_library_of_commands_would_draw(width: int) -> None:
    drawn = io.StringIO()
    build().help_print([], console=Console(file=drawn, width=width))
    lines = [line.rstrip() for line in drawn.getvalue().rstrip().splitlines()]
    assert [line.rstrip() for line in page(width)] == lines

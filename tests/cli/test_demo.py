"""The demo, as a newcomer runs it, only with fewer people."""

from __future__ import annotations

import tempfile
from itertools import islice
from pathlib import Path

import psutil
import pytest

from engine.cli.demo import PEOPLE
from engine.demo.books import expected
from tests.cli.conftest import Tidegate


def test_the_demo_tells_the_whole_story_balances_the_books_and_leaves_nothing(
    tidegate: Tidegate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    file = tmp_path / "few.csv"
    with PEOPLE.open(encoding="utf-8") as people:
        file.write_text("".join(islice(people, 401)), encoding="utf-8")
    # What a user has set up for real must not find its way into the demo.
    monkeypatch.setenv("TIDEGATE_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:9/none")
    monkeypatch.setenv("TIDEGATE_MAX_AUDIENCE", "1")
    before = set(psutil.Process().children(recursive=True))
    said = tidegate("demo", "--people", str(file), "--workers", "1")
    assert said.code == 0, said.out + said.err
    assert "DIFFERS" not in said.out
    assert f"arrived {expected(file).emails}" in said.out
    for reason in ("opted out", "no address", "duplicate address"):
        assert f": {reason}" in said.err
    assert "tidegate mcp-config claude --key KEY" in said.err
    assert list(tmp_path.glob("tidegate-demo-*")) == []
    # Processes of earlier tests may end meanwhile; none may be added.
    assert set(psutil.Process().children(recursive=True)) - before == set()

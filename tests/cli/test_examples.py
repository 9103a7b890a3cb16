"""The example files are what they say they are, and the demo's own arithmetic is right."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

from aggregates.workflow.definition import Definition
from engine.cli.demo import EXAMPLES
from engine.demo.books import Check, Ledger, balance, expected


def test_the_people_are_those_of_the_generator() -> None:
    made = runpy.run_path(str(EXAMPLES / "make_people.py"))
    assert (EXAMPLES / "people.csv").read_text(encoding="utf-8") == made["as_csv"](made["people"]())


def test_the_workflow_is_valid_and_sends_emails() -> None:
    content = json.loads((EXAMPLES / "workflow.json").read_text(encoding="utf-8"))
    parts = {name: content[name] for name in ("trigger", "steps", "edges", "variables")}
    definition, problems = Definition.parse(parts)
    assert problems == []
    assert definition is not None
    assert definition.sends_email


def test_who_is_expected_is_counted_by_the_words_of_the_documentation(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(
        "distinct_id,email,opted_out_at,plan\n"
        "free,free@example.com,,free\n"
        "gone,shared@example.com,2025-01-01T00:00:00Z,pro\n"
        "silent,,,pro\n"
        "again,Shared@example.com,,pro\n"
        "first,both@example.com,,pro\n"
        "second, Both@example.com ,,team\n"
        "team,team@example.com,,team\n"
    )
    found = expected(file)
    assert (found.total, found.matched, found.affected) == (7, 6, 2)
    assert found.excluded == {"opted_out": 2, "no_address": 1, "duplicate_address": 1}
    assert (found.webhooks, found.emails) == (1, 2)


def test_a_ledger_that_lacks_a_row_does_not_balance() -> None:
    counts = dict.fromkeys(("skipped", "failed", "exited", "waiting", "in_progress", "pending"), 0)
    job = {"enrolled": 2, "delivered": 2, "reached": 2, **counts}
    row = {"status": "delivered", "reached": True, "steps": [{"step": "write", "outcome": "succeeded"}]}
    assert all(check.holds for check in balance(job, Ledger.of([row, row])))
    lacking = [check.what for check in balance(job, Ledger.of([row])) if not check.holds]
    assert lacking == ["enrolled", "delivered", "reached"]
    assert Check("x", {"one": 1, "other": 2}).holds is False

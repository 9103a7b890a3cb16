"""Do the books agree? What must come out, told by the file alone; what the ledger says; and each comparison.

Nothing here reads a database: the expectation is counted from the CSV in plain Python, by the words of the
documentation, so that it disagrees when the engine is wrong.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PLANS = ("pro", "team")
"""Whom examples/workflow.json is for."""


@dataclass(frozen=True)
class Expected:
    """What the example workflow does to the people of a file."""

    total: int
    matched: int
    excluded: Mapping[str, int]
    affected: int
    webhooks: int
    emails: int


def expected(path: Path) -> Expected:
    """Count a file of people: who matches, who is left out and why, who gets what."""
    excluded = {"opted_out": 0, "no_address": 0, "duplicate_address": 0}
    total = matched = affected = webhooks = 0
    addresses: set[str] = set()
    with path.open(encoding="utf-8", newline="") as file:
        left = {_address(row) for row in csv.DictReader(file) if row["opted_out_at"]} - {""}
        file.seek(0)
        for row in csv.DictReader(file):
            total += 1
            if row["plan"] not in PLANS:
                continue
            matched += 1
            address = _address(row)
            reason = _exclusion(row, address, addresses, left)
            if reason:
                excluded[reason] += 1
                continue
            addresses.add(address)
            affected += 1
            webhooks += row["plan"] == "team"
    return Expected(total, matched, excluded, affected, webhooks, emails=affected)


def _address(row: Mapping[str, str]) -> str:
    return row["email"].strip().lower()


def _exclusion(row: Mapping[str, str], address: str, taken: set[str], left: set[str]) -> str | None:
    if row["opted_out_at"] or address in left:
        return "opted_out"
    if not address:
        return "no_address"
    # The file is imported in its order, so the first who has an address is the smallest id.
    return "duplicate_address" if address in taken else None


@dataclass
class Ledger:
    """The rows of a job's ledger, counted one by one."""

    rows: int = 0
    reached: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    by_step: Counter[tuple[str, str]] = field(default_factory=Counter)

    @classmethod
    def of(cls, runs: Iterable[Mapping[str, Any]]) -> Ledger:
        ledger = cls()
        for run in runs:
            ledger.rows += 1
            ledger.reached += run["reached"]
            ledger.by_status[run["status"]] += 1
            for step in run["steps"]:
                ledger.by_step[step["step"], step["outcome"]] += 1
        return ledger


@dataclass(frozen=True)
class Check:
    """The same number from several books."""

    what: str
    numbers: Mapping[str, int]

    @property
    def holds(self) -> bool:
        return len(set(self.numbers.values())) == 1


OUTCOMES = ("delivered", "skipped", "failed", "exited")
OPEN = ("waiting", "in_progress", "pending")


def balance(job: Mapping[str, Any], ledger: Ledger) -> list[Check]:
    """The counts of a job against its ledger, status by status, and against the people enrolled."""
    names = OUTCOMES + OPEN
    checks = [Check(name, {"job": job[name], "ledger": ledger.by_status[name]}) for name in names]
    enrolled = {"job": job["enrolled"], "sum of its counts": sum(job[name] for name in names), "ledger": ledger.rows}
    reached = {"job": job["reached"], "ledger": ledger.reached}
    return [Check("enrolled", enrolled), *checks, Check("reached", reached)]

"""One line of the table: what was measured, what it came to, what it should come to, and whether it does."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "results"
"""Where results are written; nothing in it is kept under version control."""


@dataclass(frozen=True)
class Line:
    """A measured value beside its target, in the same unit; None where there is none, and the line is there to compare.

    `beside` is the raw limit of the same run where the value is a ratio to it; `note` is the spread and what was
    counted on the way.
    """

    what: str
    value: float
    unit: str
    target: float | None
    at_least: bool = False
    beside: str = ""
    note: str = ""

    @property
    def met(self) -> bool:
        if self.target is None:
            return True
        return self.value >= self.target if self.at_least else self.value <= self.target

    @property
    def share(self) -> float:
        """How much of the target was reached: 1 and more is met, also where there is none."""
        if self.target is None:
            return 1.0
        if self.at_least:
            return self.value / self.target
        return self.target / self.value if self.value else float("inf")

    def as_row(self) -> tuple[str, ...]:
        figure = f"{number(self.value)} {self.unit}"
        if self.target is None:
            return self.what, "", figure, "", self.beside, self.note
        sign = "≥" if self.at_least else "≤"
        verdict = "pass" if self.met else "MISS"
        return self.what, f"{sign} {number(self.target)} {self.unit}", figure, verdict, self.beside, self.note

    def as_data(self) -> dict[str, Any]:
        return {**asdict(self), "met": self.met}


HEADINGS = ("what", "target", "measured", "", "beside it", "of it")


def number(value: float) -> str:
    """A figure with as many digits as it deserves."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def spread(values: Sequence[float]) -> str:
    """The median and the extremes of repeated measurements."""
    middle = number(statistics.median(values))
    return f"median {middle}, {number(min(values))} to {number(max(values))}, {len(values)} times"


def table(lines: Sequence[Line]) -> str:
    """All lines as a Markdown table."""
    rows = [HEADINGS, *(line.as_row() for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    shown = ["| " + " | ".join(word.ljust(w) for word, w in zip(row, widths, strict=True)) + " |" for row in rows]
    shown.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(shown)


def write(name: str, machine: dict[str, Any], lines: Sequence[Line]) -> Path:
    """Keep a run as JSON."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.json"
    content = {"machine": machine, "lines": [line.as_data() for line in lines]}
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path

"""Bars of how much of its target each line reached, as an SVG of our own: one bar a line, the target a rule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path

from benchmarks.result import Line, number

LABEL, BAR, FIGURES, ROW = 330, 340, 230, 26
LEAST, MOST = 0.1, 100.0
"""The scale is logarithmic, from a tenth of the target to a hundred times it; longer bars are cut there."""

MET, MISSED, INK = "#2f7d6b", "#c4532d", "#555"


def draw(lines: Sequence[Line]) -> str:
    """The chart of the lines that have a target."""
    lines = [line for line in lines if line.target is not None]
    width, height = LABEL + BAR + FIGURES, ROW * (len(lines) + 2)
    target = LABEL + _length(1.0)
    bars = "".join(_bar(line, ROW * (place + 1)) for place, line in enumerate(lines))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="system-ui, sans-serif" font-size="12" role="img" aria-label="Measured beside the targets">\n'
        f'<rect width="{width}" height="{height}" fill="#fff"/>\n{bars}'
        f'<line x1="{target:.1f}" x2="{target:.1f}" y1="{ROW - 6}" y2="{height - ROW}" stroke="{INK}" '
        f'stroke-dasharray="3 3"/>\n'
        f'<text x="{target:.1f}" y="{height - 8}" text-anchor="middle" fill="{INK}">the target (logarithmic; right of '
        f"it is better)</text>\n</svg>\n"
    )


def save(path: Path, lines: Sequence[Line]) -> None:
    path.write_text(draw(lines), encoding="utf-8")


def _bar(line: Line, top: int) -> str:
    colour = MET if line.met else MISSED
    length, middle = _length(line.share), top + ROW / 2 + 1
    figure = f"{number(line.value)} {line.unit}"
    return (
        f'<text x="{LABEL - 8}" y="{middle}" text-anchor="end" fill="#222">{escape(line.what)}</text>'
        f'<rect x="{LABEL}" y="{top}" width="{length:.1f}" height="{ROW - 9}" fill="{colour}"/>'
        f'<text x="{LABEL + length + 6:.1f}" y="{middle}" fill="#222">{escape(figure)}</text>\n'
    )


def _length(share: float) -> float:
    held = min(max(share, LEAST), MOST)
    return BAR * math.log(held / LEAST) / math.log(MOST / LEAST)

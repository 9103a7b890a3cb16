"""The console script: the first page at once, anything else by the tree of commands."""

from __future__ import annotations

import sys
from typing import NoReturn

from engine.cli.front_page import show

ASKED: tuple[list[str], ...] = ([], ["--help"], ["-h"])
"""What is answered with the first page."""


def main() -> NoReturn:
    """The console script."""
    arguments = sys.argv[1:]
    if arguments in ASKED:
        sys.exit(show())
    from engine.cli.app import run  # noqa: PLC0415  # all that the first page does without

    sys.exit(run(arguments))

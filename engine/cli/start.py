"""The console script: the first page at once, anything else by the tree of commands."""

from __future__ import annotations

import codecs
import io
import sys
from typing import NoReturn

from engine.cli.front_page import show

ASKED: tuple[list[str], ...] = ([], ["--help"], ["-h"])
"""What is answered with the first page."""

ESCAPED = "escaped"


def main() -> NoReturn:
    """The console script."""
    arguments = sys.argv[1:]
    codecs.register_error(ESCAPED, _escape)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ESCAPED)
    if arguments in ASKED:
        sys.exit(show())
    from engine.cli.app import run  # noqa: PLC0415  # all that the first page does without

    sys.exit(run(arguments))


def _escape(error: UnicodeError) -> tuple[str, int]:
    r"""What the output's encoding has no room for, as JSON writes it: `\u4e2d`. So `--json` stays JSON."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[n : n + 2].hex()}" for n in range(0, len(units), 2)), error.end

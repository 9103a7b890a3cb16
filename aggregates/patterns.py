"""Regular expressions as conditions may have them: such as PostgreSQL can compile and match without effort."""

from __future__ import annotations

import re
from collections.abc import Iterator

LONGEST = 200
"""Longest regular expression, in characters."""

LARGEST = 1_000
"""Most characters that a pattern may have when its repetitions are written out, which PostgreSQL does."""

# Back-references and look-around make a match exponential in PostgreSQL.
_UNSAFE = re.compile(r"\\[1-9]|\(\?[=!<]")
_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\]|\{(\d+)(,?)(\d*)\}|.", re.DOTALL)


def is_pattern(text: str) -> bool:
    """Whether a text is a regular expression that is neither too long, nor too large, nor of an unsafe kind."""
    if len(text) > LONGEST or _UNSAFE.search(text):
        return False
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError):
        return False
    return _size(_TOKEN.finditer(text)) <= LARGEST


def _size(tokens: Iterator[re.Match[str]]) -> int:
    """Characters of a sequence, up to the parenthesis that closes it, with every bounded repetition written out."""
    total = last = 0
    for token in tokens:
        if token[0] == ")":
            break
        if token[1] is not None:
            most = int(token[3] or token[1])
            total, last = total + last * (most - 1), last * most
        elif token[0] not in ("*", "+", "?"):
            last = _size(tokens) if token[0] == "(" else 1
            total += last
    return total

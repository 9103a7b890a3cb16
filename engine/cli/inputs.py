"""What a command reads: JSON from an option or a file, shares in per cent."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from engine.cli.exits import usage

Variables = Annotated[str | None, Parameter(help="A JSON object that overlays the workflow's defaults.")]


def json_object(text: str | None, option: str) -> dict[str, Any]:
    """The JSON object that an option holds; `{}` when it was not given."""
    if text is None:
        return {}
    return _object(text, option)


def json_file(path: Path) -> dict[str, Any]:
    """The JSON object that a file holds."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise usage(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    return _object(text, str(path))


def share(text: str | None, option: str) -> float | None:
    """A share, from `0.1` or `10%`; None when it was not given."""
    if text is None:
        return None
    number, percent, rest = text.strip().partition("%")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if rest or not math.isfinite(value):
        raise usage(f"{option} takes a share such as 0.1 or 10%; not {text!r}.")
    return value / 100 if percent else value


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise usage(f"{where} is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise usage(f"{where} is not a JSON object.")
    return value

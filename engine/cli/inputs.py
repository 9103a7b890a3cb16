"""What a command reads: JSON from an option or a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.cli.exits import usage


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


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise usage(f"{where} is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise usage(f"{where} is not a JSON object.")
    return value

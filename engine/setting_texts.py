"""Settings as text: a file of them, a value as it may be printed, what is wrong with one as a sentence."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.errors import StartupError

# To the last @, because a password may have some itself; and what libpq takes as a parameter.
_URL_PASSWORD = re.compile(r"(://[^/:@?]*:).*@")
_PARAMETER_PASSWORD = re.compile(r"([?&][^=&]*password=)[^&]*", re.IGNORECASE)


def read_file(path: Path) -> dict[str, Any]:
    """What a file of settings says; nothing if there is none. Raises StartupError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise StartupError(f"{path} cannot be read: {error}") from None


def masked(value: str) -> str:
    """A value without the password of a URL."""
    return _PARAMETER_PASSWORD.sub(r"\1****", _URL_PASSWORD.sub(r"\1****@", value))


def sentence(location: tuple[int | str, ...], message: str, origins: Mapping[str, str]) -> str:
    """A problem without the value: it may be a secret. `origins` are where values came from, by name."""
    name = str(location[0]) if location else "settings"
    return f"{name} (from {origins.get(name, 'default')}): {message.removeprefix('Value error, ')}."

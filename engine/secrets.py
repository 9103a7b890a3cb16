"""The installation's one secret, and the keys that are derived from it."""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
import tempfile
from pathlib import Path

from engine.errors import StartupError
from engine.ids import new_secret
from engine.settings import Settings

FILE = "secret"


class Secrets:
    """Holds the secret and gives out a key per purpose, so that no two uses ever share one."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @classmethod
    def load_or_create(cls, settings: Settings) -> Secrets:
        """The secret of the settings; else that of the data directory, made there if there is none yet."""
        path = settings.data_dir / FILE
        if settings.secret_key is None and not path.exists():
            _create(path)
        found = cls.existing(settings)
        assert found is not None
        return found

    @classmethod
    def existing(cls, settings: Settings) -> Secrets | None:
        """The secret of the settings or the data directory; None if there is none yet."""
        if settings.secret_key is not None:
            return cls(settings.secret_key.get_secret_value().encode())
        path = settings.data_dir / FILE
        if not path.exists():
            return None
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise StartupError(f"{path} can be read by others. Run: chmod 600 {path}")
        secret = path.read_bytes().strip()
        if len(secret) < 32:
            raise StartupError(f"{path} is not a secret of ours. Restore it, or set TIDEGATE_SECRET_KEY.")
        return cls(secret)

    def derive(self, purpose: str) -> bytes:
        """The 32-byte key for a purpose, the same at every call."""
        return hmac.digest(self._secret, purpose.encode(), hashlib.sha256)

    def __repr__(self) -> str:
        return "Secrets(...)"


def _create(path: Path) -> None:
    """Write a new secret whole, or not at all; of several processes that try at once, the first wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(new_secret() + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        Path(draft).unlink()

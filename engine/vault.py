"""Secrets of projects: files that an operator puts there, and nobody else writes or lists.

`<folder>/<project name>/NAME` holds one line, `NAME.hosts` beside it the hosts that may get it, one a line. A project's
folder is found by the name of the project that the credential belongs to, so one never reads those of another.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection, select

from aggregates.secrets import NAME, Secret, SecretsInUse
from projections.tables import projects

SHORTEST, LONGEST = 8, 4_096
"""A secret's length in bytes. One that is shorter could not be masked without masking half of every text."""

MOST_HOSTS = 64 * 1024
"""Size of a file of hosts, in bytes."""

Stamp = tuple[int, int, int] | None


class Vault:
    """Reads secrets, again whenever their files change. Without a folder there are none."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._names: dict[UUID, str] = {}
        self._read: dict[Path, tuple[tuple[Stamp, Stamp], Secret | None]] = {}
        self._lock = threading.Lock()

    def of(self, connection: Connection, project_id: UUID, names: Iterable[str]) -> SecretsInUse | None:
        """These secrets of a project; None when one of them is not there, or cannot be used."""
        found = {name: self.secret(connection, project_id, name) for name in names}
        there = {name: secret for name, secret in found.items() if secret is not None}
        return SecretsInUse(there) if len(there) == len(found) else None

    def secret(self, connection: Connection, project_id: UUID, name: str) -> Secret | None:
        """One secret; None when there is none of that name, or its file cannot be used."""
        home = self._home(connection, project_id)
        if home is None or not NAME.fullmatch(name):
            return None
        path, hosts = home / name, home / f"{name}.hosts"
        stamps = (_stamp(path), _stamp(hosts))
        if stamps[0] is None:
            return None
        with self._lock:
            known = self._read.get(path)
            if known is None or known[0] != stamps:
                known = self._read[path] = (stamps, _secret(path, hosts))
        return known[1]

    def _home(self, connection: Connection, project_id: UUID) -> Path | None:
        if self._folder is None:
            return None
        name = self._names.get(project_id)
        if name is None:
            name = connection.execute(select(projects.c.name).where(projects.c.id == project_id)).scalar()
            if name is None:
                return None
            self._names[project_id] = name
        # A name is a folder's as it is written, also where the file system takes `A` for `a`.
        usable = not name.startswith(".") and not set(name) & set("/\\\0") and name in _listed(self._folder)
        return self._folder / name if usable else None

    def __repr__(self) -> str:
        return "Vault(...)"


class SecretsPort:
    """What a handler may know of secrets, in its transaction."""

    def __init__(self, connection: Connection, vault: Vault) -> None:
        self._connection = connection
        self._vault = vault

    def refusal(self, project_id: UUID, name: str, host: str, *, bound: bool) -> str | None:
        secret = self._vault.secret(self._connection, project_id, name)
        if secret is None:
            return "secret.unknown"
        return None if secret.permits(host) and not (bound and secret.hosts is None) else "secret.host_refused"


def _secret(path: Path, hosts: Path) -> Secret | None:
    value = _text(path, LONGEST + 2)
    value = None if value is None else value.removesuffix("\n").removesuffix("\r")
    if value is None or not SHORTEST <= len(value.encode()) <= LONGEST or not value.isprintable():
        return None
    if _stamp(hosts) is None:
        return Secret(value)
    # A file that cannot be read names no host: it was put there to narrow.
    return Secret(value, tuple((_text(hosts, MOST_HOSTS) or "").split()))


def _text(path: Path, most: int) -> str | None:
    """What a file says; None when it is not there, is not text, or is longer. A link may not lead out of its folder."""
    try:
        if not path.resolve().is_relative_to(path.parent.resolve()):
            return None
        with path.open("rb") as file:
            raw = file.read(most + 1)
        return raw.decode() if len(raw) <= most else None
    except (OSError, UnicodeDecodeError):
        return None


def _stamp(path: Path) -> Stamp:
    """What changes with a file; None when there is none. A link that leads nowhere is there, and says nothing."""
    try:
        found = path.stat()
    except OSError:
        try:
            found = path.lstat()
        except OSError:
            return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _listed(folder: Path) -> set[str]:
    try:
        return {entry.name for entry in folder.iterdir()}
    except OSError:
        return set()

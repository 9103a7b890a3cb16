"""A directory for sockets: private to us, and with a path short enough for a socket address."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from pathlib import Path

# A socket address holds 107 bytes on Linux and 103 on macOS; the longest name that we put there is `.s.PGSQL.5432`.
LONGEST_PATH = 85
# PostgreSQL and libpq both read a comma as the start of another directory, so unusual paths go elsewhere as well.
PLAIN_PATH = re.compile(r"/[A-Za-z0-9/._+=-]*")


def make_runtime_dir(data_dir: Path, *, owner_of: Path) -> Path:
    """The directory for the data directory's sockets, owned by whoever owns `owner_of`."""
    path = data_dir / "run"
    if len(os.fsencode(path)) <= LONGEST_PATH and PLAIN_PATH.fullmatch(str(path)):
        path.mkdir(mode=0o700, exist_ok=True)
    else:
        path = _outside(data_dir / "runtime-dir")
    owner = owner_of.stat()
    if owner.st_uid != path.stat().st_uid:
        os.chown(path, owner.st_uid, owner.st_gid)
    return path


def remove_runtime_dir(data_dir: Path) -> None:
    """Take away what was made outside the data directory."""
    record = data_dir / "runtime-dir"
    if record.exists():
        path = Path(record.read_text(encoding="utf-8"))
        if _is_ours(path):
            shutil.rmtree(path, ignore_errors=True)
        record.unlink()


def _outside(record: Path) -> Path:
    """The directory that the record names, if it is still there and ours; a new one otherwise."""
    if record.exists():
        path = Path(record.read_text(encoding="utf-8"))
        if _is_ours(path):
            return path
    base = tempfile.gettempdir()
    path = Path(
        tempfile.mkdtemp(prefix="tidegate-", dir=base if len(os.fsencode(base)) < LONGEST_PATH - 20 else "/tmp")
    )
    record.write_text(str(path), encoding="utf-8")
    return path


def _is_ours(path: Path) -> bool:
    """Whether it is a real directory, closed to others, that we (or, when we are root, our server) own."""
    try:
        found = path.lstat()
    except OSError:
        return False
    private = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o700
    return private and (os.geteuid() in (0, found.st_uid)) and path.name.startswith("tidegate-")

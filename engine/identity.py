"""As whom PostgreSQL runs: it refuses to be root."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path

from engine.errors import StartupError
from engine.supervise import Identity, launch_argv


def choose_identity(
    data_dir: Path, home: Path, postgres: Path, identities: Sequence[Identity], instead: str
) -> tuple[Identity, Path]:
    """The identity under which `postgres` can run and write to `home`, and the binary to use with it.

    An ordinary user is itself. Root is in a user namespace if the kernel allows one, else it is nobody, who gets a
    copy of the binaries and becomes the owner of `home`.
    """
    if os.geteuid() != 0 and _has_name(os.geteuid()):
        return "same", postgres
    failures = []
    for identity in identities:
        binary = _prepare_for_nobody(data_dir, home, postgres) if identity == "nobody" else postgres
        _give(home, identity)
        failure = _try(identity, home, binary)
        if failure is None:
            return identity, binary
        failures.append(f"{identity}: {failure}")
    reasons = "; ".join(failures)
    raise StartupError(
        f"PostgreSQL does not run as this user, and no other way works ({reasons}). Run as an ordinary user. {instead}"
    )


def _has_name(uid: int) -> bool:
    """Whether the uid has an account; without one initdb refuses to work."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _try(identity: Identity, home: Path, postgres: Path) -> str | None:
    """Why the identity does not do, or None when it does."""
    check = 'test -w "$0" || { echo "$0 cannot be reached" >&2; exit 1; }; exec "$1" --version'
    argv = launch_argv(["/bin/sh", "-c", check, str(home), str(postgres)], identity, signal.SIGKILL)
    result = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    return None if result.returncode == 0 else result.stderr.strip() or f"exit code {result.returncode}"


def _prepare_for_nobody(data_dir: Path, home: Path, postgres: Path) -> Path:
    """A copy of the binaries that nobody can reach.

    The data directory becomes passable (not readable) for others; what is in it stays closed to them. Directories
    above it are left as they are.
    """
    if os.geteuid() != 0:
        return postgres
    package = postgres.parents[2]
    copy = data_dir / "binaries" / package.name
    if not copy.exists():
        partial = data_dir / "binaries.partial"
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(copy.parent, ignore_errors=True)
        shutil.copytree(package / "pginstall", partial / package.name / "pginstall", symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, partial / libraries.name, symlinks=True)
        for path in (partial, *partial.rglob("*")):
            if not path.is_symlink():
                executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
                path.chmod(0o755 if executable else 0o644)
        partial.rename(copy.parent)
    data_dir.chmod(0o711)
    return copy / postgres.relative_to(package)


def _give(home: Path, identity: Identity) -> None:
    """Make the one who will run PostgreSQL the owner of its files; `home` itself last, as the mark that it is done."""
    if os.geteuid() != 0:
        return
    account = pwd.getpwnam("nobody") if identity == "nobody" else pwd.getpwuid(0)
    if home.stat().st_uid != account.pw_uid:
        for path in (*home.rglob("*"), home):
            os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)

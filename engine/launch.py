"""Become another program whose life is tied to the process that asked for it.

`supervise` runs this file with an isolated interpreter: `python -I -S launch.py PARENT SIGNAL IDENTITY COMMAND...`.
It replaces itself by COMMAND, which therefore has the pid that the parent knows. A small program of its own is
used, instead of code between fork and exec, because that code deadlocks when the parent has threads.

PARENT is the pid that must still be our parent. SIGNAL is what the kernel sends us when the parent dies, however it
dies. IDENTITY is `same`, `namespace` (a user namespace in which we appear as nobody; files stay our own) or `nobody`.
PostgreSQL refuses uid 0, which is what the last two are for.

This file imports the standard library only.
"""

import ctypes
import os
import pwd
import sys

PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000
NOBODY = 65534
CANNOT_RUN = 126


def enter_namespace(libc: ctypes.CDLL) -> None:
    """Map our own uid and gid to nobody's. Needs kernel support, no privilege."""
    uid, gid = os.geteuid(), os.getegid()
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "user namespaces are not available here")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{NOBODY} {uid} 1"),
        ("gid_map", f"{NOBODY} {gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def become_nobody() -> None:
    entry = pwd.getpwnam("nobody")
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def main(arguments: list[str]) -> int:
    parent, signal_number, identity, *command = arguments
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        if identity == "namespace":
            enter_namespace(libc)
        elif identity == "nobody":
            become_nobody()
        if sys.platform == "linux":
            # Last, because a change of identity clears it.
            libc.prctl(PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0)
        if os.getppid() != int(parent):
            return 0  # The parent died before the kernel knew that we care.
        os.execv(command[0], command)
    except (OSError, KeyError) as error:
        print(f"cannot run {command[0]} as {identity}: {error}", file=sys.stderr)
    return CANNOT_RUN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Becomes another program that dies with its parent and, if asked, has no rights of root.

Run as a file, by a bare interpreter: `python -I -S confine.py SIGNAL PARENT WHO PROGRAM ARGUMENT...`. WHO is
`self`, `namespace` (root becomes nobody inside a user namespace, which needs no system user and no change of
ownership) or `UID:GID`. The order matters: every change of identity makes the kernel forget the death signal.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
NOBODY = 65534


def enter_namespace() -> None:
    """PostgreSQL refuses uid 0; inside, this process is `nobody`, while outside its files stay root's."""
    uid, gid = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "user namespaces are refused")
    for name, line in (
        ("setgroups", "deny"),
        ("uid_map", f"{NOBODY} {uid} 1"),
        ("gid_map", f"{NOBODY} {gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(line)


def become(who: str) -> None:
    """Gives up the rights of root as WHO says."""
    if who == "namespace":
        enter_namespace()
    elif who != "self":
        uid, gid = (int(part) for part in who.split(":"))
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)


def die_with_parent(number: int, parent: int) -> None:
    """Asks the kernel (Linux) for a signal when the parent is gone, which may already be the case."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit("the parent process is gone")


def main() -> None:
    number, parent, who, program, *arguments = sys.argv[1:]
    try:
        become(who)
    except (OSError, AttributeError) as refused:
        sys.exit(f"cannot run as {who}: {refused}")
    die_with_parent(int(number), int(parent))
    for inherited in (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM):
        signal.signal(inherited, signal.SIG_DFL)
    os.umask(0o077)
    os.execvp(program, [program, *arguments])  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main()

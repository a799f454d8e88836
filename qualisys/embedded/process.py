"""Starting programs that never outlive this process, not even when it is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SHIM = Path(__file__).with_name("confine.py")


class EmbeddedError(Exception):
    """An embedded server cannot do what was asked. The message is one line, fit for a terminal."""


@dataclass(frozen=True)
class Identity:
    """As whom the embedded servers run. `who` is the word of `confine.py`, `uid` the owner of their files."""

    who: str
    uid: int
    gid: int


def bound(argv: Sequence[str], *, who: str = "self", death: signal.Signals = signal.SIGKILL) -> list[str]:
    """The command line that runs `argv` and sends it `death` when the calling thread ends.

    The kernel watches the thread that forks, so fork from one that lives as long as the process.
    """
    shim = [sys.executable, "-I", "-S", str(SHIM), str(int(death)), str(os.getpid()), who]
    return [*shim, *argv]


def choose_identity(folder: Path, program: Path) -> Identity:
    """An identity that may run `program` and write to `folder`, which belongs to it afterwards.

    Root is not welcome to PostgreSQL: it becomes nobody in a user namespace or, where those are refused, the
    owner of the folder around, or uid 65534. Raises EmbeddedError if none of them works.
    """
    if os.geteuid() != 0:
        return Identity("self", os.geteuid(), os.getegid())
    around = folder.parent.parent.stat()
    users = [(around.st_uid, around.st_gid)] * (around.st_uid != 0) + [(65534, 65534)]
    for identity in [Identity("namespace", 0, 0), *(Identity(f"{u}:{g}", u, g) for u, g in users)]:
        hand_over(folder, identity)
        if works(identity, folder, program):
            return identity
    raise EmbeddedError(
        "PostgreSQL does not run as root, user namespaces are refused here, and no other user "
        f"reaches {folder}: start as a normal user, or set DATABASE_URL to a server of your own"
    )


def hand_over(folder: Path, identity: Identity) -> None:
    """Makes a folder of ours belong to the identity; only root can, and only root has to."""
    if folder.stat().st_uid == identity.uid:
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, identity.uid, identity.gid, follow_symlinks=False)


def works(identity: Identity, folder: Path, program: Path) -> bool:
    """Whether the identity can be taken on here, write to the folder and run the program."""
    test = ["/bin/sh", "-c", 'test -w "$1" && "$2" --version', "sh", str(folder), str(program)]
    return subprocess.run(bound(test, who=identity.who), capture_output=True, check=False).returncode == 0


def stop(process: subprocess.Popen[bytes], number: signal.Signals, *, patience: float) -> None:
    """Signals a process (waking it if it was frozen) and kills it after `patience` seconds."""
    if process.poll() is not None:
        return
    process.send_signal(number)
    process.send_signal(signal.SIGCONT)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def working_in(folder: Path) -> list[int]:
    """Processes whose working directory is the folder, as a database server's is (Linux; elsewhere none)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*") if sys.platform == "linux" else ():
        with contextlib.suppress(OSError):
            if (entry / "cwd").readlink() == folder.resolve():
                found.append(int(entry.name))
    return found


def signal_strangers(pids: Sequence[int], number: signal.Signals) -> None:
    """Signals processes that are not children of ours and may be gone."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def ending(code: int | None) -> str:
    """How a process ended, in words, from its return code."""
    if code is None:
        return "not ended"
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"

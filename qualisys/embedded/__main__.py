"""`python -m qualisys.embedded` is `make run`."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys

from qualisys.embedded.launch import run
from qualisys.embedded.process import EmbeddedError
from qualisys.embedded.state import HomeInUseError
from qualisys.embedded.stop import Stop, StopRequested, stop_with_make
from qualisys.embedded.terminal import Terminal
from qualisys.environment import ROOT, EnvironmentRefusedError, read_environment

#: Open files a process may have, each stream being one; what the machine allows may be less.
OPEN_FILES = 65_536


def main() -> int:
    """0 after a stop that was asked for, 1 when something failed, 2 when a setting must change."""
    stop = Stop()
    terminal = Terminal(
        sys.stdout.fileno(),
        colour=sys.stdout.isatty() and "NO_COLOR" not in os.environ,
        on_gone=lambda: os.kill(os.getpid(), signal.SIGHUP),
    )
    try:
        stop.listen()
        stop_with_make()
        allow_open_files()
        os.chdir(ROOT)
        run(read_environment(os.environ, running=False), terminal, stop)
    except StopRequested:
        terminal.say("stopped")
    except (EnvironmentRefusedError, HomeInUseError) as refused:
        return _end(terminal, str(refused), 2)
    except (EmbeddedError, OSError) as failure:
        return _end(terminal, str(failure), 1)
    finally:
        terminal.close()
    return 0


def allow_open_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _end(terminal: Terminal, line: str, code: int) -> int:
    terminal.close()
    print(f"qualisys: {line}", file=sys.stderr)
    return code


if __name__ == "__main__":
    raise SystemExit(main())

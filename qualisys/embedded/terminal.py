"""One terminal for many processes: every line says where it comes from."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable

#: Lines that may wait for a slow reader. Beyond that they are dropped: nobody ever waits for a terminal.
BACKLOG = 10_000
COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)
#: Control characters are shown, not obeyed: what a model wrote may end up in a log line.
_VISIBLE = {code: f"\\x{code:02x}" for code in (*range(9), *range(10, 32), *range(127, 160))}
HOUSE = "qualisys"


class Terminal:
    """Writes prefixed lines to a file descriptor from a thread of its own."""

    def __init__(
        self, descriptor: int, *, colour: bool = False, on_gone: Callable[[], None] = lambda: None
    ) -> None:
        self._descriptor = descriptor
        self._colour = colour
        self._on_gone = on_gone
        self._colours: dict[str, int] = {HOUSE: 1}
        self._width = len(HOUSE)
        self._dropped = 0
        self._lines: queue.Queue[str | None] = queue.Queue(BACKLOG)
        self._thread = threading.Thread(target=self._write, name="terminal", daemon=True)
        self._thread.start()

    def introduce(self, names: list[str]) -> None:
        """Gives each process its colour and all of them one column."""
        self._width = max(len(name) for name in (HOUSE, *names))
        for number, name in enumerate(names):
            self._colours.setdefault(name, COLOURS[number % len(COLOURS)])

    def say(self, text: str) -> None:
        """A line of the house itself."""
        self.line(HOUSE, text)

    def line(self, name: str, text: str) -> None:
        """A line of a process. Never waits: where the reader is too slow, lines are dropped and counted."""
        label = f"{name:<{self._width}} |"
        if self._colour:
            label = f"\x1b[{self._colours.get(name, 0)}m{label}\x1b[0m"
        if self._dropped:
            text = f"({self._dropped} lines dropped before this one) {text}"
        try:
            self._lines.put_nowait(f"{label} {text.translate(_VISIBLE)}\n")
            self._dropped = 0
        except queue.Full:
            self._dropped += 1

    def close(self, patience: float = 1.0) -> None:
        """Writes what is pending, for at most `patience` seconds."""
        try:
            self._lines.put(None, timeout=patience)
        except queue.Full:
            return
        self._thread.join(patience)

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            data = line.encode("utf-8", "replace")
            try:
                while data:
                    data = data[os.write(self._descriptor, data) :]
            except OSError:
                self._on_gone()
                return

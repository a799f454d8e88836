"""Server-sent events, as far as model providers use them: one JSON document per `data:` line."""

from __future__ import annotations

#: Longest line accepted, in bytes.
MAX_LINE = 1 << 20


class LineTooLongError(Exception):
    """The provider sent a line longer than `MAX_LINE`."""


class DataLines:
    """Cuts a byte stream into the payloads of its complete `data:` lines.

    Comments, other fields and blank lines are skipped. A payload keeps the white space around it: JSON does
    not mind, and stripping would cost more than the rest.
    """

    __slots__ = ("_held", "_size")

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Return the payloads that `data` completes; hold the unfinished rest back."""
        lines = data.split(b"\n")
        if self._held:
            self._held.append(lines[0])
            self._size += len(lines[0])
            if self._size > MAX_LINE:
                raise LineTooLongError
            if len(lines) == 1:
                return []
            lines[0] = b"".join(self._held)
            self._held.clear()
        rest = lines.pop()
        if rest:
            self._held.append(rest)
            self._size = len(rest)
        return [line[5:] for line in lines if line and line[:5] == b"data:"]

"""Ink: lines in colour, where they are read on a terminal that shows it. All that a server says on its way up.

`rich` draws tables, bars and what moves; a server that had to import it for a green mark would be up 40 ms later.
"""

from __future__ import annotations

import os
import sys
from types import MappingProxyType
from typing import TextIO

_CODES = MappingProxyType(
    {"bold red": "1;31", "dim": "2", "green": "32", "red": "31", "yellow": "33"}
)  # SGR parameters (ECMA-48)
_NO_TEXT = str.maketrans("", "", "\a\b\v\f\r")  # moves the cursor, or rings

Part = str | tuple[str, str]
"""Text as it is, or text and what it looks like."""


class Ink:
    """Writes whole lines to a file, or to what standard error is at the time."""

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file

    @property
    def file(self) -> TextIO:
        """Where lines go."""
        return self._file or sys.stderr

    @property
    def moves(self) -> bool:
        """Whether a person sees lines change in place."""
        return self.file.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")

    def line(self, *parts: Part) -> None:
        """One line; text in it that has several makes several."""
        coloured = (self.moves or bool(os.environ.get("FORCE_COLOR"))) and not os.environ.get("NO_COLOR")
        written = (_written(part, coloured) for part in parts)
        self.file.write("".join(written) + "\n")
        self.file.flush()


def _written(part: Part, coloured: bool) -> str:
    text, look = (part, "") if isinstance(part, str) else part
    text = text.translate(_NO_TEXT)
    return f"\x1b[{_CODES[look]}m{text}\x1b[0m" if look and coloured else text

"""Arguments: what a function is called with: always the same object, or the lines of a file in turn."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import typer

from reactor.cli.run import arguments_of, json_object

_BLANKS = b" \t\n\r"
_PADDING = 24  # blanks, each one of four: no number of calls uses up what they can spell


class Arguments:
    """Encoded JSON objects, by the number of the call."""

    __slots__ = ("_fresh", "_lines", "_start")

    def __init__(self, lines: Sequence[dict[str, Any]], *, fresh: bool = False) -> None:
        """Fresh ones are spelt otherwise in every call, so that the server shares no result between two."""
        self._lines = [orjson.dumps(line) for line in lines]
        self._fresh = fresh
        self._start = random.getrandbits(2 * _PADDING - 1)  # another bench uses others

    @classmethod
    def of(cls, words: Sequence[str], text: str | None, option: str, *, fresh: bool = False) -> Arguments:
        """As they stand on a command line: as `reactor run` has them, or `@FILE`, a JSON object a line.

        `text` is what `option` said. Raises BadParameter.
        """
        if text is not None:
            if words:
                raise typer.BadParameter(f"the arguments are given twice: leave {option} out, or {words[0]!r}")
            words = [text]
        if len(words) == 1 and words[0].startswith("@"):
            return cls(_lines_of(words[0][1:]), fresh=fresh)
        return cls([arguments_of(list(words))], fresh=fresh)

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, number: int) -> bytes:
        """The object of the call of that number, counted from 0."""
        return self.fresh(number) if self._fresh else self._lines[number % len(self._lines)]

    def fresh(self, number: int) -> bytes:
        """The same, spelt as in no other call."""
        line = self._lines[number % len(self._lines)]
        spelt = self._start + number
        return b"{" + bytes(_BLANKS[spelt >> shift & 3] for shift in range(0, 2 * _PADDING, 2)) + line[1:]


def _lines_of(name: str) -> list[dict[str, Any]]:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise typer.BadParameter(f"cannot read the arguments: {error}") from None
    found = [
        json_object(line, f"line {number} of {name}")
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip()
    ]
    if not found:
        raise typer.BadParameter(f"{name} has no arguments in it: it takes a JSON object a line")
    return found

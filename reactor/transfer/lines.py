"""Documents as they come in a file: lines of JSON, an array of JSON, or CSV; each with its place, for complaints."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

import orjson

from reactor.errors import TransferRefused
from reactor.limits import Limits

_BOM = b"\xef\xbb\xbf"
_ARRAY_SIZE = 64 << 20  # bytes of an array, which has to be read whole


class Line(NamedTuple):
    """A parsed document and where it stood."""

    number: int
    tree: dict[str, Any]


def json_lines(file: IO[bytes], where: str, limits: Limits) -> Iterator[Line]:
    """One object a line; empty lines are none."""
    number = 0
    while line := file.readline(limits.import_line + 1):
        number += 1
        if len(line) > limits.import_line:
            raise TransferRefused(f"{where}, line {number}: longer than {limits.import_line} bytes.")
        if number == 1:
            line = line.removeprefix(_BOM)
        if line.strip():
            yield Line(number, _object(_parsed(line, where, number), where, number))


def json_array(file: IO[bytes], where: str) -> Iterator[Line]:
    """An array of objects."""
    data = file.read(_ARRAY_SIZE + 1)
    if len(data) > _ARRAY_SIZE:
        raise TransferRefused(f"{where}: a JSON array can have {_ARRAY_SIZE} bytes; write one document a line instead.")
    tree = _parsed(data.removeprefix(_BOM), where, 1)
    if not isinstance(tree, list):
        raise TransferRefused(f"{where}: expected a JSON array of documents.")
    for number, item in enumerate(tree, 1):
        yield Line(number, _object(item, where, number))


def csv_rows(file: IO[bytes], where: str, limits: Limits) -> Iterator[Line]:
    """The first row names the fields. Every cell is text here."""
    csv.field_size_limit(limits.import_line)
    text = io.TextIOWrapper(_bounded(file, limits.import_line), encoding="utf-8-sig", newline="")
    rows = csv.reader(text, strict=True)
    try:
        names = [name.strip(" ") for name in next(rows, [])]
        if not names or not all(names) or len(set(names)) != len(names):
            raise TransferRefused(f"{where}: the first row must name the fields, each once.")
        for row in rows:
            if not row:
                continue
            if len(row) != len(names):
                raise TransferRefused(
                    f"{where}, line {rows.line_num}: {len(row)} cells, but {len(names)} fields are named in the first row."
                )
            yield Line(rows.line_num, dict(zip(names, row, strict=True)))
    except (csv.Error, UnicodeDecodeError) as error:
        raise TransferRefused(f"{where}, line {rows.line_num + 1}: {error}.") from None


def _bounded(file: IO[bytes], most: int) -> io.BufferedReader:
    return io.BufferedReader(_Bounded(file, most))


class _Bounded(io.RawIOBase):
    """Refuses what has no end of a line for too long, before it is in memory."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        self._file = file
        self._most = most
        self._since = 0  # bytes since the last end of a line

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(min(len(buffer), 1 << 16))
        end = data.rfind(b"\n")
        self._since = self._since + len(data) if end < 0 else len(data) - end
        if self._since > self._most:
            raise csv.Error(f"longer than {self._most} bytes")
        buffer[: len(data)] = data
        return len(data)


def _parsed(data: bytes, where: str, number: int) -> Any:
    try:
        return orjson.loads(data)
    except ValueError as error:
        raise TransferRefused(f"{where}, line {number}: not JSON in UTF-8: {error}.") from None


def _object(tree: Any, where: str, number: int) -> dict[str, Any]:
    if not isinstance(tree, dict):
        raise TransferRefused(f"{where}, line {number}: expected an object, one document.")
    return tree

"""The table a person is shown before an import is carried out, as the official command shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_HIDDEN = ("_blobs",)


def change_table(changes: Sequence[dict[str, Any]]) -> tuple[str, bool]:
    """The text, and whether documents are deleted."""
    rows = [("table", "create", "delete")]
    for each in sorted(changes, key=lambda each: str(each["table"])):
        if each["table"] not in _HIDDEN:
            unit = " files" if each["table"] == "_storage" else " documents"
            rows.append((each["table"], f"{each['added']:,}", f"{each['deleted']:,} of {each['there']:,}{unit}"))
    widths = [max(len(row[at]) for row in rows) for at in range(3)]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows]
    lines.insert(1, "-" * len(lines[0]))
    return "\n".join(["Import change summary:", *lines]), any(each["deleted"] for each in changes)

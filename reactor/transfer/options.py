"""What an export or an import shall be like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ExportFormat = Literal["zip", "jsonl", "csv"]
ImportFormat = Literal["zip", "jsonLines", "jsonArray", "csv"]
ImportMode = Literal["requireEmpty", "append", "replace", "replaceAll"]


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What is wanted. A table is named for the formats of one table."""

    format: ExportFormat = "zip"
    include_files: bool = False
    table: str | None = None


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What is wanted. A table is named for the formats of one table."""

    format: ImportFormat
    mode: ImportMode
    table: str | None = None
    schedules: bool = True  # also what was to be called later

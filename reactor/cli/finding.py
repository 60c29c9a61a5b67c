"""Finding: one thing `reactor doctor` looked at."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Grade(enum.Enum):
    """How bad it is."""

    FINE = "fine"
    WARNING = "warning"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """`fix` is what to type, or to do."""

    about: str
    grade: Grade
    says: str
    fix: str = ""

    def to_tree(self) -> dict[str, str]:
        """For --json."""
        return {"about": self.about, "grade": self.grade.value, "says": self.says, "fix": self.fix}


def fine(about: str, says: str) -> Finding:
    """In order."""
    return Finding(about, Grade.FINE, says)


def warning(about: str, says: str, fix: str) -> Finding:
    """It runs, and something will hurt."""
    return Finding(about, Grade.WARNING, says, fix)


def broken(about: str, says: str, fix: str) -> Finding:
    """It does not run, or not rightly."""
    return Finding(about, Grade.BROKEN, says, fix)

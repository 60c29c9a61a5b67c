"""Refusal: the sentences that say why documents keep a push from being."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reactor.execution.frames import Offence

NAMED = 3  # offending documents the refusal names


def shortened(text: str) -> str:
    """A mismatch, or an error, in one line: what is wrong, and where."""
    lines = text.strip().split("\n")
    path = next((line for line in lines[1:] if line.startswith("Path: ")), "")
    frame = next((line for line in lines[1:] if line.startswith("    at ")), "").strip()
    return " ".join(part for part in (lines[0], f"({path})" if path else "", frame) if part)


def refusal(table: str, offences: Sequence[Offence], total: int, advice: str = "") -> str:
    """Why a push cannot be: how many documents do not fit, the first of them, and what to do (reference §4.14)."""
    first = offences[0]
    listed = "\n".join(f"  {each.id}: {shortened(each.text)}" for each in offences)
    noun = "document" if total == 1 else "documents"
    return (
        f'Document with ID "{first.id}" in table "{table}" does not match the schema: {shortened(first.text)}\n'
        f'{total} {noun} in table "{table}" do{"es" if total == 1 else ""} not match the new schema'
        f"{'' if total == len(offences) else ', among them'}:\n{listed}{advice}"
    )

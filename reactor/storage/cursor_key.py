"""The key that cursors are sealed with: made once per data folder, so that clients keep their pages over a restart."""

from __future__ import annotations

import secrets
from pathlib import Path

from reactor.storage.secret_file import secret_at

FILE_NAME = "cursor_key"
_SIZE = 64  # bytes


def cursor_key_at(folder: Path) -> bytes:
    """The key of a data folder, made if there is none yet. Never log it."""
    return bytes.fromhex(secret_at(folder / FILE_NAME, lambda: secrets.token_hex(_SIZE)))

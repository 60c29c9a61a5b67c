"""The key that upload tokens are signed with: made once per data folder, so that tokens hold over a restart."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from reactor.storage.secret_file import secret_at

FILE_NAME = "upload_key"
_SIZE = 32  # bytes
_FORM = re.compile(r"[0-9a-f]{64}")


def upload_key_at(folder: Path) -> bytes:
    """The key of a data folder, made if there is none yet. Never log it."""
    path = folder / FILE_NAME
    text = secret_at(path, _make)
    if not _FORM.fullmatch(text):  # the power went while it was written: a short key would be no key
        path.unlink()
        text = secret_at(path, _make)
    return bytes.fromhex(text)


def _make() -> str:
    return secrets.token_hex(_SIZE)

"""The operator's key: made once per data folder, kept in a file only its owner can read."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

FILE_NAME = "admin_key"


class AdminKey:
    """The secret behind `Authorization: Convex …`. It is `name|secret`; the name is for people."""

    def __init__(self, text: str) -> None:
        self._text = text

    @classmethod
    def at(cls, folder: Path) -> AdminKey:
        """The key of a data folder, made (mode 600) if there is none yet."""
        path = folder / FILE_NAME
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return cls(path.read_text().strip())
        text = f"reactor|{secrets.token_hex(32)}"
        with os.fdopen(handle, "w") as file:
            file.write(text + "\n")
        return cls(text)

    @property
    def text(self) -> str:
        """What to send. Never log it."""
        return self._text

    def matches(self, given: str) -> bool:
        """Whether this is the key, with or without its name in front; takes the same time either way, at any length."""
        return hmac.compare_digest(_digest(given), _digest(self._text))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.rpartition("|")[2].encode("utf-8", "surrogatepass")).digest()

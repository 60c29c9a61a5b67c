"""The operator's key: made once per data folder, kept in a file only its owner can read."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

from reactor.storage.secret_file import secret_at

FILE_NAME = "admin_key"


class AdminKey:
    """The secret behind `Authorization: Convex …`. It is `name|secret`; the name is for people."""

    def __init__(self, text: str) -> None:
        self._text = text

    @classmethod
    def at(cls, folder: Path) -> AdminKey:
        """The key of a data folder, made (mode 600) if there is none yet."""
        return cls(secret_at(folder / FILE_NAME, lambda: f"reactor|{secrets.token_hex(32)}"))

    @property
    def text(self) -> str:
        """What to send. Never log it."""
        return self._text

    def matches(self, given: str) -> bool:
        """Whether this is the key, with or without its name in front; takes the same time either way, at any length."""
        return hmac.compare_digest(_digest(given), _digest(self._text))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.rpartition("|")[2].encode("utf-8", "surrogatepass")).digest()

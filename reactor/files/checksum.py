"""The two spellings of what a file must hash to: an HTTP `Digest` header, and the `sha256` of `ctx.storage.store`."""

from __future__ import annotations

import base64
import binascii

_SIZE = 32


def sha256_of_header(header: str | None) -> bytes | None:
    """The SHA-256 that `Digest: sha-256=<base64>` asks for; None when it asks for none. Raises ValueError."""
    for part in (header or "").split(","):
        name, _, value = part.strip().partition("=")
        if name.lower() == "sha-256":
            return sha256_of_text(value)
    return None


def sha256_of_text(text: str) -> bytes:
    """The bytes of a SHA-256 in base64 or in hex. Raises ValueError."""
    if len(text) == _SIZE * 2:
        return bytes.fromhex(text)
    try:
        found = base64.b64decode(text, validate=True)
    except binascii.Error:
        found = b""
    if len(found) != _SIZE:
        raise ValueError(f"{text[:100]!r} is no SHA-256 in base64 or hex")
    return found

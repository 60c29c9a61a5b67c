"""Upload tokens: what lets somebody store one file and more, for an hour. Signed, so that nothing has to be written down.

base64url( expiry, 8 bytes of milliseconds ‖ 16 random bytes ‖ the first 20 bytes of HMAC-SHA-256 over both )
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass, field

from reactor.errors import Unauthenticated

_SIGNED = 24
_MAC = 20


@dataclass(frozen=True, slots=True)
class UploadKey:
    """What a deployment's tokens are signed with."""

    secret: bytes = field(repr=False)

    def token(self, expires_ms: int, entropy: bytes) -> str:
        """A token. `entropy` is 16 bytes, so that no two are alike."""
        signed = expires_ms.to_bytes(8) + entropy
        return _text(signed + self._mac(signed))

    def check(self, token: str, now_ms: float) -> None:
        """Raises Unauthenticated, as reference §2.6 has it, for one that is not ours or too old."""
        try:
            data = base64.b64decode(token + "=" * (-len(token) % 4), altchars="-_", validate=True)
        except (binascii.Error, ValueError):
            data = b""
        signed, mac = data[:_SIGNED], data[_SIGNED:]
        if _text(data) != token or not hmac.compare_digest(mac, self._mac(signed)):
            raise Unauthenticated("StorageTokenInvalid", "The upload URL is not one of this server's")
        if int.from_bytes(signed[:8]) <= now_ms:
            raise Unauthenticated("StorageTokenExpired", "The upload URL has expired: ask for a new one")

    def _mac(self, signed: bytes) -> bytes:
        return hmac.digest(self.secret, signed, "sha256")[:_MAC]


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

"""Which client library is speaking: told by the socket's address or the `Convex-Client` header (reference §1.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_VERSION = re.compile(r"(\d{1,6})\.(\d{1,6})\.(\d{1,6})")


@dataclass(frozen=True, slots=True)
class ClientInfo:
    """`name` is "npm", "python", "rust", "npm-cli", …; "unknown" when nobody said. `version` is (0, 0, 0) then."""

    name: str = "unknown"
    version: tuple[int, int, int] = (0, 0, 0)
    address: str = field(default="", compare=False)  # where it calls from: says nothing of which it is

    @property
    def reads_chunks(self) -> bool:
        """Whether it puts TransitionChunks together (reference §1.11); others stop at them."""
        return self.name == "npm" and self.version >= (1, 28, 0)

    @classmethod
    def of_header(cls, header: str | None) -> ClientInfo:
        """Read `npm-1.48.0`, `npm-cli-1.48.0`, `python-0.8.1`; anything else is the unknown client."""
        name, dash, version = (header or "").rpartition("-")
        return cls._of(name, version) if dash else cls()

    @classmethod
    def of_path(cls, version: str) -> ClientInfo:
        """Read the version in `/api/{version}/sync`: only npm clients put one there."""
        return cls._of("npm", version)

    @classmethod
    def _of(cls, name: str, version: str) -> ClientInfo:
        found = _VERSION.match(version)
        if found is None or not name or len(name) > 32:
            return cls()
        return cls(name, (int(found[1]), int(found[2]), int(found[3])))

"""Frames shared within one step of the event loop: what is said alike to many clients is spelt once."""

from __future__ import annotations

from reactor.sync.version import StateVersion


class FrameCache:
    """Transitions built in one step of the loop, so that equal ones are built once and written to all."""

    __slots__ = ("frames", "versions")

    def __init__(self) -> None:
        self.frames: dict[tuple[object, ...], bytes] = {}
        self.versions: dict[tuple[int, int, int], StateVersion] = {}

    def version(self, query_set: int, identity: int, ts: int) -> StateVersion:
        """One record for all sessions that stand at the same point."""
        key = (query_set, identity, ts)
        version = self.versions.get(key)
        if version is None:
            version = self.versions[key] = StateVersion(query_set, identity, ts)
        return version

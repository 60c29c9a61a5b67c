"""Frames shared within one step of the event loop: what is said alike to many clients is spelt once."""

from __future__ import annotations

from reactor.sync.version import StateVersion


class FrameCache:
    """Transitions built in one step of the loop, so that equal ones are built once and written to all."""

    __slots__ = ("_last", "_version", "frames", "head", "versions")

    def __init__(self) -> None:
        self.head = -1  # where the log stands in this step; set by whoever asks first
        self.frames: dict[tuple[object, ...], bytes] = {}
        self.versions: dict[tuple[int, int, int], StateVersion] = {}
        self._version = StateVersion.START  # the last one given: most sessions in a step want the same
        self._last: tuple[bytes, StateVersion, StateVersion, int, object] | None = None  # set by remember()

    def version(self, query_set: int, identity: int, ts: int) -> StateVersion:
        """One record for all sessions that stand at the same point."""
        last = self._version
        if last.ts == ts and last.query_set == query_set and last.identity == identity:
            return last
        key = (query_set, identity, ts)
        version = self.versions.get(key)
        if version is None:
            version = self.versions[key] = StateVersion(query_set, identity, ts)
        self._version = version
        return version

    def last(self, start: StateVersion, end: StateVersion, query_id: int, what: object) -> bytes | None:
        """The frame remembered last, if it is the one that tells of `what` between these very records."""
        last = self._last
        if last is not None and last[1] is start and last[2] is end and last[3] == query_id and last[4] is what:
            return last[0]
        return None

    def remember(self, frame: bytes, start: StateVersion, end: StateVersion, query_id: int, what: object) -> None:
        """A frame that others are likely to want next."""
        self._last = (frame, start, end, query_id, what)

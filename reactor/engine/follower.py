"""A live query followed by the server itself."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from reactor.engine.engine import Engine
from reactor.execution.frames import Failure, Outcome
from reactor.subscriptions.subscription import QueryKey, Subscription


class Follower:
    """Holds the newest outcome of an internal query and calls `changed` when another one arrives."""

    subscription: Subscription  # set by the manager

    def __init__(self, engine: Engine, path: str, args: bytes, changed: Callable[[], None]) -> None:
        self.identity: bytes | None = None
        self._engine = engine
        self._key = QueryKey(path, args, None, internal=True)
        self._changed = changed

    def __enter__(self) -> Self:
        self._engine.watch(self._key, self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._engine.unwatch(self)

    @property
    def outcome(self) -> Outcome | None:
        """The newest one; None before the first run."""
        observation = self.subscription.observation
        if observation is None:
            return None
        assert isinstance(observation.payload, Outcome)
        return observation.payload

    @property
    def failure(self) -> Failure | None:
        """Why it failed, if it did: its reader was killed, perhaps. Another Follower then gets a run of its own."""
        return None if self.outcome is None else self.outcome.failure

    @property
    def ts(self) -> int:
        """The timestamp of `outcome`; 0 before the first run."""
        observation = self.subscription.observation
        return 0 if observation is None else observation.ts

    def updated(self) -> None:
        """See Subscriber."""
        self._changed()

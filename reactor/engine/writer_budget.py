"""WriterBudget: whose mutations may take the one writer's time (engine A5). Pure: the time is an argument.

Mutations run one after another, so one that takes half a second makes all others wait for half a second, each time it
is called. A function is *slow* when its calls took SLOW seconds on average, or when two were ended for their time
within a minute. Slow functions have a share of the writer's time, and every user a part of that share; what is not used
is kept, up to a burst. Whoever has used it up is refused, and told when to come back.

Nobody is refused for the sake of nobody: while no other function is called, a slow one may take all the time there is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice

from reactor.limits import Limits

SLOW = 0.05  # seconds: many quick calls are what the writer is for
WEIGHT = 0.2  # of the newest call in the moving average
DEATHS = 2  # calls ended for their time within MEMORY that make a function slow
MEMORY = 60.0  # seconds
CRASH = 0.1  # seconds: what a call that ends its process costs, another writer's start included
COMPANY = 5.0  # seconds for which another function's call counts as somebody who would wait
_NAME_LENGTH = 256  # of what clients call: longer names, which no function has, are not kept whole
_MOST = 1000  # functions and users remembered; of more, those longest silent are forgotten


@dataclass(slots=True)
class _Bucket:
    """Writer time used; it drains at the share."""

    level: float = 0.0  # seconds; rises in add(), falls as time passes
    at: float = 0.0  # when `level` was true

    def now(self, share: float, now: float) -> float:
        """What is left of it."""
        self.level = max(0.0, self.level - share * (now - self.at))
        self.at = now
        return self.level


@dataclass(slots=True)
class _Function:
    """One function's record."""

    average: float = 0.0  # seconds a call took
    ended: list[float] = field(default_factory=list)  # when calls were ended for their time, the last DEATHS
    used: _Bucket = field(default_factory=_Bucket)

    def is_slow(self, now: float) -> bool:
        """Whether it has a share only."""
        return self.average >= SLOW or (len(self.ended) == DEATHS and now - self.ended[0] < MEMORY)


class WriterBudget:
    """One per server. `admit` before a call is submitted, `charge` when it has been answered."""

    def __init__(self, limits: Limits) -> None:
        self._share = limits.slow_mutation_share
        self._burst = limits.slow_mutation_burst
        self._functions: dict[str, _Function] = {}  # those that were called; in the order of their last call
        self._users: dict[tuple[str, bytes | None], _Bucket] = {}  # of slow functions
        self._called: dict[str, float] = {}  # function → its last call; in that order

    def admit(self, path: str, identity: bytes | None, now: float) -> float | None:
        """None if the call may be submitted; else the seconds after which it may."""
        path = _one_name(path[:_NAME_LENGTH])
        function = self._functions.get(path)
        slow = function is not None and function.is_slow(now)
        accompanied = slow and any(at > now - COMPANY for other, at in self._newest() if other != path)
        self._called.pop(path, None)
        self._called[path] = now
        _forget(self._called)
        if function is None or not accompanied:
            return None
        wait = (function.used.now(self._share, now) - self._burst) / self._share
        user = self._users.get((path, identity))
        if user is not None:
            wait = max(wait, (user.now(self._share / 2, now) - self._burst / 2) / (self._share / 2))
        return wait if wait > 0 else None

    def charge(self, path: str, identity: bytes | None, seconds: float, now: float, *, ended: bool) -> None:
        """A call took so much of the writer's time; `ended` says that it had to be ended for it."""
        path = _one_name(path[:_NAME_LENGTH])
        function = self._functions.pop(path, None) or _Function(average=seconds)
        self._functions[path] = function
        _forget(self._functions)
        function.average += WEIGHT * (seconds - function.average)
        if ended:
            function.ended = [*function.ended, now][-DEATHS:]
        if not function.is_slow(now):
            return
        function.used.now(self._share, now)
        function.used.level += seconds
        user = self._users.pop((path, identity), None) or _Bucket(at=now)
        self._users[path, identity] = user
        _forget(self._users)
        user.now(self._share / 2, now)
        user.level += seconds

    def _newest(self) -> list[tuple[str, float]]:
        """The two functions called last: one of them is another than any given one."""
        return [(name, self._called[name]) for name in islice(reversed(self._called), 2)]


@lru_cache(_MOST)
def _one_name(path: str) -> str:
    """However a client spells a function (`a:b_c`, `a.js:bC`), it has one budget."""
    return path.replace(".js:", ":").replace("_", "").lower()


def _forget(records: dict[str, _Function] | dict[str, float] | dict[tuple[str, bytes | None], _Bucket]) -> None:
    if len(records) > _MOST:
        del records[next(iter(records))]  # type: ignore[arg-type]  # of its own keys

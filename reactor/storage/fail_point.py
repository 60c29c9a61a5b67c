"""Named places where a test may make the engine fail, stop or die. In production there is no hook and nothing happens.

Places: every SQL statement under its own text, `structure` before each change of structure, and `before commit`,
`after commit`, `before abandon`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

hook: Callable[[str], None] | None = None  # set and cleared by `installed` only


def reach(place: str) -> None:
    """Pass a place."""
    if hook is not None:
        hook(place)


@contextmanager
def installed(test: Callable[[str], None]) -> Iterator[None]:
    """Call `test` with the name of every place passed meanwhile; what it raises is raised there."""
    global hook
    before, hook = hook, test
    try:
        yield
    finally:
        hook = before

"""What functions cost is counted while somebody looks, and not a call longer."""

from __future__ import annotations

import asyncio

from reactor.engine.profile import Profile
from reactor.execution.frames import Counts, Failure, Outcome


async def test_calls_are_added_up_by_function_and_kind() -> None:
    profile = Profile()
    profile.hold(5)
    profile.add("query", "a.js:f", Outcome(1, b"1", cpu=0.5, counts=Counts(7, 70, 1, 0, 0)))
    profile.add("query", "a:f", Outcome(2, None, Failure("ValueError", "…"), cpu=0.25, counts=Counts(1, 10, 1, 0, 0)))
    profile.add("query", "a:f", Outcome(3, None, Failure("FunctionCrashed", "…")))  # a run nobody counted
    profile.add("mutation", "a:g", Outcome(4, b"1", counts=Counts(0, 0, 0, 2, 20)))
    f, g = profile.tallies
    assert (f.path, f.kind, f.runs, f.failed, f.counted, f.cpu) == ("a:f", "query", 3, 2, 2, 0.75)
    assert (f.documents_read, f.bytes_read, f.index_ranges) == (8, 80, 2)
    assert (g.runs, g.documents_written, g.bytes_written) == (1, 2, 20)


async def test_it_is_let_go_when_nobody_has_looked_for_as_long_as_was_asked() -> None:
    profile = Profile()
    assert not profile.held
    profile.hold(0.02)
    profile.hold(0.01)  # another's shorter look takes nothing from it
    profile.add("query", "a:f", Outcome(1, b"1"))
    await asyncio.sleep(0.015)
    assert profile.held
    await asyncio.sleep(0.03)
    assert not profile.held
    assert not profile.tallies

"""Two lines in front of the writer: jobs wait for nobody for ever, and nobody waits for many jobs."""

from __future__ import annotations

from reactor.execution.call_queue import CallQueue
from reactor.execution.frames import Call


def queue(*names: str) -> CallQueue:
    """Calls by name; those that start with "j" are jobs."""
    waiting = CallQueue()
    waiting.extend(
        [
            Call(number, "mutation", name, b"{}", job=name if name[0] == "j" else None)
            for number, name in enumerate(names)
        ]
    )
    return waiting


def drain(waiting: CallQueue) -> list[str]:
    taken = []
    while waiting:
        upcoming = waiting.next
        call = waiting.pop()
        assert call is upcoming
        taken.append(call.path)
    return taken


def test_jobs_and_others_take_turns_each_in_their_order() -> None:
    assert drain(queue("j1", "j2", "j3", "j4", "a", "b")) == ["j1", "a", "j2", "b", "j3", "j4"]
    assert drain(queue("a", "b", "c", "j1")) == ["j1", "a", "b", "c"]


def test_whoever_comes_while_jobs_run_goes_before_the_next_job() -> None:
    waiting = queue("j1", "j2", "j3")
    assert waiting.only_jobs
    assert waiting.pop().path == "j1"
    waiting.extend([Call(9, "mutation", "a", b"{}")])
    assert not waiting.only_jobs
    assert drain(waiting) == ["a", "j2", "j3"]


def test_it_can_be_emptied() -> None:
    waiting = queue("a", "j")
    waiting.clear()
    assert len(waiting) == 0
    assert waiting.only_jobs

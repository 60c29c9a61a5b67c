import os
from pathlib import Path

from reactor.execution.slot import Occupant, Slot


def test_a_slot_is_empty_until_a_call_begins_and_after_it_ended(tmp_path: Path) -> None:
    slot = Slot.create(tmp_path / "slot")
    assert slot.read() is None
    slot.begin(7, 1.5)
    assert slot.read() == Occupant(7, 1.5)
    slot.end()
    assert slot.read() is None
    slot.remove()
    assert not (tmp_path / "slot").exists()


def test_the_other_process_sees_who_runs_even_after_the_runner_was_killed(tmp_path: Path) -> None:
    server = Slot.create(tmp_path / "slot")
    pid = os.fork()
    if pid == 0:
        Slot(tmp_path / "slot").begin(2**63, 12.25)
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    assert server.read() == Occupant(2**63, 12.25)
    server.remove()


def test_the_time_read_is_always_the_one_of_the_call_read(tmp_path: Path) -> None:
    server, stop = Slot.create(tmp_path / "slot"), Slot.create(tmp_path / "stop")
    pid = os.fork()
    if pid == 0:
        runner, call = Slot(tmp_path / "slot"), 0
        while stop.read() is None:
            call += 1
            runner.begin(call, call / 2)
            runner.end()
        os._exit(0)
    seen: set[int] = set()
    while len(seen) < 200:
        if (occupant := server.read()) is not None:
            assert occupant.started == occupant.call / 2
            seen.add(occupant.call)
    stop.begin(1, 0.0)
    os.waitpid(pid, 0)
    server.remove()
    stop.remove()

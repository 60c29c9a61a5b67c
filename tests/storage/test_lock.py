from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reactor.errors import StorageLocked
from reactor.storage.lock import FileLock


def test_a_second_holder_is_refused_at_once_and_told_why(tmp_path: Path) -> None:
    lock = FileLock.take(tmp_path / "lock", "writer")
    with pytest.raises(StorageLocked, match="Another writer"):
        FileLock.take(tmp_path / "lock", "writer")
    lock.release()
    lock.release()
    FileLock.take(tmp_path / "lock", "writer").release()


def test_a_lock_is_held_against_other_processes_and_freed_by_death(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from reactor.storage.lock import FileLock\n"
        "lock = FileLock.take(pathlib.Path(sys.argv[1]), 'server'); print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(StorageLocked):
        FileLock.take(tmp_path / "lock", "server")
    holder.kill()
    holder.wait()
    FileLock.take(tmp_path / "lock", "server").release()
    holder.stdin.close()
    holder.stdout.close()


def test_a_program_started_by_the_holder_does_not_keep_the_lock(tmp_path: Path) -> None:
    lock = FileLock.take(tmp_path / "lock", "writer")
    program = "import sys; print('running', flush=True); sys.stdin.read()"
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stdout.readline() == b"running\n", "it is past exec, which is when the descriptor closes"
    try:
        lock.release()
        FileLock.take(tmp_path / "lock", "writer").release()
    finally:
        child.stdin.close()
        child.stdout.close()
        child.wait()


def test_the_descriptor_closes_on_exec(tmp_path: Path) -> None:
    lock = FileLock.take(tmp_path / "lock", "writer")
    assert not os.get_inheritable(lock._descriptor)
    lock.release()

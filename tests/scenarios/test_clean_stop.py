"""A server that is stopped leaves one database file, whole, and nothing running."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
from pathlib import Path

from reactor.application import Application
from tests.support import Project, eventually, serving

SCHEMA = """
from reactor import Table

class Note(Table, name="notes"):
    text: str
"""

FUNCTIONS = """
from reactor import MutationCtx, mutation
from schema import Note

@mutation
def add(ctx: MutationCtx, text: str) -> None:
    ctx.db.insert(Note(text=text))
"""


async def test_after_a_clean_stop_everything_is_in_the_one_file(tmp_path: Path) -> None:
    (tmp_path / "functions").mkdir()
    (tmp_path / "schema.py").write_text(SCHEMA)
    (tmp_path / "functions" / "notes.py").write_text(FUNCTIONS)
    data = tmp_path / "data"
    application = Application(tmp_path, data)
    await application.start()
    for n in range(20):
        outcome = await application.call_mutation("notes:add", b'{"text":"%d"}' % n, None)
        assert outcome.failure is None
    await application.stop()
    assert not (data / "runtime").exists()
    assert sorted(path.name for path in data.iterdir() if "reactor.db" in path.name and path.stat().st_size) == [
        "reactor.db"
    ]
    connection = sqlite3.connect(data / "reactor.db")
    try:
        assert connection.execute("SELECT count(*) FROM notes").fetchone() == (20,)
    finally:
        connection.close()


def test_a_hangup_is_a_clean_stop_unless_it_is_ignored(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", schema=SCHEMA, functions={"notes": FUNCTIONS})
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # these tests may run under nohup
    try:
        serve = serving(project)
        server = serve.__enter__()
    finally:
        signal.signal(signal.SIGHUP, before)
    with contextlib.ExitStack() as stack:
        stack.push(serve)
        os.kill(server.pid, signal.SIGHUP)
        assert eventually(lambda: not (project.data / "runtime").exists(), 10.0)
        assert server.runners_end(within=5.0)


async def test_what_a_killed_server_left_is_cleared_by_the_next(tmp_path: Path) -> None:
    (tmp_path / "data" / "runtime").mkdir(parents=True)
    (tmp_path / "data" / "runtime" / "left-behind").write_bytes(bytes(16))
    application = Application(tmp_path, tmp_path / "data")
    await application.start()
    try:
        assert (tmp_path / "data" / "runtime" / "left-behind").exists() is False
    finally:
        await application.stop()

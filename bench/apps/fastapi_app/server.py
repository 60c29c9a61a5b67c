"""What a Python developer writes by hand today: FastAPI, sqlite3 and WebSockets, with one query wired up.

MODE=naive: the handler runs the query again for every subscriber of the channel, then answers.
MODE=shared: it answers after the commit; one task runs each changed channel's query once and sends all the same text.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import mmap
import os
import sqlite3
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import Response
from pydantic import BaseModel

NAIVE = os.environ["MODE"] == "naive"

db = sqlite3.connect(os.environ["DATABASE"], isolation_level=None, check_same_thread=False)
db.execute("PRAGMA journal_mode=WAL")  # `synchronous` stays at SQLite's default, FULL: an fsync for each commit
db.executescript("""
CREATE TABLE IF NOT EXISTS messages(id INTEGER PRIMARY KEY, channel TEXT, author TEXT, text TEXT,
                                    created REAL DEFAULT (julianday('now')));
CREATE INDEX IF NOT EXISTS by_channel ON messages(channel, id);
CREATE TABLE IF NOT EXISTS counters(name TEXT PRIMARY KEY, value INTEGER);
INSERT OR IGNORE INTO counters VALUES('c', 0);
CREATE TABLE IF NOT EXISTS rows(id INTEGER PRIMARY KEY, grp INTEGER, at REAL, title TEXT, score REAL);
CREATE INDEX IF NOT EXISTS by_group_at ON rows(grp, at);
""")


CHANNELS = 1000


def shared_counts() -> memoryview:
    """One number for each channel, beside the database."""
    file = os.open(Path(os.environ["DATABASE"]).with_name("runs"), os.O_RDWR | os.O_CREAT)
    os.ftruncate(file, CHANNELS * 4)
    return memoryview(mmap.mmap(file, CHANNELS * 4)).cast("I")


runs = shared_counts()


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Runs the sender beside the server."""
    task = asyncio.create_task(send_changes())
    yield
    task.cancel()


app = FastAPI(lifespan=lifespan)
subscribers: dict[str, set[WebSocket]] = defaultdict(set)
changed: set[str] = set()
wake = asyncio.Event()


class Message(BaseModel):
    """What is posted."""

    channel: str
    author: str
    text: str


def latest(channel: str) -> str:
    """The newest messages of a channel, as JSON."""
    if channel[0] == "c":
        runs[int(channel[1:])] += 1  # so that the benchmark knows what ran
    found = db.execute(
        "SELECT id, channel, author, text, created FROM messages WHERE channel=? ORDER BY id DESC LIMIT 20", (channel,)
    ).fetchall()
    return json.dumps([dict(zip(("id", "channel", "author", "text", "created"), row, strict=True)) for row in found])


def newest_rows(group: int) -> str:
    """The newest rows of a group, as JSON."""
    found = db.execute(
        "SELECT id, grp, at, title, score FROM rows WHERE grp=? ORDER BY at DESC LIMIT 20", (group,)
    ).fetchall()
    return json.dumps([dict(zip(("id", "group", "at", "title", "score"), row, strict=True)) for row in found])


async def send(socket: WebSocket, text: str) -> None:
    """To one subscriber, who may have gone."""
    with contextlib.suppress(Exception):
        await socket.send_text(text)


async def send_changes() -> None:
    """Tell subscribers of channels that have changed."""
    while True:
        await wake.wait()
        wake.clear()
        while changed:
            channel = changed.pop()
            text = latest(channel)
            for socket in list(subscribers[channel]):
                await send(socket, text)


@app.post("/messages")
async def create(message: Message) -> dict[str, int | None]:
    """Add a message."""
    cursor = db.execute(
        "INSERT INTO messages(channel, author, text) VALUES(?,?,?)", (message.channel, message.author, message.text)
    )
    if NAIVE:
        for socket in list(subscribers[message.channel]):
            await send(socket, latest(message.channel))
    elif subscribers[message.channel]:
        changed.add(message.channel)
        wake.set()
    return {"id": cursor.lastrowid}


@app.post("/increment")
async def increment() -> dict[str, int]:
    """Read the counter and write it one higher."""
    db.execute("BEGIN IMMEDIATE")
    value: int = db.execute("SELECT value FROM counters WHERE name='c'").fetchone()[0] + 1
    db.execute("UPDATE counters SET value=? WHERE name='c'", (value,))
    db.execute("COMMIT")
    return {"value": value}


@app.get("/counter")
async def counter() -> dict[str, int]:
    """What the counter stands at."""
    return {"value": db.execute("SELECT value FROM counters WHERE name='c'").fetchone()[0]}


@app.post("/fill/{count}")
async def fill(count: int) -> dict[str, int]:
    """Make the table that `rows` reads."""
    db.execute("BEGIN")
    db.executemany(
        "INSERT INTO rows(grp, at, title, score) VALUES(?,?,?,?)",
        ((number // 100, float(number % 100), f"row {number}", number * 0.5) for number in range(count)),
    )
    db.execute("COMMIT")
    return {"count": count}


@app.get("/rows/{group}")
async def rows(group: int) -> Response:
    """The newest rows of a group."""
    return Response(newest_rows(group), media_type="application/json")


@app.websocket("/rows")
async def rows_by_socket(socket: WebSocket) -> None:
    """The same, a message in and a message out."""
    await socket.accept()
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await socket.send_text(newest_rows(int(await socket.receive_text())))


@app.websocket("/live/{channel}")
async def live(socket: WebSocket, channel: str) -> None:
    """Follow a channel."""
    await socket.accept()
    subscribers[channel].add(socket)
    await socket.send_text(latest(channel))
    try:
        while True:
            await socket.receive_text()
    except WebSocketDisconnect:
        subscribers[channel].discard(socket)

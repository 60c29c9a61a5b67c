"""Floors: what this machine can do of the same work with nothing around it. Each runs in a process on the server's core."""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import uvloop

Floor = Callable[[float], float]

_PUSH = 4096  # bytes, about what 20 messages are
_SUBSCRIBERS = 1000
_GROUP = 32  # rows a commit


def broadcast(seconds: float) -> float:
    """W2: frames of 4 KB to 1,000 sockets, written by an event loop and read by the peer. Deliveries a second of CPU."""

    async def run() -> float:
        loop = asyncio.get_running_loop()
        pairs = [socket.socketpair() for _ in range(_SUBSCRIBERS)]
        transports = []
        for ours, _ in pairs:
            transport, _protocol = await loop.create_connection(asyncio.Protocol, sock=ours)
            transports.append(transport)
        frame = b"\x81\x7e" + _PUSH.to_bytes(2, "big") + b"x" * _PUSH
        count, used = 0, 0.0
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            began = time.thread_time()
            for transport in transports:
                transport.write(frame)
            used += time.thread_time() - began
            count += len(transports)
            for _, theirs in pairs:
                theirs.recv(_PUSH * 2)
        for transport in transports:
            transport.close()
        for _, theirs in pairs:
            theirs.close()
        return count / used

    return uvloop.run(run())


def group_commit(seconds: float) -> float:
    """W4: a document and its index row, 32 rows to an fsync, by one connection. Rows a second."""
    with tempfile.TemporaryDirectory() as folder:
        database = sqlite3.connect(Path(folder) / "floor.db", isolation_level=None)
        database.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"
            "CREATE TABLE documents(id TEXT PRIMARY KEY, data TEXT) WITHOUT ROWID;"
            "CREATE TABLE by_channel(key BLOB PRIMARY KEY, id TEXT) WITHOUT ROWID;"
        )
        data = json.dumps({"channel": "c0", "author": "ann", "text": "x" * 100})
        count = 0
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            database.execute("BEGIN IMMEDIATE")
            for number in range(count, count + _GROUP):
                name = f"{number:012d}"
                database.execute("INSERT INTO documents VALUES(?, ?)", (name, data))
                database.execute("INSERT INTO by_channel VALUES(?, ?)", (name.encode(), name))
            database.execute("COMMIT")
            count += _GROUP
        took = time.perf_counter() - began
        database.close()
        return count / took


def single_commit(seconds: float) -> float:
    """One row to an fsync: what a service without group commit cannot pass. Rows a second."""
    with tempfile.TemporaryDirectory() as folder:
        database = sqlite3.connect(Path(folder) / "floor.db", isolation_level=None)
        database.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE messages(id INTEGER PRIMARY KEY, text TEXT);"
        )
        count = 0
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            database.execute("INSERT INTO messages(text) VALUES(?)", ("x" * 100,))
            count += 1
        took = time.perf_counter() - began
        database.close()
        return count / took


def echo(seconds: float) -> float:
    """W7: a 200-byte call to another process over a socketpair and 3 KB back, one at a time. Calls a second."""
    import os

    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        answer = b"y" * 3000
        while theirs.recv(4096):
            theirs.sendall(answer)
        os._exit(0)
    theirs.close()
    count = 0
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        ours.sendall(b"x" * 200)
        left = 3000
        while left:
            left -= len(ours.recv(left))
        count += 1
    took = time.perf_counter() - began
    ours.close()
    os.waitpid(child, 0)
    return count / took


FLOORS: dict[str, Floor] = {
    "broadcast": broadcast,
    "group_commit": group_commit,
    "single_commit": single_commit,
    "echo": echo,
}

if __name__ == "__main__":
    print(FLOORS[sys.argv[1]](float(sys.argv[2])))

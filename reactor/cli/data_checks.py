"""What `reactor doctor` asks of the data folder: who has it, its key, the database's health, whether documents fit."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

from reactor.application import DATABASE
from reactor.cli.address_file import AddressFile
from reactor.cli.finding import Finding, Grade, broken, fine, warning
from reactor.cli.project_checks import BUILT_IN
from reactor.cli.remote import Remote
from reactor.errors import StorageLocked
from reactor.execution.check_main import refusal_of
from reactor.limits import DEFAULT_LIMITS
from reactor.storage.admin_key import FILE_NAME as ADMIN_KEY
from reactor.storage.lock import FileLock

_WAL = 4 * DEFAULT_LIMITS.wal_hard


async def all_findings(root: Path, data: Path, *, loads: bool) -> list[Finding]:
    """Everything about the data folder; whether documents fit, if the code `loads`."""
    access = _access(data)
    if access is not None:
        return [access]
    findings = [*_admin_key(data), await _server(data)]
    health = list(_health(data / DATABASE))
    if health and loads and not any(each.grade is Grade.BROKEN for each in health):
        health.append(await _schema(root, data / DATABASE))
    return findings + health


def _access(data: Path) -> Finding | None:
    """What there is to say of a folder into which nobody can look."""
    if not data.exists():
        return fine("data", f"nothing is stored yet; {data.name}/ is made by the first start")
    if not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        return broken("data", f"{data} cannot be written by this user", f"sudo chown -R $(id -un) {data}")
    return None


def _admin_key(data: Path) -> Iterator[Finding]:
    path = data / ADMIN_KEY
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        empty = not path.read_text().strip()
    except FileNotFoundError:
        return
    except OSError as error:
        yield broken("admin key", f"{path}: {error.strerror}", f"sudo chown $(id -un) {path}")
        return
    if empty:
        yield broken(
            "admin key", f"{path} is empty: anybody could guess that", f"rm {path}, and start the server again"
        )
    elif mode & 0o077:
        yield broken("admin key", f"others may read {path} (mode {mode:o})", f"chmod 600 {path}")
    else:
        yield fine("admin key", f"only its owner may read {path.name}")


async def _server(data: Path) -> Finding:
    url = AddressFile(data).read()
    if url is not None:
        async with Remote(url, "") as remote:
            if await remote.answers():
                return fine("server", f"one runs at {url}")
    try:
        FileLock.take(data / f"{DATABASE}.server", "server").release()
    except StorageLocked:
        return broken(
            "server",
            "one holds this data folder, and does not answer",
            f"fuser -v {data / DATABASE}.server, to see which process",
        )
    except OSError as error:
        return broken("server", f"the lock file: {error.strerror}", f"sudo chown -R $(id -un) {data}")
    return fine("server", "none runs")


def _health(database: Path) -> Iterator[Finding]:
    """SQLite's own quick check, in a snapshot: a running server goes on."""
    if not database.exists():
        return
    repair = f"stop the server, copy {database.parent}, then: sqlite3 {database} .recover | sqlite3 recovered.db"
    try:
        connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=5)
        try:
            said = [row[0] for row in connection.execute("PRAGMA quick_check(3)")]
        finally:
            connection.close()
    except sqlite3.Error as error:
        yield broken("database", f"{database.name}: {error}", repair)
        return
    if said != ["ok"]:
        yield broken("database", f"{database.name} is damaged: {said[0]}", repair)
        return
    yield fine("database", f"{database.name} is whole, {database.stat().st_size / (1 << 20):.1f} MiB")
    wal = database.with_name(f"{database.name}-wal")
    size = wal.stat().st_size if wal.exists() else 0
    if size > _WAL:
        yield warning(
            "WAL",
            f"{size >> 20} MiB wait to be folded back",
            f"end what reads {database.name} for long: fuser -v {database}",
        )
    else:
        yield fine("WAL", f"{size / (1 << 20):.1f} MiB")


async def _schema(root: Path, database: Path) -> Finding:
    refusal = await refusal_of(root, database, BUILT_IN)
    if refusal is None:
        return fine("schema", "all stored documents fit")
    return broken("schema", refusal, "reactor dev, which proposes a migration")

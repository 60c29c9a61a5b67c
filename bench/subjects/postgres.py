"""PostgresCluster: a PostgreSQL of a subject's own, with the settings it comes with: fsync and synchronous_commit on."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

_USER = "postgres"  # whom it runs as when we are root, which it refuses to be
_UP_WITHIN = 20.0
_DEBIAN = Path("/usr/lib/postgresql")


def tools() -> Path | None:
    """The folder of `initdb` and `postgres`: of the newest version that Debian has put away, or on the path."""
    found = [path.parent for path in _DEBIAN.glob("*/bin/initdb") if (path.parent / "postgres").exists()]
    if found:
        return max(found, key=lambda path: float(path.parent.name))
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def missing() -> str | None:
    """What is to be done before it can be run; None when nothing is."""
    return None if tools() else "PostgreSQL's initdb was not found: apt-get install postgresql"


class PostgresCluster:
    """Listens on loopback only, trusts whoever is there, and lives in one folder."""

    def __init__(self, folder: Path, port: int) -> None:
        found = tools()
        assert found is not None  # asked before a subject is started
        self._tools = found
        self._data = folder / "postgres"
        self.port = port
        self.user = _USER if os.getuid() == 0 else None
        for each in (folder.parent, folder) if self.user else ():
            each.chmod(0o711)  # so that it can pass

    def create(self) -> list[str]:
        """Make the folder; the command that serves it."""
        self._data.mkdir()
        if self.user:
            shutil.chown(self._data, self.user)
        self._run("initdb", "-D", str(self._data), "-U", _USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
        settings = (
            f"port={self.port}",
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=200",
        )
        return [str(self._tools / "postgres"), "-D", str(self._data), *(x for each in settings for x in ("-c", each))]

    def create_database(self, name: str) -> str:
        """Wait until it serves; the address of a new database. Raises RuntimeError."""
        end = time.monotonic() + _UP_WITHIN
        while time.monotonic() < end:
            try:
                self._run("createdb", *self._client(), name)
            except subprocess.CalledProcessError:
                time.sleep(0.05)
            else:
                return f"postgres://{_USER}@127.0.0.1:{self.port}/{name}"
        raise RuntimeError(f"PostgreSQL did not come up on port {self.port}")

    def execute(self, database: str, statement: str) -> None:
        """One statement of SQL."""
        self._run("psql", "-q", *self._client(), "-d", database, "-c", statement)

    def _client(self) -> tuple[str, ...]:
        return ("-h", "127.0.0.1", "-p", str(self.port), "-U", _USER)

    def _run(self, name: str, *arguments: str) -> None:
        command = [str(self._tools / name), *arguments]
        subprocess.run(command, check=True, capture_output=True, user=self.user, cwd="/", timeout=_UP_WITHIN)

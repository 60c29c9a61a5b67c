"""What is installed beside the project: where Python looks for packages, and when that last changed."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path


def installed_packages() -> str:
    """Changes when a package is installed or removed: the folders they are installed in do."""
    return ",".join(f"{folder}={moment}" for folder, moment in _folders())


def _folders() -> Iterator[tuple[str, int]]:
    for folder in dict.fromkeys(sys.path):
        if folder.endswith(("site-packages", "dist-packages")):
            with contextlib.suppress(OSError):
                yield folder, Path(folder).stat().st_mtime_ns

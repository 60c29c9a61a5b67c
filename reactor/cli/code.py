"""Which code `reactor serve` starts with: this folder's, or what was deployed into the data folder."""

from __future__ import annotations

import enum
import sys
import time
from pathlib import Path

from reactor.application import DATABASE
from reactor.cli.project import project_root
from reactor.cli.settings import ProjectSettings
from reactor.deploy.bundle_store import BundleStore, code_of


class Code(enum.Enum):
    """What `--code` may say."""

    AUTO = "auto"
    HERE = "here"
    DEPLOYED = "deployed"


def code_to_serve(data: Path, code: Code) -> tuple[BundleStore | None, Path]:
    """Where pushes are kept (None: none are taken) and the folder of the project to begin with."""
    if code is Code.HERE:  # a push would be gone with the next start
        return None, project_root()
    store = BundleStore(data, check=ProjectSettings.read)
    deployed = store.in_force(code_of(data / DATABASE)) if store.was_pushed_to() else None
    if deployed is not None:
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(deployed.at))
        hint = "" if code is Code.DEPLOYED else " (`--code here` serves this folder's instead)"
        print(f"serving version {deployed.digest[:8]}, deployed at {at}{hint}", file=sys.stderr)
        return store, store.path_of(deployed)
    if code is Code.DEPLOYED:
        print("nothing is deployed yet: waiting for `reactor deploy`", file=sys.stderr)
        return store, store.nothing()
    return store, project_root()

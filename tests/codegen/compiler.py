"""The real TypeScript compiler with the real client packages, to judge what codegen wrote.

Packages are installed once, into the test environment and not into the repository; no lock file is kept.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.clients.node import CONVEX, INSTALL_TIME, node_executable

PACKAGES = ("typescript", f"convex@{CONVEX}", "react", "@types/react")

TSCONFIG = {
    "compilerOptions": {
        "strict": True,
        "noEmit": True,
        "target": "ES2022",
        "module": "ESNext",
        "moduleResolution": "bundler",
        "jsx": "react-jsx",
        "lib": ["ES2022", "DOM"],
        "types": [],
        "skipLibCheck": False,
        "noUnusedLocals": True,
        "exactOptionalPropertyTypes": False,
        "paths": {"@/convex/_generated/*": ["./functions/_generated/*"]},
    },
    "include": ["functions/_generated/*.d.ts", "*.ts", "*.tsx"],
}


def packages_folder(cache: Path) -> Path:
    """A folder whose node_modules holds the compiler and the client; installed there unless it is."""
    home = Path(sys.prefix) if sys.prefix != sys.base_prefix else cache
    folder = home / "node-types" / f"convex-{CONVEX}"
    if not (folder / "node_modules" / "typescript" / "package.json").exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=folder.parent))
        try:
            _install(draft)
            draft.rename(folder)
        except OSError:  # somebody else was quicker
            if not folder.exists():
                raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return folder


def _install(folder: Path) -> None:
    (folder / "package.json").write_text('{"private": true}')
    options = ("--no-package-lock", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts")
    _run([str(Path(sys.executable).with_name("npm")), "install", *options, *PACKAGES], folder)


class Compiler:
    """Type-checks a front end in a folder of its own."""

    def __init__(self, packages: Path, folder: Path) -> None:
        self.folder = folder
        (folder / "node_modules").symlink_to(packages / "node_modules")
        self.write({"tsconfig.json": json.dumps(TSCONFIG), "package.json": '{"private": true, "type": "module"}'})

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            target = self.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)

    def errors(self) -> str:
        """What `tsc --strict` says; empty when all is well. `@ts-expect-error` that expects in vain is an error."""
        tsc = self.folder / "node_modules" / "typescript" / "bin" / "tsc"
        checked = subprocess.run(
            [str(node_executable()), str(tsc), "--project", str(self.folder)],
            cwd=self.folder,
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        said = checked.stdout + checked.stderr
        assert bool(said.strip()) == bool(checked.returncode), f"tsc ended with {checked.returncode}: {said}"
        return said


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{node_executable().parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command, cwd=folder, env=_environment(), capture_output=True, text=True, timeout=INSTALL_TIME, check=False
    )
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}{done.stderr}"

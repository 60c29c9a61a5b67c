"""The real TypeScript compiler with the real client packages, to judge what codegen wrote.

Packages are installed once, into the test environment and not into the repository; no lock file is kept.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.clients.node import CONVEX, node_environment, node_executable, packages_folder

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


def compiler_packages(cache: Path) -> Path:
    """A folder whose node_modules holds the compiler and the client."""
    return packages_folder(cache, "node-types", PACKAGES)


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
            env=node_environment(),
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        said = checked.stdout + checked.stderr
        assert bool(said.strip()) == bool(checked.returncode), f"tsc ended with {checked.returncode}: {said}"
        return said

"""What mypy --strict and pyright strict say about files in a folder: (file, line, text) of each refusal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
BIN = Path(sys.executable).parent


def refused_by_mypy(*files: str, folder: Path) -> list[tuple[str, int, str]]:
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary"]
    environment = os.environ | {"MYPYPATH": f"{folder}{os.pathsep}{REPOSITORY}"}
    done = subprocess.run([*command, *files], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = re.findall(r"^(\S+?):(\d+): error: (.*)$", done.stdout, re.MULTILINE)
    return [(file, int(line), text) for file, line, text in found]


def refused_by_pyright(*files: str, folder: Path) -> list[tuple[str, int, str]]:
    config = {
        "include": list(files),
        "typeCheckingMode": "strict",
        "extraPaths": [str(REPOSITORY)],
        "venvPath": str(BIN.parent.parent),
        "venv": BIN.parent.name,
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(config))
    environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    command = [str(BIN / "pyright"), "--project", str(folder), "--outputjson"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] >= len(files), done.stdout
    return [
        (Path(each["file"]).name, each["range"]["start"]["line"] + 1, each["message"])
        for each in report["generalDiagnostics"]
        if each["severity"] == "error"
    ]

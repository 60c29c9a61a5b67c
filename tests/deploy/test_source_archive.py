"""Sources on their way to a server: what goes, and what is refused when it arrives (reliability row 101)."""

from __future__ import annotations

import dataclasses
import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from reactor.deploy.source_archive import SourceArchive
from reactor.errors import BadRequest, DefinitionError
from reactor.limits import DEFAULT_LIMITS
from tests.support import Project

SMALL = dataclasses.replace(DEFAULT_LIMITS, deploy_size=64 << 10, deploy_files=10)


def tar(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for entry, data in entries:
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def file(name: str, data: bytes = b"x = 1\n") -> tuple[tarfile.TarInfo, bytes]:
    return tarfile.TarInfo(name), data


def link(name: str, to: str, kind: bytes) -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, to
    return entry, b""


def test_what_was_packed_comes_out_and_has_the_same_digest_however_it_was_packed() -> None:
    archive = SourceArchive({"schema.py": b"a", "functions/deep/one.py": b"b", "functions/words.json": b"{}"})
    again = SourceArchive.from_bytes(archive.to_bytes(), DEFAULT_LIMITS)
    assert dict(again.files) == dict(archive.files)
    assert again.digest == archive.digest
    by_hand = tar(file("./functions/words.json", b"{}"), file("functions/deep/one.py", b"b"), file("schema.py", b"a"))
    assert SourceArchive.from_bytes(by_hand, DEFAULT_LIMITS).digest == archive.digest
    assert SourceArchive({**archive.files, "schema.py": b"c"}).digest != archive.digest


HOSTILE: dict[str, Callable[[], bytes]] = {
    "a path upwards": lambda: tar(file("../schema.py")),
    "a path upwards in the middle": lambda: tar(file("functions/../../x.py")),
    "an absolute path": lambda: tar(file("/etc/passwd")),
    "a path of another system": lambda: tar(file("functions\\..\\x.py")),
    "an empty part": lambda: tar(file("functions//x.py")),
    "a control character": lambda: tar(file("functions/x\n.py")),
    "a name nobody can hold": lambda: tar(file("functions/" + "x" * 300 + ".py")),
    "a symlink": lambda: tar(link("schema.py", "/etc/passwd", tarfile.SYMTYPE)),
    "a hard link": lambda: tar(file("a.py"), link("schema.py", "a.py", tarfile.LNKTYPE)),
    "a device": lambda: tar(link("schema.py", "", tarfile.CHRTYPE)),
    "a pipe": lambda: tar(link("schema.py", "", tarfile.FIFOTYPE)),
    "the same file twice": lambda: tar(file("schema.py"), file("./schema.py")),
    "a file that is a folder": lambda: tar(file("functions/a"), file("functions/a/b.py")),
    "a bomb": lambda: tar(file("functions/zeros.bin", bytes(4 << 20))),
    "a bomb of headers": lambda: gzip.compress(
        tarfile.TarInfo("x").tobuf()[:156] + b"x" + tarfile.TarInfo("x").tobuf()[157:] + bytes(4 << 20)
    ),
    "too many entries": lambda: tar(*(file(f"functions/m{n}.py") for n in range(11))),
    "nothing": tar,
    "no archive": lambda: b"PK\x03\x04 this is a zip",
    "no bytes": lambda: b"",
    "half of one": lambda: tar(file("schema.py", bytes(range(256)) * 64))[:200],
    "a name that is not UTF-8": lambda: tar(file("functions/\udcff.py")),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_archives_are_refused(what: str) -> None:
    with pytest.raises(BadRequest) as refused:
        SourceArchive.from_bytes(HOSTILE[what](), SMALL)
    assert refused.value.code == "BadArchive"


def test_code_and_what_lies_beside_it_goes_and_secrets_and_tests_stay(tmp_path: Path) -> None:
    project = Project(tmp_path / "p", schema="x = 1", functions={"a": "", "deep/b": ""}, settings="[tool.reactor]\n")
    for path in (
        "functions/words.json",
        "functions/.env",
        "functions/_generated/api.js",
        "functions/__pycache__/a.pyc",
        "lib/__init__.py",
        "lib/data.csv",
        "notes.txt",
        ".env",
        ".reactor/admin_key",
        "tests/test_a.py",
        "web/node_modules/x/index.py",
        "prompts/one.txt",
        "prompts/two.txt",
    ):
        project.write(path, "x")
    sent = SourceArchive.of(project.root, ["prompts/*.txt"]).files
    assert sorted(sent) == [
        "functions/a.py",
        "functions/deep/b.py",
        "functions/words.json",
        "lib/__init__.py",
        "lib/data.csv",
        "prompts/one.txt",
        "prompts/two.txt",
        "pyproject.toml",
        "schema.py",
    ]
    with pytest.raises(DefinitionError, match="there is no such file"):
        SourceArchive.of(project.root, ["prompt/*.txt"])

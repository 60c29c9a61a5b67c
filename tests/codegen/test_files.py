"""Generated files on disk."""

from __future__ import annotations

from pathlib import Path

import codegen


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "functions" / "_generated"
    assert codegen.write(folder, {"api.d.ts": "1", "api.js": "2"}) == ["api.d.ts", "api.js"]
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    inode = (folder / "api.js").stat().st_ino
    assert codegen.write(folder, {"api.d.ts": "1", "api.js": "2"}) == []
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert codegen.write(folder, {"api.d.ts": "3", "api.js": "2"}) == ["api.d.ts"]
    assert (folder / "api.d.ts").read_text() == "3"
    assert (folder / "api.js").stat().st_ino == inode


def test_a_file_that_is_no_text_is_replaced_and_strangers_stay(tmp_path: Path) -> None:
    (tmp_path / "api.js").write_bytes(b"\xff\xfe")
    (tmp_path / "mine.ts").write_text("kept")
    assert codegen.write(tmp_path, {"api.js": "é"}) == ["api.js"]
    assert (tmp_path / "api.js").read_bytes() == "é".encode()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["api.js", "mine.ts"]

"""BlobFolder: a blob is whole and on disk, or it is not there; nothing outside of the folder is ever touched."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from reactor.files.blob_store import new_key
from reactor.files.folder import BlobFolder


@pytest.fixture
def folder(tmp_path: Path) -> BlobFolder:
    folder = BlobFolder(tmp_path / "files")
    folder.prepare()
    return folder


def land(folder: BlobFolder, data: bytes) -> str:
    key = new_key()
    with folder.draft() as draft:
        draft.write(data)
        draft.seal()
        folder.land(draft.path, key)
    return key


def drafts(folder: BlobFolder) -> list[str]:
    return os.listdir(folder.root / "incoming")


def test_a_sealed_draft_knows_its_content(folder: BlobFolder) -> None:
    with folder.draft() as draft:
        draft.write(b"hel")
        draft.write(memoryview(b"lo"))
        content = draft.seal()
    assert (content.size, content.sha256) == (5, hashlib.sha256(b"hello").digest())


def test_a_draft_that_does_not_land_leaves_nothing(folder: BlobFolder) -> None:
    with folder.draft() as draft:
        draft.write(b"half")
    assert drafts(folder) == []


def test_a_landed_draft_is_a_blob_and_no_draft(folder: BlobFolder) -> None:
    key = land(folder, b"bytes")
    assert drafts(folder) == []
    with folder.open(key) as file:
        assert file.read() == b"bytes"


def test_the_bytes_and_then_the_name_are_on_disk_before_a_blob_has_landed(
    folder: BlobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order that a power cut cannot break: the file, the rename, the folder, and the folder of a new folder."""
    done: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def noted_fsync(handle: int) -> None:
        done.append("sync " + os.path.relpath(os.readlink(f"/proc/self/fd/{handle}"), folder.root).split("/")[0][:2])
        fsync(handle)

    def noted_rename(self: Path, target: Path) -> Path:
        done.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "rename", noted_rename)
    key = land(folder, b"bytes")
    assert done == ["sync in", "sync .", "rename", f"sync {key[:2]}"]


def test_what_a_killed_server_was_writing_is_cleared_away_and_blobs_are_not(folder: BlobFolder) -> None:
    key = land(folder, b"bytes")
    (folder.root / "incoming" / new_key()).write_bytes(b"half")
    folder.prepare()
    assert drafts(folder) == []
    folder.open(key).close()


def test_a_blob_being_read_is_read_to_its_end_though_it_is_removed(folder: BlobFolder) -> None:
    key = land(folder, b"bytes")
    with folder.open(key) as file:
        folder.remove(key)
        assert file.read() == b"bytes"


@pytest.mark.parametrize(
    "key",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "",
        "..",
        "a" * 36,
        "00000000-0000-4000-8000-000000000000/../x",
        "ABCDEF00-0000-4000-8000-000000000000",
    ],
)
def test_a_path_is_made_of_nothing_but_a_uuid(folder: BlobFolder, key: str) -> None:
    """Reliability row 99."""
    with pytest.raises(AssertionError):
        folder.path(key)

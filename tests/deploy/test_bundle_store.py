"""Pushed versions in the data folder: what serves after which death."""

from __future__ import annotations

from pathlib import Path

import pytest

from reactor.deploy.bundle_store import FOLDER, BundleStore, StoredBundle
from reactor.deploy.source_archive import SourceArchive
from reactor.errors import DefinitionError


def kept(store: BundleStore, text: bytes, code: str) -> StoredBundle:
    archive = SourceArchive({"schema.py": text, "functions/a.py": b""})
    store.keep(archive)
    return StoredBundle(archive.digest, code, 1.0)


def test_without_a_push_nothing_is_in_force(tmp_path: Path) -> None:
    assert BundleStore(tmp_path).in_force("code") is None
    assert list(BundleStore(tmp_path).nothing().iterdir()) == []


def test_the_database_decides_whether_what_was_coming_has_come(tmp_path: Path) -> None:
    store = BundleStore(tmp_path)
    first, second = kept(store, b"1", "code-1"), kept(store, b"2", "code-2")
    store.settle(first)
    store.announce(second)
    assert store.in_force("code-1") == first, "died before the switch"
    assert store.in_force("code-2") == second, "died after it"
    store.withdraw()
    assert store.in_force("code-2") == first
    store.settle(second)
    assert BundleStore(tmp_path).in_force(None) == second


def test_notes_that_cannot_be_read_and_versions_that_are_gone_count_for_nothing(tmp_path: Path) -> None:
    store = BundleStore(tmp_path)
    store.settle(StoredBundle("0" * 32, "code", 1.0))
    assert store.in_force("code") is None
    (tmp_path / FOLDER / "in_force").write_text('{"digest": ')
    (tmp_path / FOLDER / "coming").write_text("[]")
    assert store.in_force("code") is None


def test_a_version_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    def refuse(folder: Path) -> None:
        assert (folder / "functions" / "a.py").exists()
        raise DefinitionError("no")

    with pytest.raises(DefinitionError):
        kept(BundleStore(tmp_path, check=refuse), b"1", "")
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_cleaning_leaves_what_is_named_and_takes_drafts(tmp_path: Path) -> None:
    store = BundleStore(tmp_path)
    first, second = kept(store, b"1", ""), kept(store, b"2", "")
    (tmp_path / FOLDER / ".draft-x").mkdir()
    store.settle(second)
    store.clean(second.digest)
    assert not store.path_of(first).exists()
    assert store.path_of(second).is_dir()
    assert sorted(path.name for path in (tmp_path / FOLDER).iterdir()) == sorted([second.digest, "in_force"])

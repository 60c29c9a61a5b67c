"""Archives from anywhere (reliability row 101): what no export writes is refused as a whole, and clearly."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reactor.errors import TransferRefused
from reactor.limits import DEFAULT_LIMITS
from reactor.transfer.archive import Archive
from reactor.transfer.lines import csv_rows, json_array, json_lines

GOOD = b'{"text":"hi"}\n'


def packed(path: Path, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def test_tables_and_files_are_found_below_any_folder(tmp_path: Path) -> None:
    path = packed(
        tmp_path / "a.zip",
        ("snapshot/messages/documents.jsonl", GOOD),
        ("snapshot/messages/generated_schema.jsonl", b'"uniform"\n'),
        ("snapshot/_storage/documents.jsonl", b""),
        ("snapshot/_storage/kg2abc.png", b"png"),
        ("snapshot/README.md", b"# hello"),
    )
    with Archive(path, DEFAULT_LIMITS) as archive:
        assert set(archive.tables) == {"messages", "_storage"}
        assert set(archive.shapes) == {"messages"}
        assert [(file.id, file.size) for file in archive.files.values()] == [("kg2abc", 3)]
        with archive.open(archive.tables["messages"]) as entry:
            assert [line.tree for line in json_lines(entry, "m", DEFAULT_LIMITS)] == [{"text": "hi"}]


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([("../messages/documents.jsonl", GOOD)], "outside"),
        ([("/messages/documents.jsonl", GOOD)], "outside"),
        ([("a\\messages\\documents.jsonl", GOOD)], "outside"),
        ([(link("messages/documents.jsonl"), b"/etc/passwd")], "no plain file"),
        ([("a/messages/documents.jsonl", GOOD), ("b/messages/documents.jsonl", GOOD)], "two entries"),
        ([("_storage/x.png", b"1"), ("_storage/x.txt", b"2")], "two files"),
        ([("_components/waitlist/messages/documents.jsonl", GOOD)], "components"),
    ],
)
def test_what_no_export_writes_is_refused(
    tmp_path: Path, entries: list[tuple[str | zipfile.ZipInfo, bytes]], why: str
) -> None:
    path = packed(tmp_path / "a.zip", *entries)
    with pytest.raises(TransferRefused, match=why):
        Archive(path, DEFAULT_LIMITS)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_one_name_twice_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", ("messages/documents.jsonl", GOOD), ("messages/documents.jsonl", GOOD))
    with pytest.raises(TransferRefused, match="two entries of the name"):
        Archive(path, DEFAULT_LIMITS)


def test_a_bomb_is_refused_before_it_goes_off(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", ("messages/documents.jsonl", bytes(80 << 20)))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(TransferRefused, match="more than 100 times its size"):
        Archive(path, DEFAULT_LIMITS)
    with pytest.raises(TransferRefused, match="more than 1000 bytes"):
        Archive(path, replace(DEFAULT_LIMITS, import_unpacked=1000))


def test_too_many_entries_are_refused_before_they_are_listed(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", *((f"t{at}/documents.jsonl", b"") for at in range(30)))
    with pytest.raises(TransferRefused, match="more than 10 entries"):
        Archive(path, replace(DEFAULT_LIMITS, import_entries=10))


@pytest.mark.parametrize("cut", [0, 1, 10, 22, 60, 100])
def test_a_truncated_archive_is_refused(tmp_path: Path, cut: int) -> None:
    path = packed(tmp_path / "a.zip", ("messages/documents.jsonl", GOOD * 100))
    path.write_bytes(path.read_bytes()[: -cut or None][:-1])
    with pytest.raises(TransferRefused):
        Archive(path, DEFAULT_LIMITS)


def test_damaged_bytes_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("messages/documents.jsonl", GOOD * 100)
    data = bytearray(path.read_bytes())
    data[data.index(b"hi")] ^= 1
    path.write_bytes(data)
    with (
        Archive(path, DEFAULT_LIMITS) as opened,
        pytest.raises(TransferRefused, match="damaged"),
        opened.open("messages/documents.jsonl") as entry,
    ):
        list(json_lines(entry, "m", DEFAULT_LIMITS))


Reader = Callable[[io.BytesIO], object]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b'{"a":1}\n{"a":"' + b"x" * 5000 + b'"}\n', "line 2: longer than 1000 bytes"),
        (b"x" * 5000, "line 1: longer"),
        (b'{"a":1}\n\xff\xfe\n', "line 2: not JSON in UTF-8"),
        (b'{"a":1}\n[1]\n', "line 2: expected an object"),
        (b'{"a":' + b"[" * 900 + b"]" * 900, "line 1"),
        (b'{"a":\n', "line 1: not JSON"),
    ],
)
def test_a_line_that_is_no_document_is_named(data: bytes, why: str) -> None:
    limits = replace(DEFAULT_LIMITS, import_line=1000)
    with pytest.raises(TransferRefused, match=why):
        list(json_lines(io.BytesIO(data), "messages", limits))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "first row"),
        (b"a,a\n1,2\n", "first row"),
        (b"a,b\n1\n", "line 2: 1 cells"),
        (b"a\n\xff\n", "codec can't decode"),
        (b"a\n" + b"x" * 200_000, "longer than"),
        (b'a\n"open\n', "line"),
    ],
)
def test_csv_that_is_none_is_named(data: bytes, why: str) -> None:
    with pytest.raises(TransferRefused, match=why):
        list(csv_rows(io.BytesIO(data), "messages", replace(DEFAULT_LIMITS, import_line=1000)))


def test_an_array_of_something_else_is_refused() -> None:
    assert [line.tree for line in json_array(io.BytesIO(b'[{"a":1}]'), "m")] == [{"a": 1}]
    for data in (b"{}", b"[1]", b"[", b"\xff"):
        with pytest.raises(TransferRefused):
            list(json_array(io.BytesIO(data), "m"))

"""Which bytes a Range header asks for (reference §2.6, reliability row 100)."""

from __future__ import annotations

import pytest

from reactor.files.byte_range import NotSatisfiable, range_of


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-9", 0, 10),
        ("bytes=5-", 5, 10),
        ("bytes=-3", 7, 10),
        ("bytes=-300", 0, 10),
        ("bytes=2-99999999999999999999", 2, 10),
        ("BYTES=1-1", 1, 2),
        ("bytes= 1 - 2 ", 1, 3),
    ],
)
def test_one_range(header: str, start: int, end: int) -> None:
    assert range_of(header, 10) == (start, end)


@pytest.mark.parametrize(
    "header",
    [
        "bytes=0-1,3-4",
        "bytes=" + ",".join(f"{n}-{n}" for n in range(1000)),
        "bytes=10-",
        "bytes=10-11",
        "bytes=5-2",
        "bytes=-0",
        "bytes=-",
        "bytes=--5",
        "bytes=a-b",
        "bytes=" + "9" * 5000 + "-",
        "bytes=1-2-3",
        "bytes=٣-٤x",
        "bytes=",
    ],
)
def test_several_ranges_and_such_as_no_file_has_are_not_satisfiable(header: str) -> None:
    with pytest.raises(NotSatisfiable):
        range_of(header, 10)


@pytest.mark.parametrize("header", [None, "lines=1-2", "bytes", ""])
def test_no_range_of_bytes_is_the_whole_file(header: str | None) -> None:
    assert range_of(header, 10) is None


def test_an_empty_file_is_always_whole() -> None:
    """Reference §2.6: a range on an empty file → 200."""
    assert range_of("bytes=0-5", 0) is None

from __future__ import annotations

from reactor.footprint.write_set import Change, Version, WriteSet


def version(text: str) -> Version:
    return Version(text.encode(), {1: b"id", 2: b"key of " + text.encode()})


def test_the_net_change_is_first_old_against_last_new() -> None:
    writes = WriteSet()
    writes.record(Change("d", version("a"), version("b")))
    writes.record(Change("d", version("b"), version("c")))
    assert list(writes.net()) == [Change("d", version("a"), version("c"))]


def test_what_returns_to_its_first_state_is_no_change() -> None:
    writes = WriteSet()
    writes.record(Change("there and back", version("a"), version("b")))
    writes.record(Change("there and back", version("b"), version("a")))
    writes.record(Change("born and gone", None, version("x")))
    writes.record(Change("born and gone", version("x"), None))
    assert list(writes.net()) == []
    assert writes.keys([]) == {}


def test_keys_are_the_old_and_new_places_sorted_each_once() -> None:
    writes = WriteSet()
    writes.record(Change("d", version("b"), version("a")))
    writes.record(Change("e", None, version("c")))
    writes.touch(0, b"table:t")
    assert writes.keys(list(writes.net())) == {
        0: (b"table:t",),
        1: (b"id",),
        2: (b"key of a", b"key of b", b"key of c"),
    }


def test_truncating_brings_back_the_state_of_the_mark() -> None:
    writes = WriteSet()
    writes.record(Change("d", version("a"), version("b")))
    writes.touch(0, b"kept")
    mark = writes.mark()
    writes.record(Change("d", version("b"), version("c")))
    writes.record(Change("e", None, version("x")))
    writes.touch(0, b"undone")
    writes.truncate(mark)
    changes = list(writes.net())
    assert changes == [Change("d", version("a"), version("b"))]
    assert writes.keys(changes)[0] == (b"kept",)

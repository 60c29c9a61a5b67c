"""FileKeeper: whatever goes wrong while a file comes in, nothing of it stays; and not too many come at once."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reactor.clock import SystemClock
from reactor.errors import BadRequest, NotFound, Overloaded
from reactor.execution.frames import Failure, Outcome
from reactor.files.folder import BlobFolder, Draft
from reactor.files.upload_token import UploadKey
from reactor.keeper.keeper import FileKeeper, Upload
from reactor.limits import DEFAULT_LIMITS
from reactor.values.value import decode, encode
from tests.support import eventually


class PretendEngine:
    """Answers a mutation with `outcome`, or raises it; every query with null."""

    def __init__(self) -> None:
        self.limits = replace(DEFAULT_LIMITS, file_uploads=2, file_size=100)
        self.services: dict[str, Any] = {}
        self.outcome: Outcome | Exception = Outcome(1, encode("the id"))
        self.recorded: list[Any] = []

    async def mutation(self, path: str, args: bytes, identity: None, *, internal: bool) -> Outcome:
        assert internal
        self.recorded.append(decode(args))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    async def query(self, path: str, args: bytes, identity: None, *, internal: bool) -> Outcome:
        return Outcome(1, b"null")


@pytest.fixture
def engine() -> PretendEngine:
    return PretendEngine()


@pytest.fixture
def keeper(engine: PretendEngine, tmp_path: Path) -> FileKeeper:
    folder = BlobFolder(tmp_path)
    folder.prepare()
    return FileKeeper(engine, SystemClock(), folder, UploadKey(b"k" * 32), None)  # type: ignore[arg-type]


async def body(*pieces: bytes | Exception) -> AsyncIterator[bytes]:
    for piece in pieces:
        if isinstance(piece, Exception):
            raise piece
        yield piece


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_a_file_is_on_disk_when_it_is_recorded(keeper: FileKeeper, engine: PretendEngine, tmp_path: Path) -> None:
    assert await keeper.receive(body(b"hel", b"", b"lo"), Upload("text/plain")) == "the id"
    (recorded,) = engine.recorded
    assert (recorded["size"], recorded["contentType"]) == (5, "text/plain")
    (path,) = files(tmp_path)
    assert (path.name, path.read_bytes()) == (recorded["key"], b"hello")


@pytest.mark.parametrize(
    ("pieces", "upload", "error"),
    [
        ((b"x" * 60, b"x" * 41), Upload(), BadRequest),
        ((b"x", BadRequest("ClientDisconnect", "gone")), Upload(), BadRequest),
        ((b"x", ZeroDivisionError()), Upload(), ZeroDivisionError),
        ((b"x",), Upload(sha256=b"y" * 32), BadRequest),
    ],
    ids=["too large", "broken off", "our bug", "another checksum"],
)
async def test_what_does_not_come_whole_leaves_nothing(
    keeper: FileKeeper, engine: PretendEngine, tmp_path: Path, pieces: Any, upload: Upload, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await keeper.receive(body(*pieces), upload)
    assert files(tmp_path) == engine.recorded == []


@pytest.mark.parametrize(
    "outcome", [Overloaded("ExpiredInQueue", "later"), Outcome(1, None, Failure("FunctionCrashed", "died"))]
)
async def test_what_cannot_be_recorded_leaves_nothing(
    keeper: FileKeeper, engine: PretendEngine, tmp_path: Path, outcome: Any
) -> None:
    engine.outcome = outcome
    with pytest.raises(Overloaded):
        await keeper.receive(body(b"x"), Upload())
    assert files(tmp_path) == []


async def test_a_full_disk_is_told_as_come_again(
    keeper: FileKeeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Draft, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Draft, "write", full)
    with pytest.raises(Overloaded, match="StorageUnavailable"):
        await keeper.receive(body(b"x"), Upload())
    assert files(tmp_path) == []


async def test_only_so_many_uploads_come_at_once(keeper: FileKeeper, tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"x"
        await go_on.wait()

    first = [asyncio.ensure_future(keeper.receive(slow(), Upload())) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match="TooManyConcurrentRequests"):
        await keeper.receive(body(b"x"), Upload())
    first[0].cancel()
    await asyncio.gather(first[0], return_exceptions=True)
    assert await keeper.receive(body(b"x"), Upload()) == "the id"
    go_on.set()
    assert await first[1] == "the id"
    assert eventually(lambda: len(files(tmp_path)) == 2, 5.0)  # what the cancelled one's thread made goes, too


async def test_a_file_without_bytes_is_not_found(keeper: FileKeeper) -> None:
    with pytest.raises(NotFound):
        await keeper.read("00000000-0000-4000-8000-000000000000", 0, 1)

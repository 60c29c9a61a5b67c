"""What every BlobStore must do, wherever it keeps its blobs. A new store adds a line to STORES and passes all of this."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reactor.errors import DefinitionError
from reactor.files.blob_store import BlobMissing, BlobStore, new_key
from reactor.files.bucket import Bucket, BucketSettings
from reactor.files.folder import BlobFolder
from reactor.files.folder_store import FolderStore
from tests.s3_server import CREDENTIALS, S3Server

LARGE = bytes(range(256)) * 4096 * 20  # 20 MiB: a bucket gets it in parts


def folder_store(folder: BlobFolder, request: pytest.FixtureRequest) -> BlobStore:
    return FolderStore(folder)


def bucket_store(folder: BlobFolder, request: pytest.FixtureRequest) -> BlobStore:
    s3: S3Server = request.getfixturevalue("s3")
    return Bucket(BucketSettings(s3.make_bucket(), "some/prefix/", s3.url, "us-east-1"), CREDENTIALS)


STORES: dict[str, Callable[[BlobFolder, pytest.FixtureRequest], BlobStore]] = {
    "folder": folder_store,
    "bucket": bucket_store,
}


@pytest.fixture
def folder(tmp_path: Path) -> BlobFolder:
    folder = BlobFolder(tmp_path / "files")
    folder.prepare()
    return folder


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, folder: BlobFolder) -> BlobStore:
    return STORES[request.param](folder, request)


async def put(store: BlobStore, folder: BlobFolder, data: bytes) -> str:
    key = new_key()
    with folder.draft() as draft:
        draft.write(data)
        draft.seal()
        await store.put(key, draft.path)
    return key


async def whole(store: BlobStore, key: str, start: int, end: int) -> bytes:
    return b"".join([piece async for piece in await store.read(key, start, end)])


@pytest.mark.parametrize("data", [b"", b"x", b"hello" * 1000, LARGE], ids=["nothing", "one byte", "some", "20 MiB"])
async def test_what_is_put_is_read(store: BlobStore, folder: BlobFolder, data: bytes) -> None:
    key = await put(store, folder, data)
    assert await whole(store, key, 0, len(data)) == data


async def test_any_part_can_be_read(store: BlobStore, folder: BlobFolder) -> None:
    data = bytes(range(256)) * 4096
    key = await put(store, folder, data)
    for start, end in [(0, 1), (len(data) - 1, len(data)), (7, 300_007), (262_143, 262_145)]:
        assert await whole(store, key, start, end) == data[start:end]


async def test_a_blob_that_is_not_there_is_missed_before_the_first_piece(store: BlobStore) -> None:
    with pytest.raises(BlobMissing):
        await store.read(new_key(), 0, 10)


async def test_a_deleted_blob_is_missing_and_can_be_deleted_again(store: BlobStore, folder: BlobFolder) -> None:
    key = await put(store, folder, b"bytes")
    for _ in range(2):
        await store.delete(key)
        with pytest.raises(BlobMissing):
            await store.read(key, 0, 5)


async def test_all_blobs_are_listed_with_their_age_and_no_draft_is(store: BlobStore, folder: BlobFolder) -> None:
    keys = {await put(store, folder, b"bytes") for _ in range(3)}
    with folder.draft():
        listed = [blob async for blob in store.blobs()]
    assert {blob.key for blob in listed} == keys
    assert all(abs(blob.written - time.time()) < 60 for blob in listed)


async def test_putting_twice_is_putting_once(store: BlobStore, folder: BlobFolder) -> None:
    """A mover that died after the upload does it again."""
    key = new_key()
    for _ in range(2):
        with folder.draft() as draft:
            draft.write(b"the same")
            draft.seal()
            await store.put(key, draft.path)
    assert await whole(store, key, 0, 8) == b"the same"


async def test_a_bucket_that_cannot_be_reached_is_an_os_error(folder: BlobFolder) -> None:
    bucket = Bucket(BucketSettings("nobody", "", "http://127.0.0.1:9", "us-east-1"), CREDENTIALS)
    with pytest.raises(OSError, match="bucket"):
        await bucket.read(new_key(), 0, 1)


async def test_a_bucket_that_does_not_exist_is_not_taken_for_an_empty_one(s3: S3Server, folder: BlobFolder) -> None:
    bucket = Bucket(BucketSettings("nosuchbucket", "", s3.url, "us-east-1"), CREDENTIALS)
    with pytest.raises((OSError, BlobMissing)):
        await put(bucket, folder, b"bytes")


def test_secrets_are_not_shown() -> None:
    settings = BucketSettings("name", "", "http://127.0.0.1:9", "us-east-1")
    assert CREDENTIALS["REACTOR_S3_SECRET_ACCESS_KEY"] not in repr(Bucket(settings, CREDENTIALS)._store) + repr(
        settings
    )


@pytest.mark.parametrize("url", ["s3://", "http://x/y", "s3://UPPER", "s3://ok/../up", "s3:/x", "bucket"])
def test_a_place_that_is_no_bucket_is_refused(url: str) -> None:
    with pytest.raises(DefinitionError, match="s3://bucket"):
        BucketSettings.of_url(url)


def test_a_bucket_with_a_prefix() -> None:
    assert BucketSettings.of_url("s3://pictures/of/me") == BucketSettings("pictures", "of/me/")

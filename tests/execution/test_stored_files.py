"""`ctx.storage` in functions (reference §4.9): what is refused, what is rolled back, what is counted."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reactor.errors import (
    BadRequest,
    DocumentNotFound,
    FileRefused,
    ForbiddenHere,
    InvalidId,
    LimitExceeded,
    Unauthenticated,
)
from reactor.limits import DEFAULT_LIMITS
from reactor.testing import ManualClock, TestBackend
from tests.execution.backends import backend

FUNCTIONS = """
    from io import BytesIO, StringIO
    from reactor import StoredFile

    @mutation
    def store(ctx: MutationCtx, text: str, kind: str | None = None, sha256: str | None = None) -> Id[StoredFile]:
        return ctx.storage.store(text.encode(), content_type=kind, sha256=sha256)

    @mutation
    def store_large(ctx: MutationCtx, sizes: list[int]) -> list[Id[StoredFile]]:
        made = []
        for size in sizes:
            try:
                made.append(ctx.storage.store(bytes(size)))
            except Exception:
                pass
        return made

    @mutation
    def store_in_vain(ctx: MutationCtx) -> str:
        try:
            ctx.run_mutation(fail_after, text="inner")
        except ValueError:
            pass
        return ctx.storage.store(b"outer")

    @mutation
    def fail_after(ctx: MutationCtx, text: str) -> None:
        ctx.storage.store(text.encode())
        raise ValueError("no")

    @mutation
    def get(ctx: MutationCtx, file: str) -> str | None:
        data = ctx.storage.get(file)
        return None if data is None else data.decode()

    @mutation
    def get_all(ctx: MutationCtx, files: list[str]) -> int:
        return sum(len(ctx.storage.get(file) or b"") for file in files)

    @mutation
    def replace(ctx: MutationCtx, file: str) -> list[str | None]:
        ctx.storage.delete(file)
        return [ctx.storage.get_url(file), ctx.storage.get_url(ctx.storage.store(b"new"))]

    @mutation
    def upload_url(ctx: MutationCtx) -> str:
        return ctx.storage.generate_upload_url()

    @mutation
    def delete(ctx: MutationCtx, file: str) -> None:
        ctx.storage.delete(file)

    @mutation
    def delete_document(ctx: MutationCtx, file: str) -> None:
        ctx.db.delete(file)

    @query
    def url(ctx: QueryCtx, file: Any) -> str | None:
        return ctx.storage.get_url(file)

    @query
    def names(ctx: QueryCtx) -> list[str]:
        return sorted(name for name in dir(ctx.storage) if not name.startswith("_"))

    @query
    def all(ctx: QueryCtx) -> list[StoredFile]:
        return ctx.db.query(StoredFile).collect()

    @query
    def blobs(ctx: QueryCtx) -> list[Any]:
        return ctx.db.query("_blobs").collect()

    @action
    async def act(ctx: ActionCtx, what: str, file: str = "") -> Any:
        match what:
            case "store text":
                return await ctx.storage.store(StringIO("text"))
            case "store nothing":
                return await ctx.storage.store(None)
            case "store a header":
                return await ctx.storage.store(b"", content_type="text/html\\r\\nSet-Cookie: x=1")
            case "store":
                return await ctx.storage.store(BytesIO(b"from a file"))
            case "store much":
                return await ctx.storage.store(bytes(5000))
            case "delete":
                return await ctx.storage.delete(file)
            case "url":
                return await ctx.storage.get_url(file)
            case _:
                return (await ctx.storage.get(file) or b"").decode()
"""
LIMITS = replace(DEFAULT_LIMITS, mutation_file_bytes=1000, file_size=4000)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[TestBackend]:
    with backend(tmp_path, FUNCTIONS, clock=ManualClock(), limits=LIMITS) as started:
        yield started


def blobs(running: TestBackend) -> int:
    return sum(path.is_file() for path in running.files.place.folder.rglob("*"))


def test_a_query_can_only_look(running: TestBackend) -> None:
    assert running.query("m:names") == ["get_url"]


def test_a_checksum_is_compared(running: TestBackend) -> None:
    digest = hashlib.sha256(b"text")
    for text in (digest.hexdigest(), base64.b64encode(digest.digest()).decode()):
        running.mutation("m:store", {"text": "text", "sha256": text})
    with pytest.raises(FileRefused, match="does not have the SHA-256"):
        running.mutation("m:store", {"text": "other", "sha256": digest.hexdigest()})
    with pytest.raises(FileRefused, match="no SHA-256"):
        running.mutation("m:store", {"text": "text", "sha256": "nonsense"})
    assert len(running.query("m:all")) == blobs(running) == 2


def test_a_type_that_would_be_another_header_is_refused(running: TestBackend) -> None:
    """Reliability row 98: a type with CRLF."""
    for call in (
        lambda: running.mutation("m:store", {"text": "x", "kind": "text/html\r\nSet-Cookie: x=1"}),
        lambda: running.action("m:act", {"what": "store a header"}),
    ):
        with pytest.raises(FileRefused, match="no content type"):
            call()
    assert blobs(running) == 0


def test_what_a_failed_mutation_stored_goes_with_it(running: TestBackend) -> None:
    with pytest.raises(Exception, match="no"):
        running.mutation("m:failAfter", {"text": "x"})
    assert blobs(running) == 0


def test_what_a_caught_mutation_stored_is_no_file(running: TestBackend) -> None:
    outer = running.mutation("m:storeInVain")
    assert [each["_id"] for each in running.query("m:all")] == [outer]


def test_a_mutation_sees_what_it_did(running: TestBackend) -> None:
    file = running.mutation("m:store", {"text": "old"})
    gone, url = running.mutation("m:replace", {"file": file})
    assert gone is None
    assert running.files.download(url) == b"new"


def test_a_mutation_may_store_and_get_only_so_much_whatever_it_catches(running: TestBackend) -> None:
    assert len(running.mutation("m:storeLarge", {"sizes": [600, 400]})) == 2
    with pytest.raises(LimitExceeded, match="mutation_file_bytes"):
        running.mutation("m:storeLarge", {"sizes": [600, 401]})
    files = [each["_id"] for each in running.query("m:all")]
    assert running.mutation("m:getAll", {"files": files}) == 1000
    with pytest.raises(LimitExceeded, match="mutation_file_bytes"):
        running.mutation("m:getAll", {"files": [*files, files[0]]})
    assert len(running.query("m:all")) == blobs(running) == 2


def test_an_action_may_store_only_so_much(running: TestBackend) -> None:
    with pytest.raises(LimitExceeded, match="file_size"):
        running.action("m:act", {"what": "store much"})
    assert blobs(running) == 0


def test_an_action_stores_a_file_open_for_reading_and_nothing_else(running: TestBackend) -> None:
    file = running.action("m:act", {"what": "store"})
    assert running.action("m:act", {"what": "get", "file": file}) == "from a file"
    for what, text in (("store text", "mode 'rb'"), ("store nothing", "not NoneType")):
        with pytest.raises(Exception, match=text):
            running.action("m:act", {"what": what})
    assert blobs(running) == 1


def test_ids_that_are_none(running: TestBackend) -> None:
    """§4.9: the argument is named; a missing file is named by its id."""
    user = "j57000820c20a1g7104gm2rc1m70ynr8"
    for none in ("nonsense", user, ""):
        with pytest.raises(InvalidId, match=r"`storageId` for `storage\.getUrl`"):
            running.query("m:url", {"file": none})
        with pytest.raises(InvalidId, match=r"`storageId` for `storage\.delete`"):
            running.mutation("m:delete", {"file": none})
        with pytest.raises(InvalidId, match=r"`storageId` for `storage\.getUrl`"):
            running.action("m:act", {"what": "url", "file": none})
    with pytest.raises(InvalidId, match=r"`storageId` for `storage\.getUrl`"):
        running.query("m:url", {"file": 7})
    file = running.mutation("m:store", {"text": "x"})
    running.mutation("m:delete", {"file": file})
    assert running.query("m:url", {"file": file}) is None
    for call in (
        lambda: running.mutation("m:delete", {"file": file}),
        lambda: running.action("m:act", {"what": "delete", "file": file}),
    ):
        with pytest.raises(DocumentNotFound, match=f"storage id {file} not found"):
            call()


def test_documents_of_files_are_for_reading_and_where_blobs_are_is_nobodys_business(running: TestBackend) -> None:
    file = running.mutation("m:store", {"text": "x"})
    with pytest.raises(ForbiddenHere, match=r"ctx\.storage"):
        running.mutation("m:deleteDocument", {"file": file})
    with pytest.raises(Exception, match="no table"):
        running.query("m:blobs")


def test_an_upload_url_holds_for_an_hour(running: TestBackend) -> None:
    """§2.6."""
    url = running.mutation("m:uploadUrl")
    running.advance(dt.timedelta(minutes=59, seconds=59))
    file = running.files.upload(url, b"in time", content_type="text/plain")
    assert running.mutation("m:get", {"file": file}) == "in time"
    running.advance(dt.timedelta(seconds=1))
    with pytest.raises(Unauthenticated, match="StorageTokenExpired"):
        running.files.upload(url, b"late")
    with pytest.raises(Unauthenticated, match="StorageTokenInvalid"):
        running.files.upload(f"{url}x", b"forged")


def test_no_two_upload_urls_are_alike(running: TestBackend) -> None:
    assert len({running.mutation("m:uploadUrl") for _ in range(5)}) == 5


def test_a_test_uploads_as_a_browser_would(running: TestBackend) -> None:
    url = running.mutation("m:uploadUrl")
    with pytest.raises(BadRequest, match="Sha256Mismatch"):
        running.files.upload(url, b"x", sha256=hashlib.sha256(b"y").hexdigest())
    known: Any = running.query("m:all")
    assert known == []


def test_the_bytes_of_deleted_files_go_when_a_backend_closes(tmp_path: Path) -> None:
    with backend(tmp_path, FUNCTIONS) as first:
        root = first.bundle.project.root
    with TestBackend(root, data=tmp_path / "data") as running:
        file, _kept = (running.mutation("m:store", {"text": text}) for text in "xy")
        running.mutation("m:delete", {"file": file})
        assert blobs(running) == 2
    assert blobs(running) == 1

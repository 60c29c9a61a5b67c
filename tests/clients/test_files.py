"""Files as clients and browsers see them (reference §2.6, §4.9; reliability rows 97–100)."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from reactor.files.upload_token import UploadKey
from reactor.storage.upload_key import upload_key_at
from tests.clients.clients import CallFailed, Client, Fetched
from tests.clients.conftest import Clients
from tests.support import Project, RunningServer, eventually, serving

COMMAND = "dev"
LIMIT = 8 << 20  # more than the buffers of a line hold
SCHEMA = """
    from reactor import Id, Index, StoredFile, Table


    class Picture(Table, name="pictures"):
        file: Id[StoredFile]
        title: str
        by_title = Index("title")
"""
PICTURES = """
    import io
    import os

    from reactor import ActionCtx, Id, MutationCtx, QueryCtx, StoredFile, SyncActionCtx, action, mutation, query
    from schema import Picture


    @mutation
    def upload_url(ctx: MutationCtx) -> str:
        return ctx.storage.generate_upload_url()


    @mutation
    def save(ctx: MutationCtx, file: Id[StoredFile], title: str) -> Id[Picture]:
        return ctx.db.insert(Picture(file=file, title=title))


    @query
    def urls(ctx: QueryCtx, title: str) -> list[str | None]:
        return [ctx.storage.get_url(each.file) for each in ctx.db.query(Picture.by_title.eq(title)).collect()]


    @query
    def url(ctx: QueryCtx, file: Id[StoredFile]) -> str | None:
        return ctx.storage.get_url(file)


    @query
    def known(ctx: QueryCtx, file: Id[StoredFile]) -> StoredFile | None:
        return ctx.db.get(file)


    @query
    def count(ctx: QueryCtx) -> int:
        return len(ctx.db.query(StoredFile).collect())


    @query
    def all_ids(ctx: QueryCtx) -> list[Id[StoredFile]]:
        return [each.id for each in ctx.db.query(StoredFile).collect()]


    @mutation
    def remove(ctx: MutationCtx, file: Id[StoredFile], fail: bool = False) -> None:
        ctx.storage.delete(file)
        if fail:
            raise ValueError("not after all")


    @mutation
    def keep(ctx: MutationCtx, text: str, fail: bool = False) -> Id[StoredFile]:
        kept = ctx.storage.store(text.encode(), content_type="text/plain")
        assert ctx.storage.get(kept) == text.encode()
        if fail:
            raise ValueError("not after all")
        return kept


    @mutation
    def read(ctx: MutationCtx, file: Id[StoredFile]) -> str | None:
        data = ctx.storage.get(file)
        return None if data is None else data.decode()


    @action
    async def twice(ctx: ActionCtx, file: Id[StoredFile]) -> Id[StoredFile] | None:
        data = await ctx.storage.get(file)
        return None if data is None else await ctx.storage.store(io.BytesIO(data * 2), content_type="x/twice")


    @action
    def blocking(ctx: SyncActionCtx, text: str) -> list[str | None]:
        kept = ctx.storage.store(text.encode())
        url, data = ctx.storage.get_url(kept), ctx.storage.get(kept)
        ctx.storage.delete(kept)
        assert data is not None and url is not None
        return [data.decode(), ctx.storage.get_url(kept), ctx.storage.generate_upload_url().partition("?")[0]]


    @action
    async def surroundings(ctx: ActionCtx) -> str:
        with open("/proc/self/environ") as own:
            return own.read() + str(dict(os.environ)) + str(dict(ctx.env))
"""
PROJECT = {
    "settings": f"""
        [tool.reactor.limits]
        file_size = {LIMIT}
        file_stall = 0.5
        http_stall = 0.5
    """,
    "schema": SCHEMA,
    "functions": {"pictures": PICTURES},
}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8


def sha256(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def upload(client: Client, data: bytes, content_type: str = "image/png", **headers: str) -> Fetched:
    """As a browser does it (reference §2.6)."""
    url = client.mutation("pictures:uploadUrl")
    return client.fetch(url, "POST", {"Content-Type": content_type, **headers}, data)


def uploaded(client: Client, data: bytes, content_type: str = "image/png") -> str:
    answer = upload(client, data, content_type)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)["storageId"]  # type: ignore[no-any-return]


def files_of(project: Project) -> list[Path]:
    """Everything that lies in the folder of blobs, drafts included."""
    return [path for path in (project.data / "files").rglob("*") if path.is_file()]


def drafts_of(project: Project) -> list[str]:
    return os.listdir(project.data / "files" / "incoming")


@pytest.fixture
def client(clients: Clients, server: RunningServer) -> Client:
    return clients.js(server)


def test_an_upload_is_shown_live_and_null_once_it_is_deleted(clients: Clients, server: RunningServer) -> None:
    """§2.6: generateUploadUrl → POST → save the id → getUrl in a subscribed query → delete → null."""
    client, watcher = clients.js(server), clients.js(server)
    urls = watcher.subscribe("pictures:urls", {"title": "cat"})
    assert urls.next() == []
    file = uploaded(client, PNG)
    client.mutation("pictures:save", {"file": file, "title": "cat"})
    (url,) = urls.next()
    assert url.startswith(f"{server.url}/api/storage/")
    assert file not in url
    shown = watcher.fetch(url)
    assert (shown.status, shown.body) == (200, PNG)
    client.mutation("pictures:remove", {"file": file})
    assert urls.next() == [None]
    assert watcher.fetch(url).status == 404


def test_front_ends_have_the_type(server: RunningServer) -> None:
    """§5.3: `Id<"_storage">`, of the system's tables."""
    declared = (server.project.generated / "api.d.ts").read_text()
    assert '{ file: Id<"_storage">; title: string }' in declared
    assert '_id: Id<"_storage">' in declared
    assert "SystemTableNames" in (server.project.generated / "dataModel.d.ts").read_text()


def test_what_is_known_of_a_file_is_a_document(client: Client) -> None:
    """§4.9: {_id, _creationTime, sha256 (base64), size, contentType?}."""
    known = client.query("pictures:known", {"file": uploaded(client, PNG)})
    assert {name: known[name] for name in ("sha256", "size", "contentType")} == {
        "sha256": sha256(PNG),
        "size": len(PNG),
        "contentType": "image/png",
    }
    assert set(known) == {"_id", "_creationTime", "sha256", "size", "contentType"}


def test_a_browser_that_does_not_know_a_files_type_may_upload_it(client: Client) -> None:
    """Front ends send `{"Content-Type": file.type}` (reference §2.6), and `file.type` is "" then."""
    assert "contentType" not in client.query("pictures:known", {"file": uploaded(client, PNG, content_type="")})


def test_a_file_is_served_as_reference_2_6_says(client: Client) -> None:
    url = client.query("pictures:url", {"file": uploaded(client, PNG)})
    whole = client.fetch(url)
    assert (whole.status, whole.body) == (200, PNG)
    expected = {
        "content-type": "image/png",
        "content-length": str(len(PNG)),
        "cache-control": "private, max-age=2592000",
        "accept-ranges": "bytes",
        "digest": f"sha-256={sha256(PNG)}",
        "etag": f'"{sha256(PNG)}"',
    }
    assert {name: whole.headers.get(name) for name in expected} == expected
    head = httpx.head(url)
    assert (head.status_code, head.content) == (200, b"")
    assert {name: head.headers.get(name) for name in expected} == expected
    part = client.fetch(url, headers={"Range": "bytes=3-9"})
    assert (part.status, part.body) == (206, PNG[3:10])
    assert part.headers["content-range"] == f"bytes 3-9/{len(PNG)}"
    assert "digest" not in part.headers
    several = client.fetch(url, headers={"Range": "bytes=0-1,4-5"})
    assert (several.status, several.headers["content-range"]) == (416, f"bytes */{len(PNG)}")
    empty = client.query("pictures:url", {"file": uploaded(client, b"")})
    nothing = client.fetch(empty, headers={"Range": "bytes=0-1"})
    assert (nothing.status, nothing.body, nothing.headers["content-length"]) == (200, b"", "0")


def test_a_client_that_has_the_file_is_told_so(client: Client) -> None:
    url = client.query("pictures:url", {"file": uploaded(client, PNG)})
    tag = f'"{sha256(PNG)}"'
    for named in (tag, f'"other", W/{tag}', "*"):
        again = httpx.get(url, headers={"If-None-Match": named})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert httpx.get(url, headers={"If-None-Match": '"other"'}).status_code == 200
    assert httpx.get(url, headers={"If-Range": tag, "Range": "bytes=0-1"}).content == PNG[:2]
    assert httpx.get(url, headers={"If-Range": '"other"', "Range": "bytes=0-1"}).content == PNG


def test_other_origins_may_upload_and_read(client: Client) -> None:
    """§2.1 and §2.6: the preflight allows Content-Type and Digest; the origin is named, never `*`."""
    url = client.mutation("pictures:uploadUrl")
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    preflight = httpx.options(url, headers={**asked, "Access-Control-Request-Headers": "content-type, digest"})
    assert preflight.headers["access-control-allow-origin"] == "https://app.example"
    assert preflight.headers["access-control-allow-headers"] == "content-type, digest"
    sent = httpx.post(url, content=PNG, headers={"Origin": "https://app.example", "Content-Type": "image/png"})
    assert sent.headers["access-control-allow-origin"] == "https://app.example"
    refused = httpx.post(f"{url}x", content=PNG, headers={"Origin": "https://app.example"})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "https://app.example")
    read = httpx.get(
        client.query("pictures:url", {"file": sent.json()["storageId"]}), headers={"Origin": "https://app.example"}
    )
    assert read.headers["access-control-allow-origin"] == "https://app.example"
    assert "Content-Range" in read.headers["access-control-expose-headers"]


def test_a_token_may_be_used_again_and_each_upload_is_a_new_file(client: Client) -> None:
    url = client.mutation("pictures:uploadUrl")
    ids = {httpx.post(url, content=PNG).json()["storageId"] for _ in range(3)}
    assert len(ids) == 3
    assert client.query("pictures:known", {"file": ids.pop()}).get("contentType") is None


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_uploads_that_are_refused_leave_nothing(client: Client, server: RunningServer) -> None:
    """Reliability row 97."""
    url = client.mutation("pictures:uploadUrl")
    place = f"{server.url}/api/storage/upload"
    key = UploadKey(upload_key_at(server.project.data))
    old = key.token(int(time.time() * 1000) - 1, b"e" * 16)
    before, lying = client.query("pictures:count"), len(files_of(server.project))

    def drip() -> Any:
        for _ in range(LIMIT // 65536 + 1):
            yield bytes(65536)

    assert refusal(httpx.post(place, content=PNG)) == (401, "StorageTokenInvalid")
    assert refusal(httpx.post(f"{place}?token=guess", content=PNG)) == (401, "StorageTokenInvalid")
    assert refusal(httpx.post(f"{place}?token={old}", content=PNG)) == (401, "StorageTokenExpired")
    assert refusal(httpx.post(url, content=bytes(LIMIT + 1))) == (413, "RequestTooLarge")
    assert refusal(httpx.post(url, content=drip())) == (413, "RequestTooLarge")
    wrong = {"Digest": f"sha-256={sha256(b'other')}"}
    assert refusal(httpx.post(url, content=PNG, headers=wrong)) == (400, "Sha256Mismatch")
    assert refusal(httpx.post(url, content=PNG, headers={"Digest": "sha-256=?"})) == (400, "InvalidDigest")
    assert refusal(httpx.post(url, content=PNG, headers={"Content-Type": "nonsense"})) == (400, "InvalidContentType")
    assert httpx.post(url, content=PNG, headers={"Digest": f"sha-256={sha256(PNG)}"}).status_code == 200
    assert httpx.get(url).status_code in (400, 405)
    assert client.query("pictures:count") == before + 1
    assert len(files_of(server.project)) == lying + 1
    assert drafts_of(server.project) == []


@pytest.mark.parametrize("how", ["aborted", "stalled", "more than announced"])
def test_an_upload_that_lies_about_its_length_is_no_file(client: Client, server: RunningServer, how: str) -> None:
    """Reliability row 97: nothing is recorded, and the draft is gone."""
    url = httpx.URL(client.mutation("pictures:uploadUrl"))
    before = client.query("pictures:count")
    announced = 10 if how == "more than announced" else 2_000_000
    head = f"POST {url.raw_path.decode()} HTTP/1.1\r\nHost: x\r\nContent-Length: {announced}\r\n\r\n"
    with socket.create_connection((url.host, url.port or 80)) as line:
        line.sendall(head.encode() + b"\r\n" * 600_000)
        if how == "aborted":
            assert eventually(lambda: bool(drafts_of(server.project)), 5.0)
        else:
            line.settimeout(5.0)
            answer = line.recv(1 << 16)
            assert answer.startswith(b"HTTP/1.1 200" if how == "more than announced" else b"HTTP/1.1 408"), answer
    assert eventually(lambda: drafts_of(server.project) == [], 5.0)
    assert client.query("pictures:count") == before + (how == "more than announced")


@pytest.mark.parametrize(
    "content_type", ["text/html", "image/svg+xml", "text/xml", "application/javascript", "application/xhtml+xml"]
)
def test_what_could_run_in_our_origin_is_a_download_in_a_sandbox(client: Client, content_type: str) -> None:
    """Reliability row 98."""
    file = uploaded(client, b"<script>alert(document.domain)</script>", content_type)
    served = client.fetch(client.query("pictures:url", {"file": file}))
    assert served.headers["content-type"] == content_type
    assert served.headers["content-disposition"] == "attachment"
    assert served.headers["x-content-type-options"] == "nosniff"
    assert served.headers["content-security-policy"] == "default-src 'none'; sandbox"


@pytest.mark.parametrize("how", ["takes nothing", "leaves"])
def test_a_reader_who_is_gone_or_takes_nothing_holds_no_file_open(
    client: Client, server: RunningServer, how: str
) -> None:
    url = httpx.URL(client.query("pictures:url", {"file": uploaded(client, bytes(LIMIT), "x/y")}))

    def blobs_open() -> int:
        folder = Path(f"/proc/{server.pid}/fd")
        return sum("/files/" in os.readlink(each) for each in folder.iterdir() if each.is_symlink())

    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        line.connect((url.host, url.port or 80))
        line.sendall(f"GET {url.raw_path.decode()} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert line.recv(100).startswith(b"HTTP/1.1 200")
        assert blobs_open() == 1
        if how == "takes nothing":
            assert eventually(lambda: not blobs_open(), 10.0)
    assert eventually(lambda: not blobs_open(), 10.0)


def test_a_file_deleted_while_it_is_read_is_read_to_its_end(client: Client) -> None:
    data = os.urandom(LIMIT)
    file = uploaded(client, data, "x/y")
    with httpx.stream("GET", client.query("pictures:url", {"file": file})) as answer:
        pieces = answer.iter_raw(65536)
        first = next(pieces)
        client.mutation("pictures:remove", {"file": file})
        assert first + b"".join(pieces) == data


def test_addresses_that_name_no_file(client: Client, server: RunningServer) -> None:
    """§2.6 and reliability row 99."""
    file = uploaded(client, PNG)
    known = client.query("pictures:url", {"file": file}).rpartition("/")[2]
    guess = f"{'0' if known[0] != '0' else '1'}{known[1:]}"
    assert refusal(httpx.get(f"{server.url}/api/storage/{guess}")) == (404, "FileNotFound")
    for path in (
        file,
        "..%2f..%2freactor.db",
        "x",
        f"{known}%00",
        f"{known}/x",
        "a" * 36,
        known[:-1],
        "%2e%2e/admin_key",
    ):
        assert refusal(httpx.get(f"{server.url}/api/storage/{path}")) == (400, "InvalidStoragePath"), path
    assert httpx.get(f"{server.url}/api/storage/{known.upper()}").content == PNG


def test_a_mutations_files_are_part_of_it(client: Client, server: RunningServer) -> None:
    lying = {path.name for path in files_of(server.project)}
    with pytest.raises(CallFailed):
        client.mutation("pictures:keep", {"text": "hello", "fail": True})
    assert {path.name for path in files_of(server.project)} == lying
    file = client.mutation("pictures:keep", {"text": "hello"})
    url = client.query("pictures:url", {"file": file})
    assert client.fetch(url).body == b"hello"
    with pytest.raises(CallFailed):
        client.mutation("pictures:remove", {"file": file, "fail": True})
    assert client.fetch(url).body == b"hello"
    client.mutation("pictures:remove", {"file": file})
    assert client.fetch(url).status == 404
    assert eventually(lambda: {path.name for path in files_of(server.project)} == lying, 5.0)


def test_actions_store_and_get_what_no_pipe_would_carry(client: Client) -> None:
    data = os.urandom(LIMIT // 2)
    file = client.action("pictures:twice", {"file": uploaded(client, data)})
    assert httpx.get(client.query("pictures:url", {"file": file})).content == data * 2
    client.mutation("pictures:remove", {"file": file})
    assert client.action("pictures:twice", {"file": file}) is None
    told = client.action("pictures:blocking", {"text": "hi"})
    assert told[:2] == ["hi", None]
    assert told[2].endswith("/api/storage/upload")


def test_errors_are_those_of_reference_4_9(client: Client) -> None:
    file = uploaded(client, PNG)
    client.mutation("pictures:remove", {"file": file})
    with pytest.raises(CallFailed, match=f"storage id {file} not found"):
        client.mutation("pictures:remove", {"file": file})
    with pytest.raises(CallFailed, match="ArgumentValidationError"):
        client.mutation("pictures:remove", {"file": client.mutation("pictures:save", {"file": file, "title": "gone"})})


def test_every_answered_upload_outlives_a_kill_and_no_other_leaves_anything(clients: Clients, tmp_path: Path) -> None:
    """SIGKILL to the server while files come and go: rows and blobs agree afterwards, byte for byte."""
    settings = "[tool.reactor.limits]\nfile_orphan_age = 0.2\n"
    project = Project(tmp_path / "project", schema=SCHEMA, functions={"pictures": PICTURES}, settings=settings)
    with serving(project, "serve") as server:
        client = clients.js_http(server)
        kept: dict[str, bytes] = {}
        for _ in range(5):
            data = os.urandom(200_000)
            kept[uploaded(client, data)] = data
        doomed = [uploaded(client, b"doomed" * 1000) for _ in range(5)]
        url = httpx.URL(client.mutation("pictures:uploadUrl"))
        with socket.create_connection((url.host, url.port or 80)) as line:
            head = f"POST {url.raw_path.decode()} HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n"
            line.sendall(head.encode() + bytes(2_000_000))
            assert eventually(lambda: bool(drafts_of(project)), 5.0)
            for file in doomed:
                client.mutation("pictures:remove", {"file": file})
            server.kill()
        # What a server leaves that dies between the disk and the commit: old enough to be nobody's, or young.
        folder = project.data / "files" / "00"
        folder.mkdir(exist_ok=True)
        for name, age in (("00000000-0000-4000-8000-000000000000", 5), ("00000000-0000-4000-8000-000000000001", -3600)):
            (folder / name).write_bytes(b"orphan")
            os.utime(folder / name, (time.time() - age, time.time() - age))
        server.start()
        assert drafts_of(project) == []
        assert set(client.query("pictures:allIds")) == set(kept)
        for file, data in kept.items():
            assert httpx.get(client.query("pictures:url", {"file": file})).content == data
        young = 1
        assert eventually(lambda: len(files_of(project)) == len(kept) + young, 10.0), files_of(project)

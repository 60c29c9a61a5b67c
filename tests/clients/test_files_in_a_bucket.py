"""Files in an S3-compatible bucket: a real server of the protocol, a real server of ours, and no key in user code."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients.clients import CallFailed, Client
from tests.clients.conftest import Clients
from tests.clients.test_files import PICTURES, SCHEMA, files_of, uploaded
from tests.s3_server import CREDENTIALS, SECRET, S3Server, s3_server
from tests.support import Project, RunningServer, eventually, serving


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


def settings(s3: S3Server, bucket: str) -> str:
    return f"""
        [tool.reactor.files]
        url = "s3://{bucket}/mine"
        endpoint = "{s3.url}"
        region = "us-east-1"

        [tool.reactor.limits]
        file_orphan_age = 0.2
    """


@pytest.fixture(scope="module")
def bucket(s3: S3Server) -> str:
    return s3.make_bucket()


@pytest.fixture(scope="module")
def server(s3: S3Server, bucket: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    root = tmp_path_factory.mktemp("bucket")
    orphan = "mine/00000000-0000-4000-8000-000000000000"
    httpx.put(f"{s3.url}/{bucket}/{orphan}", content=b"nobody's").raise_for_status()
    httpx.put(f"{s3.url}/{bucket}/other", content=b"not ours").raise_for_status()
    project = Project(root, schema=SCHEMA, functions={"pictures": PICTURES}, settings=settings(s3, bucket))
    with serving(project, "dev", environment=CREDENTIALS) as running:
        yield running


@pytest.fixture
def client(clients: Clients, server: RunningServer) -> Client:
    return clients.js(server)


def key_of(client: Client, file: str) -> str:
    return f"mine/{client.query('pictures:url', {'file': file}).rpartition('/')[2]}"


def test_a_file_moves_to_the_bucket_is_served_from_there_and_goes_with_its_row(
    client: Client, server: RunningServer, s3: S3Server, bucket: str
) -> None:
    data = os.urandom(9 << 20)  # in parts
    file = uploaded(client, data)
    url, key = client.query("pictures:url", {"file": file}), key_of(client, file)
    assert httpx.get(url).content == data, "before it has moved, or while it does"
    assert eventually(lambda: key in s3.keys(bucket) and files_of(server.project) == [], 10.0)
    whole = httpx.get(url)
    assert (whole.content, whole.headers["content-type"]) == (data, "image/png")
    part = httpx.get(url, headers={"Range": f"bytes={len(data) - 5}-"})
    assert (part.status_code, part.content) == (206, data[-5:])
    copy = client.action("pictures:twice", {"file": file})
    assert httpx.get(client.query("pictures:url", {"file": copy})).content == data * 2
    copied = key_of(client, copy)
    assert eventually(lambda: copied in s3.keys(bucket) and files_of(server.project) == [], 10.0)
    for each in (file, copy):
        client.mutation("pictures:remove", {"file": each})
    assert httpx.get(url).status_code == 404
    assert eventually(lambda: not {key, copied} & set(s3.keys(bucket)), 10.0)


def test_a_mutation_stores_but_does_not_wait_for_the_bucket(
    client: Client, server: RunningServer, s3: S3Server, bucket: str
) -> None:
    file = client.mutation("pictures:keep", {"text": "small"})
    key = key_of(client, file)
    assert eventually(lambda: key in s3.keys(bucket) and files_of(server.project) == [], 10.0)
    with pytest.raises(CallFailed, match="Use an action"):
        client.mutation("pictures:read", {"file": file})
    assert httpx.get(client.query("pictures:url", {"file": file})).content == b"small"


def test_what_belongs_to_no_file_is_swept_from_our_part_of_the_bucket(
    server: RunningServer, s3: S3Server, bucket: str
) -> None:
    gone = "mine/00000000-0000-4000-8000-000000000000"
    assert eventually(lambda: gone not in s3.keys(bucket), 10.0)
    assert "other" in s3.keys(bucket)


def test_no_function_sees_the_keys_of_the_bucket(client: Client, server: RunningServer) -> None:
    """Reliability row 102: a canary in the environment of the server, looked for where functions look."""
    assert SECRET not in client.action("pictures:surroundings")
    for pid in server.runners():
        assert SECRET.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
    assert SECRET not in server.output


def test_without_its_bucket_a_server_takes_files_and_moves_them_when_it_is_back(
    clients: Clients, tmp_path: Path, s3: S3Server
) -> None:
    project = Project(tmp_path / "project", schema=SCHEMA, functions={"pictures": PICTURES})
    bucket = s3.make_bucket()
    where: dict[str, Any] = {"options": ["--files", f"s3://{bucket}"]}
    unreachable = {**CREDENTIALS, "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_REGION": "us-east-1"}
    with serving(project, "serve", environment=unreachable, **where) as server:
        client = clients.js_http(server)
        file = uploaded(client, b"waits here")
        url = client.query("pictures:url", {"file": file})
        assert httpx.get(url).content == b"waits here"
    assert len(files_of(project)) == 1
    reachable = {**unreachable, "AWS_ENDPOINT_URL": s3.url}
    with serving(project, "serve", environment=reachable, **where) as server:
        client = clients.js_http(server)
        url = client.query("pictures:url", {"file": file})
        assert eventually(lambda: len(s3.keys(bucket)) == 1 and files_of(project) == [], 10.0)
        assert httpx.get(url).content == b"waits here"
        assert json.loads(httpx.post(client.mutation("pictures:uploadUrl"), content=b"").content)["storageId"]

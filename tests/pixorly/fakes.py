"""The world around Pixorly, as real HTTP servers on loopback: an image provider, a bucket, Clerk, a user's own server.

Each answers as it should until it is told otherwise, and remembers what it was asked.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import io
import json
import math
import socket
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal, Self
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

BUCKET = "pixorly-test"
ACCESS_KEY, SECRET_KEY, REGION = "AKIAPIXORLY", "bucket secret", "eu-central-1"
PROVIDER_KEY = "sk-or-pixorly"
WAIT = 10.0


def picture(colour: str = "teal", *, size: tuple[int, int] = (800, 600), kind: str = "PNG") -> bytes:
    """A small file that is a large picture."""
    target = io.BytesIO()
    Image.new("RGB", size, colour).save(target, kind)
    return target.getvalue()


class FakeServer:
    """An ASGI application on a port of its own, in a thread; a context manager."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(
            self.application(), ws="none", lifespan="off", log_config=None, timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.changed = threading.Condition()  # notified whenever something was asked

    def application(self) -> Starlette:
        raise NotImplementedError

    def wait_until(self, holds: Any, *, timeout: float = WAIT) -> None:
        """Wait until a fact about what was asked is true."""
        with self.changed:
            assert self.changed.wait_for(holds, timeout), f"it did not come true in {timeout} s"

    def asked(self) -> None:
        """Wake who waits; subclasses call it after they wrote down what they were asked."""
        with self.changed:
            self.changed.notify_all()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self._thread.join(WAIT)
        self._socket.close()

    def end(self) -> None:
        """Begin to end; leaving the `with` waits for it."""
        self._server.should_exit = True


class Gate:
    """Holds requests, when it is closed, until it is opened, they are let through, or their client is gone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: float = math.inf  # how many may pass; changed by all methods

    def close(self) -> None:
        with self._lock:
            self._places = 0

    def open(self) -> None:
        with self._lock:
            self._places = math.inf

    def let(self, count: int) -> None:
        """So many more may pass."""
        with self._lock:
            self._places += count

    async def pass_through(self, request: Request) -> None:
        while not self._pass() and not await request.is_disconnected():  # noqa: ASYNC110 a thread opens it
            await asyncio.sleep(0.01)

    def _pass(self) -> bool:
        with self._lock:
            if self._places < 1:
                return False
            self._places -= 1
            return True


class FakeProvider(FakeServer):
    """OpenRouter's chat completions, with pictures in the answer."""

    def __init__(self) -> None:
        self.answers: deque[int | bytes] = deque()  # for the next requests: a status, or a body; then all is well
        self.requests: list[dict[str, Any]] = []
        self.pictures: list[bytes] = [picture()]  # what it draws, in turn
        self.form: Literal["data", "url"] = "data"
        self.at_most = 99  # pictures in one answer
        self.gate = Gate()
        super().__init__()

    def application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/chat/completions", self._complete, methods=["POST"]),
                Route("/pictures/{number:int}", self._picture),
            ]
        )

    @property
    def environment(self) -> dict[str, str]:
        return {"OPENROUTER_API_KEY": PROVIDER_KEY, "OPENROUTER_BASE_URL": f"{self.url}/v1"}

    async def _complete(self, request: Request) -> Response:
        asked = await request.json()
        self.requests.append(asked)
        self.asked()
        await self.gate.pass_through(request)
        if request.headers["authorization"] != f"Bearer {PROVIDER_KEY}":
            return JSONResponse({"error": {"message": "No auth credentials found"}}, 401)
        answer = self.answers.popleft() if self.answers else 200
        if isinstance(answer, bytes):
            return Response(answer, media_type="application/json")
        if answer != 200:
            return JSONResponse({"error": {"code": answer, "message": "as you wish"}}, answer)
        urls = [self._url(number) for number in range(min(asked["n"], self.at_most))]
        images = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
        message = {"role": "assistant", "content": "", "images": images}
        return JSONResponse({"choices": [{"message": message}], "usage": {"cost": 0.04 * len(images)}})

    def _url(self, number: int) -> str:
        if self.form == "url":
            return f"{self.url}/pictures/{number}"
        data = base64.b64encode(self.pictures[number % len(self.pictures)]).decode()
        return f"data:image/png;base64,{data}"

    async def _picture(self, request: Request) -> Response:
        return Response(self.pictures[request.path_params["number"] % len(self.pictures)], media_type="image/png")


@dataclass(frozen=True)
class StoredObject:
    data: bytes
    headers: dict[str, str]


class FakeStore(FakeServer):
    """A bucket behind S3's REST interface, path style; every signature is verified."""

    def __init__(self) -> None:
        self.objects: dict[str, StoredObject] = {}
        self.answers: deque[int] = deque()  # statuses for the next requests; then all is well
        self.puts: list[str] = []
        self.locked: set[str] = set()  # keys that cannot be deleted
        self.gate = Gate()  # a PUT is stored, and its answer held here
        super().__init__()

    def application(self) -> Starlette:
        return Starlette(
            routes=[
                Route(f"/{BUCKET}", self._delete, methods=["POST"]),
                Route(f"/{BUCKET}/{{key:path}}", self._object, methods=["PUT", "GET"]),
            ]
        )

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_S3_BUCKET": BUCKET,
            "AWS_S3_ENDPOINT": self.url,
        }

    def keys(self, folder: str) -> list[str]:
        return sorted(key for key in self.objects if key.startswith(f"{folder}/"))

    async def _object(self, request: Request) -> Response:
        body = await request.body()
        key: str = request.path_params["key"]
        if not _signature_is_right(request, body):
            return Response("SignatureDoesNotMatch", 403)
        if self.answers and (status := self.answers.popleft()) != 200:
            return Response("as you wish", status)
        if request.method == "PUT":
            self.objects[key] = StoredObject(body, dict(request.headers))
            self.puts.append(key)
            self.asked()
            await self.gate.pass_through(request)
        elif key not in self.objects:
            return Response("NoSuchKey", 404)
        return Response(self.objects[key].data if request.method == "GET" else b"")

    async def _delete(self, request: Request) -> Response:
        """DeleteObjects, quiet: the answer names those that could not be deleted."""
        body = await request.body()
        checksum = base64.b64encode(hashlib.md5(body).digest()).decode()
        if not _signature_is_right(request, body) or request.headers["content-md5"] != checksum:
            return Response("SignatureDoesNotMatch", 403)
        if self.answers and (status := self.answers.popleft()) != 200:
            return Response("as you wish", status)
        keys = [str(key.text) for key in ET.fromstring(body).iterfind("Object/Key")]
        if len(keys) > 1000:
            return Response("MalformedXML", 400)
        for key in keys:
            if key not in self.locked:
                self.objects.pop(key, None)
        errors = "".join(
            f"<Error><Key>{key}</Key><Code>AccessDenied</Code></Error>" for key in keys if key in self.locked
        )
        self.asked()
        return Response(
            f'<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{errors}</DeleteResult>',
            media_type="application/xml",
        )


def _signature_is_right(request: Request, body: bytes) -> bool:
    """Signature Version 4, from the server's side: what is signed is taken from the request as it came."""
    query = dict(request.query_params)
    if "X-Amz-Signature" in query:
        given, names, hashed = query.pop("X-Amz-Signature"), query["X-Amz-SignedHeaders"], "UNSIGNED-PAYLOAD"
        at = query["X-Amz-Date"]
    else:
        told = dict(part.strip().split("=", 1) for part in request.headers["authorization"].split(" ", 1)[1].split(","))
        given, names, hashed = told["Signature"], told["SignedHeaders"], request.headers["x-amz-content-sha256"]
        at = request.headers["x-amz-date"]
        if hashed != hashlib.sha256(body).hexdigest():
            return False
    raw_query = request.scope["query_string"].decode()
    pairs = sorted(pair for pair in raw_query.split("&") if pair and not pair.startswith("X-Amz-Signature="))
    lines = [request.method, request.scope["raw_path"].decode(), "&".join(pairs)]
    lines += [f"{name}:{request.headers[name].strip()}" for name in names.split(";")]
    canonical = "\n".join([*lines, "", names, hashed])
    scope = f"{at[:8]}/{REGION}/s3/aws4_request"
    text = "\n".join(("AWS4-HMAC-SHA256", at, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{SECRET_KEY}".encode()
    for part in (at[:8], REGION, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), "sha256").digest()
    return hmac.compare_digest(hmac.new(key, text.encode(), "sha256").hexdigest(), given)


@dataclass(frozen=True)
class Received:
    """One request that a user's server was sent."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.body)
        return event

    def is_signed_with(self, secret: str) -> bool:
        """As the Standard Webhooks specification says, from the receiver's side."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = b".".join((self.id.encode(), self.headers["webhook-timestamp"].encode(), self.body))
        wanted = base64.b64encode(hmac.new(key, signed, "sha256").digest()).decode()
        return f"v1,{wanted}" in self.headers["webhook-signature"].split(" ")


class FakeReceiver(FakeServer):
    """A user's own server, which hears of webhooks."""

    def __init__(self) -> None:
        self.answers: deque[int] = deque()  # statuses for the next requests; then `status`
        self.status = 204
        self.received: list[Received] = []
        super().__init__()

    def application(self) -> Starlette:
        return Starlette(routes=[Route("/hook", self._hear, methods=["POST"])])

    @property
    def hook(self) -> str:
        return f"{self.url}/hook"

    async def _hear(self, request: Request) -> Response:
        self.received.append(Received(dict(request.headers), await request.body()))
        self.asked()
        status = self.answers.popleft() if self.answers else self.status
        return Response(status_code=status, headers={"location": "/elsewhere"} if status in (301, 302) else None)


@dataclass
class World:
    """All of them."""

    provider: FakeProvider = field(default_factory=FakeProvider)
    store: FakeStore = field(default_factory=FakeStore)
    receiver: FakeReceiver = field(default_factory=FakeReceiver)

    @property
    def environment(self) -> dict[str, str]:
        return {**self.provider.environment, **self.store.environment, "PIXORLY_PRIVATE_WEBHOOKS": "allow"}

    def unquoted(self, url: str) -> str:
        """The key of an object from the URL of it."""
        return unquote(url.removeprefix(f"{self.store.url}/{BUCKET}/"))

    def __enter__(self) -> Self:
        for server in (self.provider, self.store, self.receiver):
            server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        for server in (self.provider, self.store, self.receiver):
            server.end()
        for server in (self.provider, self.store, self.receiver):
            server.__exit__()

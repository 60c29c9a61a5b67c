"""A server that speaks S3's protocol, of its own process: moto's."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from tests.support import eventually, free_port

SECRET = "canary-s3-secret-7f3a"
CREDENTIALS = {"REACTOR_S3_ACCESS_KEY_ID": "key", "REACTOR_S3_SECRET_ACCESS_KEY": SECRET}


@dataclass(frozen=True)
class S3Server:
    """Where it listens."""

    url: str

    def make_bucket(self) -> str:
        """A new bucket's name."""
        name = f"b{uuid.uuid4().hex}"
        httpx.put(f"{self.url}/{name}").raise_for_status()
        return name

    def keys(self, bucket: str) -> list[str]:
        """What lies in it."""
        listing = httpx.get(f"{self.url}/{bucket}?list-type=2").raise_for_status().text
        return [each.partition("</Key>")[0] for each in listing.split("<Key>")[1:]]


@contextlib.contextmanager
def s3_server() -> Iterator[S3Server]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", f"from moto.server import main; main(['-H', '127.0.0.1', '-p', '{port}'])"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    server = S3Server(f"http://127.0.0.1:{port}")

    def answers() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(server.url).status_code < 500
        return False

    try:
        assert eventually(answers, 30.0), "moto's server does not start"
        yield server
    finally:
        process.kill()
        process.wait()

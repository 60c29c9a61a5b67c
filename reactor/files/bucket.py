"""Bucket: a bucket of any service that speaks S3's protocol, as a BlobStore.

Its keys of access come from the environment of the server process, and from nowhere else; under REACTOR's names no
function sees them (execution/nursery.py). The client library is imported when a bucket is opened: it has threads of its
own, which no process that forks may have, and is an extra.
"""

from __future__ import annotations

import contextlib
import importlib.util
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from reactor.errors import DefinitionError
from reactor.files.blob_store import KEY, PIECE, BlobAge, BlobMissing

SECRETS = ("REACTOR_S3_ACCESS_KEY_ID", "REACTOR_S3_SECRET_ACCESS_KEY", "REACTOR_S3_SESSION_TOKEN")
_URL = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?")
_CONNECT, _REQUEST = "5s", "60s"  # waited for; a stalled transfer counts as failed after the second
_RETRIES, _RETRY_TIME = 3, timedelta(seconds=20)  # a reader waits for them; what can wait is tried again elsewhere
_BLOCK = 4 << 20  # bytes read by one request
_PART = 8 << 20  # bytes of a part, when a blob is sent in parts


@dataclass(frozen=True, slots=True)
class BucketSettings:
    """Which bucket. `endpoint` is for services other than Amazon's."""

    name: str
    prefix: str = ""  # of every key; ends in a slash unless it is empty
    endpoint: str | None = None
    region: str | None = None

    @classmethod
    def of_url(cls, url: str, endpoint: str | None = None, region: str | None = None) -> BucketSettings:
        """Of `s3://bucket/prefix`. Raises DefinitionError for anything else."""
        match = _URL.fullmatch(url)
        if match is None or ".." in (match[2] or ""):
            raise DefinitionError(f"Files can be kept in `s3://bucket` or `s3://bucket/prefix`, not in {url!r}.")
        prefix = (match[2] or "").strip("/")
        return cls(match[1], f"{prefix}/" if prefix else "", endpoint, region)


class Bucket:
    """See BlobStore."""

    def __init__(self, settings: BucketSettings, environment: Mapping[str, str]) -> None:
        """Raises DefinitionError when the extra is not installed."""
        if importlib.util.find_spec("obstore") is None:
            raise DefinitionError("Keeping files in a bucket needs an extra: pip install 'reactor-backend[s3]'.")
        # Here and in the methods: see the module
        import obstore
        from obstore.store import S3Store

        self._api: Any = obstore
        self._prefix = settings.prefix
        key, secret, session = (environment.get(name) or environment.get(_usual(name)) for name in SECRETS)
        given: dict[str, Any] = {
            "endpoint": settings.endpoint or environment.get("AWS_ENDPOINT_URL"),
            "region": settings.region or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION"),
            "access_key_id": key,
            "secret_access_key": secret,
            "session_token": session,
        }
        endpoint = given["endpoint"] or ""
        self._store = S3Store(
            settings.name,
            client_options={
                "allow_http": endpoint.startswith("http://"),
                "connect_timeout": _CONNECT,
                "timeout": _REQUEST,
            },
            retry_config={"max_retries": _RETRIES, "retry_timeout": _RETRY_TIME},
            virtual_hosted_style_request=not endpoint,
            **{name: value for name, value in given.items() if value},
        )

    async def put(self, key: str, source: Path) -> None:
        """See BlobStore. A large one is sent in parts; parts of one that was broken off are never a blob."""
        with _translated(key):
            await self._api.put_async(self._store, self._prefix + key, source, chunk_size=_PART)

    async def read(self, key: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """See BlobStore."""
        first = await self._block(key, start, end)
        return self._blocks(key, first, start, end)

    async def _blocks(self, key: str, block: bytes, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """One request a block: no request lasts as long as a slow client takes."""
        while block:
            for at in range(0, len(block), PIECE):
                yield block[at : at + PIECE]
            start += len(block)
            block = await self._block(key, start, end) if start < end else b""

    async def _block(self, key: str, start: int, end: int) -> bytes:
        path = self._prefix + key
        with _translated(key):
            if start >= end:
                await self._api.head_async(self._store, path)
                return b""
            return bytes(await self._api.get_range_async(self._store, path, start=start, end=min(end, start + _BLOCK)))

    async def delete(self, key: str) -> None:
        """See BlobStore."""
        with contextlib.suppress(BlobMissing), _translated(key):
            await self._api.delete_async(self._store, self._prefix + key)

    async def blobs(self) -> AsyncIterator[BlobAge]:
        """See BlobStore."""
        with _translated("(all)"):
            async for page in self._api.list(self._store, self._prefix or None, chunk_size=1000):
                for item in page:
                    key = item["path"].removeprefix(self._prefix)
                    if KEY.fullmatch(key):
                        yield BlobAge(key, item["last_modified"].timestamp())


@contextlib.contextmanager
def _translated(key: str) -> Iterator[None]:
    """The library's errors as those of a BlobStore."""
    from obstore.exceptions import BaseError, NotFoundError

    try:
        yield
    except (NotFoundError, FileNotFoundError):
        raise BlobMissing(f"There is no blob {key} in the bucket.") from None
    except BaseError as error:
        raise OSError(f"the bucket cannot be used: {error}") from error


def _usual(name: str) -> str:
    return name.replace("REACTOR_S3", "AWS")

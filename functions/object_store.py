"""The bucket that holds the pictures: S3 or what speaks like it, with CloudFront in front. Plain helpers for actions."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Self
from urllib.parse import quote
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import httpx
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from functions.constants import SIGNED_URL_SECONDS, STORE_TIMEOUT
from functions.failure import AttemptFailed
from functions.signature_v4 import EMPTY, Credentials, presigned_url, signed_headers

_BASE64_OF_CLOUDFRONT = str.maketrans("+=/", "-_~")


def thumbnail_key(key: str) -> str:
    """Where the thumbnail of the picture with this key lies."""
    return f"thumbnails/{key.removeprefix('images/').rpartition('.')[0]}.jpg"


@dataclass(frozen=True)
class CloudFront:
    """The distribution in front of a bucket; with a key pair it can sign URLs."""

    domain: str
    key_pair_id: str | None
    private_key: str | None  # PEM

    def signed_url(self, url: str, expires: datetime) -> str | None:
        """With a canned policy; None without a key pair."""
        if not self.key_pair_id or not self.private_key:
            return None
        seconds = int(expires.timestamp())
        policy = (
            f'{{"Statement":[{{"Resource":"{url}","Condition":{{"DateLessThan":{{"AWS:EpochTime":{seconds}}}}}}}]}}'
        )
        key = load_pem_private_key(self.private_key.encode(), password=None)
        assert isinstance(key, RSAPrivateKey), "CloudFront signs with RSA"
        signature = key.sign(policy.encode(), PKCS1v15(), SHA1())  # noqa: S303 what CloudFront asks for
        text = base64.b64encode(signature).decode().translate(_BASE64_OF_CLOUDFRONT)
        return f"{url}?Expires={seconds}&Signature={text}&Key-Pair-Id={self.key_pair_id}"


@dataclass(frozen=True)
class ObjectStore:
    """A bucket as the environment describes it."""

    bucket: str
    base_url: str  # of the bucket's objects
    credentials: Credentials
    cloud_front: CloudFront | None

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self | None:
        """None when there is no bucket, or nobody to write into it as."""
        bucket, access_key = env.get("AWS_S3_BUCKET"), env.get("AWS_ACCESS_KEY_ID")
        secret_key, domain = env.get("AWS_SECRET_ACCESS_KEY"), env.get("AWS_CLOUDFRONT_DOMAIN")
        if not bucket or not access_key or not secret_key:
            return None
        region = env.get("AWS_REGION", "us-east-1")
        endpoint = env.get("AWS_S3_ENDPOINT")  # other stores, and tests
        return cls(
            bucket=bucket,
            base_url=f"{endpoint.rstrip('/')}/{bucket}" if endpoint else f"https://{bucket}.s3.{region}.amazonaws.com",
            credentials=Credentials(access_key, secret_key, region),
            cloud_front=CloudFront(domain, env.get("AWS_CLOUDFRONT_KEY_PAIR_ID"), env.get("AWS_CLOUDFRONT_PRIVATE_KEY"))
            if domain
            else None,
        )

    async def put(self, client: httpx.AsyncClient, key: str, data: bytes, content_type: str) -> None:
        """Store an object, encrypted at rest. Raises AttemptFailed."""
        headers = {"content-type": content_type, "x-amz-server-side-encryption": "AES256"}
        await self._send(client, "PUT", self._own_url(key), headers, data)

    async def delete(self, client: httpx.AsyncClient, keys: Sequence[str]) -> set[str]:
        """Delete up to a thousand objects at once; those that are not there are no error. Which could not be deleted.

        Raises AttemptFailed.
        """
        objects = "".join(f"<Object><Key>{escape(key)}</Key></Object>" for key in keys)
        body = f"<Delete><Quiet>true</Quiet>{objects}</Delete>".encode()
        checksum = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        headers = {"content-type": "application/xml", "content-md5": checksum}
        answer = await self._send(client, "POST", f"{self.base_url}?delete=", headers, body)
        failed = ET.fromstring(answer.content).iterfind("{*}Error/{*}Key")  # noqa: S314 our own store's
        return {key.text or "" for key in failed}

    def url(self, key: str) -> str:
        """What the picture's row shows."""
        if self.cloud_front is None:
            return self._own_url(key)
        return f"https://{self.cloud_front.domain}/{quote(key)}"

    def signed_url(self, key: str, now: datetime) -> str:
        """A URL that works for an hour, whoever has it."""
        expires = datetime.fromtimestamp(now.timestamp() + SIGNED_URL_SECONDS, UTC)
        signed = None if self.cloud_front is None else self.cloud_front.signed_url(self.url(key), expires)
        return signed or presigned_url(self.credentials, self._own_url(key), now, SIGNED_URL_SECONDS)

    def _own_url(self, key: str) -> str:
        return f"{self.base_url}/{quote(key)}"

    async def _send(
        self, client: httpx.AsyncClient, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> httpx.Response:
        digest = hashlib.sha256(body).hexdigest() if body else EMPTY
        signed = signed_headers(self.credentials, method, url, headers, digest, datetime.now(UTC))
        try:
            response = await client.request(method, url, headers=signed, content=body, timeout=STORE_TIMEOUT)
        except httpx.TransportError:
            raise AttemptFailed("The picture store could not be reached", retry=True) from None
        if response.is_error:
            raise AttemptFailed(
                f"The picture store answered {response.status_code}",
                retry=response.is_server_error or response.status_code == HTTPStatus.TOO_MANY_REQUESTS,
            )
        return response

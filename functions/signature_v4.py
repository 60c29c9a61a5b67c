"""AWS Signature Version 4 for one request to an S3-compatible store. Plain helpers; pure."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlsplit

EMPTY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class Credentials:
    """Whose signature."""

    access_key: str
    secret_key: str
    region: str
    service: str = "s3"


def signed_headers(
    credentials: Credentials, method: str, url: str, headers: Mapping[str, str], body_sha256: str, now: datetime
) -> dict[str, str]:
    """These headers and those that prove who sends them. The URL's path must be encoded already."""
    parts = urlsplit(url)
    all_headers = {name.lower(): value.strip() for name, value in headers.items()} | {
        "host": parts.netloc,
        "x-amz-date": f"{now:%Y%m%dT%H%M%SZ}",
        "x-amz-content-sha256": body_sha256,
    }
    names = ";".join(sorted(all_headers))
    canonical = "\n".join(
        (
            method,
            parts.path or "/",
            "&".join(sorted(parts.query.split("&"))) if parts.query else "",
            *(f"{name}:{all_headers[name]}" for name in sorted(all_headers)),
            "",
            names,
            body_sha256,
        )
    )
    signature = _sign(credentials, canonical, now)
    return all_headers | {
        "authorization": f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{_scope(credentials, now)}, "
        f"SignedHeaders={names}, Signature={signature}"
    }


def presigned_url(credentials: Credentials, url: str, now: datetime, seconds: int) -> str:
    """A URL that anybody may GET until then."""
    parts = urlsplit(url)
    query = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{credentials.access_key}/{_scope(credentials, now)}",
        "X-Amz-Date": f"{now:%Y%m%dT%H%M%SZ}",
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": "host",
    }
    text = "&".join(f"{name}={quote(query[name], safe='')}" for name in sorted(query))
    canonical = "\n".join(("GET", parts.path, text, f"host:{parts.netloc}", "", "host", "UNSIGNED-PAYLOAD"))
    return f"{url}?{text}&X-Amz-Signature={_sign(credentials, canonical, now)}"


def _scope(credentials: Credentials, now: datetime) -> str:
    return f"{now:%Y%m%d}/{credentials.region}/{credentials.service}/aws4_request"


def _sign(credentials: Credentials, canonical: str, now: datetime) -> str:
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{now:%Y%m%dT%H%M%SZ}\n{_scope(credentials, now)}\n{hashed}"
    key = f"AWS4{credentials.secret_key}".encode()
    for part in (f"{now:%Y%m%d}", credentials.region, credentials.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()

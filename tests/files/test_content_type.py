"""What a browser is told of a stranger's file (reliability row 98)."""

from __future__ import annotations

import base64
import hashlib

import pytest

from reactor.files.checksum import sha256_of_header, sha256_of_text
from reactor.files.content_type import is_content_type, safe_headers


@pytest.mark.parametrize("kind", ["image/png", "IMAGE/PNG", "image/jpeg; q=1", "text/plain;charset=utf-8", "video/mp4"])
def test_what_cannot_carry_script_is_shown_where_it_stands(kind: str) -> None:
    assert safe_headers(kind)["Content-Disposition"] == "inline"
    assert safe_headers(kind)["Content-Type"] == kind


@pytest.mark.parametrize(
    "kind",
    [
        "text/html",
        "image/svg+xml",
        "application/xml",
        "text/xml",
        "text/javascript",
        "application/pdf",
        "x/y",
        "image/pngx",
    ],
)
def test_everything_else_is_a_download(kind: str) -> None:
    assert safe_headers(kind)["Content-Disposition"] == "attachment"


@pytest.mark.parametrize("kind", ["text/html", "image/png", None])
def test_nothing_is_guessed_at_and_nothing_has_rights(kind: str | None) -> None:
    headers = safe_headers(kind)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


BROKEN = [
    "",
    "png",
    "image/",
    "/png",
    "a/b\r\nSet-Cookie: x=1",
    "a/b\n",
    "image/png\0",
    "tëxt/plain",
    "a/" + "b" * 300,
    "a b/c",
]


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_no_type_is_refused_and_were_it_stored_not_told(kind: str) -> None:
    assert not is_content_type(kind)
    assert safe_headers(kind)["Content-Type"] == "application/octet-stream"


DIGEST = hashlib.sha256(b"x").digest()
BASE64 = base64.b64encode(DIGEST).decode()


def test_a_checksum_in_base64_or_hex() -> None:
    assert sha256_of_text(BASE64) == sha256_of_text(DIGEST.hex()) == DIGEST
    for text in ("", "abc", BASE64[:-4], "g" * 64, BASE64 + "A", "ü" * 44):
        with pytest.raises(ValueError):
            sha256_of_text(text)


def test_a_digest_header_may_name_other_hashes_too() -> None:
    assert sha256_of_header(f"sha-256={BASE64}") == DIGEST
    assert sha256_of_header(f"md5=abc, SHA-256={BASE64}") == DIGEST
    assert sha256_of_header("md5=abc") is sha256_of_header(None) is None
    with pytest.raises(ValueError):
        sha256_of_header("sha-256=nonsense")

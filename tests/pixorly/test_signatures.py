"""Signatures against what AWS and others publish: the fakes are ours, these are not."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from functions.object_store import CloudFront, ObjectStore, thumbnail_key
from functions.signature_v4 import EMPTY, Credentials, presigned_url, signed_headers
from functions.webhook_actions import signature_headers

# The examples of "Authenticating Requests (AWS Signature Version 4)" in Amazon's S3 API reference.
EXAMPLE = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1")
AT = dt.datetime(2013, 5, 24, tzinfo=dt.UTC)
HOST = "https://examplebucket.s3.amazonaws.com"


def test_a_get_is_signed_as_in_amazons_example() -> None:
    headers = signed_headers(EXAMPLE, "GET", f"{HOST}/test.txt", {"Range": "bytes=0-9"}, EMPTY, AT)
    assert headers["authorization"].endswith(
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )


def test_a_put_is_signed_as_in_amazons_example() -> None:
    body = hashlib.sha256(b"Welcome to Amazon S3.").hexdigest()
    extra = {"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"}
    headers = signed_headers(EXAMPLE, "PUT", f"{HOST}/test%24file.text", extra, body, AT)
    assert headers["authorization"].endswith(
        "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
    )


def test_a_list_is_signed_as_in_amazons_example() -> None:
    headers = signed_headers(EXAMPLE, "GET", f"{HOST}/?max-keys=2&prefix=J", {}, EMPTY, AT)
    assert headers["authorization"].endswith(
        "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
    )


def test_a_presigned_url_is_as_in_amazons_example() -> None:
    url = presigned_url(EXAMPLE, f"{HOST}/test.txt", AT, 86400)
    assert url.endswith("X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")


def test_a_webhook_is_signed_as_in_the_standards_example() -> None:
    """The vector that Svix and Standard Webhooks publish with their libraries."""
    headers = signature_headers(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        dt.datetime.fromtimestamp(1614265330, dt.UTC),
        '{"test": 2432232314}',
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_cloudfront_urls_carry_a_signature_its_key_verifies() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()
    store = ObjectStore("bucket", "https://bucket.example.com", EXAMPLE, CloudFront("cdn.example.com", "K123", pem))
    signed = store.signed_url("images/ada/1 2.png", AT)
    assert signed.startswith("https://cdn.example.com/images/ada/1%202.png?")
    query = parse_qs(urlsplit(signed).query)
    expires = int(AT.timestamp()) + 3600
    assert (query["Expires"], query["Key-Pair-Id"]) == ([str(expires)], ["K123"])
    signature = base64.b64decode(query["Signature"][0].translate(str.maketrans("-_~", "+=/")))
    resource = "https://cdn.example.com/images/ada/1%202.png"
    policy = (
        f'{{"Statement":[{{"Resource":"{resource}","Condition":{{"DateLessThan":{{"AWS:EpochTime":{expires}}}}}}}]}}'
    )
    key.public_key().verify(signature, policy.encode(), padding.PKCS1v15(), hashes.SHA1())


def test_a_thumbnail_lies_beside_its_picture() -> None:
    assert thumbnail_key("images/user_1/17-ab.cd.png") == "thumbnails/user_1/17-ab.cd.jpg"

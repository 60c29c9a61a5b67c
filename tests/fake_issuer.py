"""An issuer of tokens on this machine: real keys, real HTTP, and every way to be wrong that a test asks for."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

APPLICATION = "convex"

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def json_part(tree: Any) -> str:
    return base64url(json.dumps(tree).encode())


@cache
def rsa_key(name: str = "rsa", bits: int = 2048) -> SigningKey:
    """Making one takes a while, so there is one of each name."""
    return SigningKey(name, "RS256", rsa.generate_private_key(65537, bits))


@cache
def ec_key(name: str = "ec") -> SigningKey:
    return SigningKey(name, "ES256", ec.generate_private_key(ec.SECP256R1()))


@cache
def ed_key(name: str = "ed") -> SigningKey:
    return SigningKey(name, "EdDSA", ed25519.Ed25519PrivateKey.generate())


class SigningKey:
    """A private key with a name."""

    def __init__(self, kid: str, algorithm: str, private: PrivateKey) -> None:
        self.kid = kid
        self.algorithm = algorithm
        self.private = private

    def sign(self, message: bytes) -> bytes:
        match self.private:
            case rsa.RSAPrivateKey():
                return self.private.sign(message, padding.PKCS1v15(), hashes.SHA256())
            case ec.EllipticCurvePrivateKey():
                r, s = decode_dss_signature(self.private.sign(message, ec.ECDSA(hashes.SHA256())))
                return r.to_bytes(32, "big") + s.to_bytes(32, "big")
            case _:
                return self.private.sign(message)

    def jwk(self, **changes: Any) -> dict[str, Any]:
        """The public half. A change to None leaves the field out."""

        def number(value: int) -> str:
            return base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))

        match self.private:
            case rsa.RSAPrivateKey():
                numbers = self.private.public_key().public_numbers()
                fields = {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
            case ec.EllipticCurvePrivateKey():
                point = self.private.public_key().public_numbers()
                x, y = (base64url(each.to_bytes(32, "big")) for each in (point.x, point.y))
                fields = {"kty": "EC", "crv": "P-256", "x": x, "y": y}
            case _:
                fields = {"kty": "OKP", "crv": "Ed25519", "x": base64url(self.private.public_key().public_bytes_raw())}
        tree = {"kid": self.kid, "alg": self.algorithm, "use": "sig", **fields, **changes}
        return {name: value for name, value in tree.items() if value is not None}

    def token(self, claims: Mapping[str, Any], **header: Any) -> str:
        """A JWT of exactly these claims. A header field that is None is left out."""
        fields = {"alg": self.algorithm, "typ": "JWT", "kid": self.kid, **header}
        head = json_part({name: value for name, value in fields.items() if value is not None})
        return self.sealed(f"{head}.{json_part(claims)}")

    def sealed(self, message: str) -> str:
        """Any text, signed."""
        return f"{message}.{base64url(self.sign(message.encode()))}"


class FakeIssuer:
    """An OpenID Connect provider; a context manager. `asked` counts requests by path."""

    def __init__(self, *keys: SigningKey) -> None:
        self.keys = list(keys or (rsa_key(),))  # published; changed by rotate()
        self.asked: list[str] = []  # paths, in order; grows in the server's threads
        self.answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}  # by path, instead of the right one
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                issuer.asked.append(path)
                issuer.answers.get(path, issuer._answer)(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def jwks_url(self) -> str:
        return f"{self.url}/keys.json"

    def rotate(self, key: SigningKey) -> None:
        """Sign with this key from now on, and publish no other."""
        self.keys = [key]

    def claims(self, subject: str = "ann", *, lifetime: float = 60, **more: Any) -> dict[str, Any]:
        now = int(time.time())
        tree = {
            "iss": self.url,
            "sub": subject,
            "aud": APPLICATION,
            "iat": now,
            "exp": now + lifetime,
            **more,
        }
        return {name: value for name, value in tree.items() if value is not None}

    def token(self, subject: str = "ann", *, lifetime: float = 60, **more: Any) -> str:
        """A token for a user, as the provider would make it; claims that are None are left out."""
        return self.keys[0].token(self.claims(subject, lifetime=lifetime, **more))

    def brief_token(self, subject: str, *, lasting: float = 1.5, **more: Any) -> str:
        """One that ends in a moment though it looks long-lived to its client (`iat` lies far back), as after a laptop's sleep.

        Make it when the client asks for it, and what has happened until then takes nothing of its life.
        """
        now = time.time()
        return self.token(subject, iat=now - 900, exp=now + lasting, **more)

    def with_a_brief_one(self, subject: str, seen: threading.Event, after: str | None) -> Iterator[str | None]:
        """A provider's answers: a good token; once `seen` is set, one that ends in a moment; then `after`, for ever."""
        yield self.token(subject)
        seen.wait(10)  # a test that failed never sets it
        yield self.brief_token(subject)
        while True:
            yield after

    def hand_out(self, make: Callable[[], str | None]) -> str:
        """The address of an endpoint that gives a token (as a JSON string, or null) to whoever asks."""
        self.answers["/token"] = lambda request: send_json(request, make())
        return f"{self.url}/token"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5.0)

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        match request.path:
            case "/.well-known/openid-configuration":
                send_json(request, {"issuer": self.url, "jwks_uri": self.jwks_url})
            case "/keys.json":
                send_json(request, {"keys": [key.jwk() for key in self.keys]})
            case _:
                request.send_error(404)


def send_json(request: BaseHTTPRequestHandler, tree: Any) -> None:
    body = json.dumps(tree).encode()
    request.send_response(200)
    request.send_header("Content-Type", "application/json")
    request.send_header("Access-Control-Allow-Origin", "*")
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)

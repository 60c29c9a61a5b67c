"""Fetcher: GET a small JSON document from an address that somebody else chose.

No redirects, no proxies, no cookies, no compression; a limit on bytes and on time in all. The host is resolved once,
checked, and connected to at the address that was checked, so that a name cannot change its mind in between.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING, Protocol

from reactor.errors import ReactorError
from reactor.issuers.reach import NotReachable, Reach
from reactor.limits import Limits

if TYPE_CHECKING:
    import httpx

_ADDRESSES = 3  # of a host that are tried


class FetchFailed(ReactorError):
    """There is no document. `passing` says that trying again later may help."""

    tag = "FetchFailed"

    def __init__(self, message: str, *, passing: bool) -> None:
        super().__init__(message)
        self.passing = passing


class Fetcher(Protocol):
    """What IssuerKeys asks for documents."""

    async def get(self, url: str) -> bytes:
        """The document. Raises FetchFailed."""
        ...


class HttpFetcher:
    """One connection a fetch: there are few, minutes apart."""

    def __init__(self, reach: Reach, limits: Limits) -> None:
        self._reach = reach
        self._wait = limits.keys_wait
        self._most = limits.keys_size
        self._tls: ssl.SSLContext | None = None  # made for the first fetch

    async def get(self, url: str) -> bytes:
        """See Fetcher."""
        import httpx  # here: it takes a tenth of a server's start, and most servers fetch nothing, or minutes later

        try:
            async with asyncio.timeout(self._wait):
                return await self._get(url)
        except TimeoutError:
            raise FetchFailed(f"{url} did not answer in {self._wait:g} s", passing=True) from None
        except NotReachable as error:
            raise FetchFailed(str(error), passing=False) from None
        except (httpx.HTTPError, OSError) as error:
            raise FetchFailed(f"{url} cannot be reached: {str(error) or type(error).__name__}", passing=True) from None
        except (httpx.InvalidURL, UnicodeError, ValueError) as error:
            raise FetchFailed(f"{url} is no address to fetch from: {error}", passing=False) from None

    async def _get(self, url: str) -> bytes:
        import httpx  # see get()

        target = httpx.URL(url)
        if target.scheme not in ("https", "http") or not target.host:
            raise NotReachable(f"{url} is not fetched from: it must be https.")
        port = target.port or (443 if target.scheme == "https" else 80)
        addresses = await _resolved(target.host, port)
        self._reach.check(target.scheme, target.host, port, addresses)
        named = target.raw_host.decode("ascii")
        shown = f"[{named}]" if ":" in named else named
        headers = {
            "Host": shown if target.port is None else f"{shown}:{target.port}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "reactor",
        }
        if self._tls is None:
            self._tls = await asyncio.to_thread(httpx.create_ssl_context)  # reads the certificates of authorities
        for address in addresses[:_ADDRESSES]:
            request = httpx.Request(
                "GET", target.copy_with(host=address), headers=headers, extensions={"sni_hostname": named}
            )
            try:
                return await self._ask(url, request)
            except httpx.ConnectError:
                if address == addresses[:_ADDRESSES][-1]:
                    raise
        raise AssertionError("a name resolves to one address at least")

    async def _ask(self, url: str, request: httpx.Request) -> bytes:
        import httpx  # see get()

        assert self._tls is not None
        async with httpx.AsyncClient(verify=self._tls, trust_env=False, timeout=self._wait) as client:
            answer = await client.send(request, stream=True, follow_redirects=False)
            try:
                return await self._body(url, answer)
            finally:
                await answer.aclose()

    async def _body(self, url: str, answer: httpx.Response) -> bytes:
        if answer.status_code != 200:
            passing = answer.status_code >= 500 or answer.status_code in (408, 429)
            hint = " (redirects are not followed)" if answer.is_redirect else ""
            raise FetchFailed(f"{url} answered HTTP {answer.status_code}{hint}", passing=passing)
        body = b""
        async for chunk in answer.aiter_raw():
            body += chunk
            if len(body) > self._most:
                raise FetchFailed(f"{url} answered with more than {self._most} bytes", passing=False)
        return body


async def _resolved(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]

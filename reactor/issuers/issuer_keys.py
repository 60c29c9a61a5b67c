"""IssuerKeys: the keys of one provider, fetched when needed and kept for a while.

Theory of operation
-------------------
Kept keys are used without asking until they are `keys_age` old, then fetched again before the next token is verified.
If that fails, they go on being used until `keys_age_offline`.

A token whose `kid` is not among them may mean that keys were rotated: they are fetched at once, but never within
`keys_refetch` of the last fetch, succeeded or failed, so that tokens with invented names cost the issuer nothing.

However many ask, one fetch is under way at a time, and all who wait get what it comes to. It is nobody's own: a client
that goes away does not end it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import orjson

from reactor.auth.key_set import KeySet
from reactor.auth.provider import Algorithm, Oidc, Provider, issuer_address
from reactor.clock import Clock
from reactor.errors import InvalidValue, Overloaded, Unauthenticated
from reactor.issuers.fetcher import Fetcher, FetchFailed
from reactor.limits import Limits

FAILED = "AuthProviderDiscoveryFailed"
_NEVER = float("-inf")

_log = logging.getLogger("reactor.auth")


class IssuerKeys:
    """See the module's docstring."""

    def __init__(self, provider: Provider, fetcher: Fetcher, clock: Clock, limits: Limits) -> None:
        self._provider = provider
        self._fetcher = fetcher
        self._clock = clock
        self._limits = limits
        self._keys = KeySet(())  # replaced by each fetch that succeeds
        self._fetched = _NEVER  # monotonic time of that
        self._tried = _NEVER  # monotonic time of the last fetch, begun
        self._failure: FetchFailed | None = None  # of the last fetch; None when it succeeded
        self._fetching: asyncio.Task[None] | None = None  # while a fetch is under way

    async def for_token(self, kid: str | None, algorithm: Algorithm) -> KeySet:
        """The keys to verify a token with. They need not have one of its name.

        Raises Overloaded when the issuer cannot be reached now, Unauthenticated when it publishes nothing usable.
        """
        if self._wanted(kid, algorithm):
            if self._fetching is None:
                self._tried = self._clock.monotonic()
                self._fetching = asyncio.get_running_loop().create_task(self._fetch())
            await asyncio.shield(self._fetching)
        if self._age > self._limits.keys_age_offline:
            self._refuse()
        return self._keys

    async def close(self) -> None:
        """End the fetch under way."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    @property
    def _age(self) -> float:
        return self._clock.monotonic() - self._fetched

    def _wanted(self, kid: str | None, algorithm: Algorithm) -> bool:
        """Whether a fetch is due before this token is verified, or the one under way is worth waiting for."""
        fresh = self._age <= self._limits.keys_age
        if fresh and self._keys.named(kid, algorithm):
            return False
        return self._fetching is not None or self._clock.monotonic() - self._tried >= self._limits.keys_refetch

    def _refuse(self) -> None:
        failure = self._failure
        assert failure is not None, "keys that were never fetched are too old, and their fetch has failed"
        text = f"Auth provider discovery of {self._name} failed: {failure}"
        if failure.passing:
            raise Overloaded(FAILED, text, self._limits.keys_refetch)
        raise Unauthenticated(FAILED, text)

    @property
    def _name(self) -> str:
        return self._provider.domain if isinstance(self._provider, Oidc) else self._provider.issuer

    async def _fetch(self) -> None:
        try:
            self._keys = await self._load()
            self._fetched, self._failure = self._clock.monotonic(), None
        except FetchFailed as failure:
            self._failure = failure
            _log.warning("cannot get the keys of auth provider %s: %s", self._name, failure)
        finally:
            self._fetching = None

    async def _load(self) -> KeySet:
        where = await self._discover(self._provider) if isinstance(self._provider, Oidc) else self._provider.jwks
        try:
            return KeySet.from_json(await self._fetcher.get(where))
        except InvalidValue as error:
            raise FetchFailed(f"{where}: {error}", passing=False) from None

    async def _discover(self, provider: Oidc) -> str:
        """Where the keys are. The document must speak of the issuer it was asked from."""
        url = f"{provider.issuer}/.well-known/openid-configuration"
        try:
            document: Any = orjson.loads(await self._fetcher.get(url))
        except orjson.JSONDecodeError:
            document = None
        found = document if isinstance(document, dict) else {}
        issuer, where = found.get("issuer"), found.get("jwks_uri")
        if not isinstance(issuer, str) or not isinstance(where, str):
            raise FetchFailed(f"{url} is no discovery document: it needs `issuer` and `jwks_uri`", passing=False)
        if issuer_address(issuer) != provider.issuer:
            raise FetchFailed(f"{url} is the document of another issuer, {issuer[:200]!r}", passing=False)
        return where

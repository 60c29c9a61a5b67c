"""Authenticator: tokens in, users out, by the providers of the code in force."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from reactor.auth.jwt import Token, Verified, check_signable, provider_for, verify
from reactor.auth.key_set import KeySet, keys_held_by
from reactor.auth.provider import Provider
from reactor.clock import Clock
from reactor.issuers.fetcher import Fetcher
from reactor.issuers.issuer_keys import IssuerKeys
from reactor.limits import Limits


class Authenticator:
    """One per server. `configure` comes with every push; keys of providers that stay are kept."""

    def __init__(self, fetcher: Fetcher, clock: Clock, limits: Limits) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._limits = limits
        self._providers: dict[Provider, KeySet | IssuerKeys] = {}  # in the order of the configuration; set by configure
        self._retired: list[IssuerKeys] = []  # of providers no longer configured, until close: a fetch may be under way

    def configure(self, providers: Sequence[Provider]) -> None:
        """Trust these and nobody else. Users already known stay so until their tokens expire."""
        before = self._providers
        self._providers = {provider: before.get(provider) or self._keys_of(provider) for provider in providers}
        gone = [keys for provider, keys in before.items() if provider not in self._providers]
        self._retired += [keys for keys in gone if isinstance(keys, IssuerKeys)]

    async def identify(self, text: str) -> Verified:
        """Who the token names, and until when.

        Raises Unauthenticated, and Overloaded when the issuer's keys cannot be had just now.
        """
        token = Token.parse(text, self._limits)
        provider = provider_for(token, tuple(self._providers))
        algorithm = check_signable(token, provider)
        keys = self._providers[provider]
        if isinstance(keys, IssuerKeys):
            keys = await keys.for_token(token.kid, algorithm)
        return verify(token, keys, self._clock.now_ns() / 1e9, provider, self._limits)

    async def close(self) -> None:
        """End what is being fetched."""
        fetching = [*self._retired, *(keys for keys in self._providers.values() if isinstance(keys, IssuerKeys))]
        await asyncio.gather(*(keys.close() for keys in fetching))

    def _keys_of(self, provider: Provider) -> KeySet | IssuerKeys:
        return keys_held_by(provider) or IssuerKeys(provider, self._fetcher, self._clock, self._limits)

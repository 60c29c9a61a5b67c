"""Who a socket is, and when that ends: credentials are checked and their expiry awaited here.

The check of a token is the one thing of a socket that is awaited in a task of its own; the session lets later messages
wait meanwhile, so their order is kept (engine D5).
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from reactor.application import Application
from reactor.auth.jwt import Verified
from reactor.errors import CallerError, InvalidValue, Overloaded
from reactor.server.errors import INTERNAL
from reactor.sync.messages import AuthenticateAdmin, AuthenticateNone, AuthenticateUser, ClientMessage
from reactor.sync.session import Effect, SyncSession

LONGEST_SLEEP = 86_400.0  # seconds: a timer counts on while the wall clock is set, so it looks once a day

_log = logging.getLogger("reactor.sync")


class Driver(Protocol):
    """Whoever drives the session."""

    def carry_out(self, effects: list[Effect]) -> None: ...

    def touch(self) -> None: ...

    def close(self, code: str) -> None: ...


class SignIn:
    """Decides a session's credentials, one after the other, and watches for the end of what was decided."""

    __slots__ = ("_address", "_application", "_driver", "_end", "_loop", "_session", "_verification")

    def __init__(self, session: SyncSession, application: Application, driver: Driver, address: str = "") -> None:
        """`address` is where the socket comes from."""
        self._address = address
        self._session = session
        self._application = application
        self._driver = driver
        self._loop = asyncio.get_running_loop()
        self._verification: asyncio.Task[None] | None = None  # of the token being checked; the last one after that
        self._end: asyncio.TimerHandle | None = None  # set while the identity has an end

    def verify(self, credential: AuthenticateUser | AuthenticateAdmin) -> None:
        """Decide it; the session is told at once, or when a token's issuer has been asked."""
        if isinstance(credential, AuthenticateUser):
            self._verification = self._loop.create_task(self._verify_token(credential.token))
            return
        try:
            identity = self._application.identify_admin(credential.key, credential.acting_as, self._address)
        except Overloaded as error:
            self._driver.close(error.code)
        except CallerError as error:
            self._driver.carry_out(self._session.refused(error.message))
        except InvalidValue as error:
            self._driver.carry_out(self._session.refused(str(error)))
        else:
            self._driver.carry_out(self._session.identified(identity, admin=True))

    async def _verify_token(self, token: str) -> None:
        """Decide and go on with what waited. An issuer that cannot be reached is no reason to sign anybody out: the
        socket is closed as in any trouble that passes, and the client comes back with its token.
        """
        try:
            found = await self._decide(token)
            if isinstance(found, Verified):
                self._driver.carry_out(self._session.identified(found.identity, expires=found.expires))
            else:
                self._driver.carry_out(self._session.refused(found))
            if self._session.owes:
                self._driver.touch()
        except Overloaded as error:
            self._driver.close(error.code)
        except Exception:  # noqa: BLE001 whatever it is: this socket pays, no other
            _log.exception("a token could not be checked")
            self._driver.close(INTERNAL)

    async def _decide(self, token: str) -> Verified | str:
        """Who it is, or why not."""
        try:
            return await self._application.identify_user(token)
        except CallerError as error:
            return error.message

    # ── the end of an identity ───────────────────────────────────────────────────────────────────────────────────────

    @property
    def is_over(self) -> bool:
        """Whether the identity has ended."""
        expires = self._session.expires
        return expires is not None and self._application.now >= expires

    def is_over_for(self, message: ClientMessage) -> bool:
        """Whether it ended before this message, which neither brings the next identity nor waits for it."""
        if not self._session.ready or not self.is_over:
            return False
        return not isinstance(message, AuthenticateUser | AuthenticateAdmin | AuthenticateNone)

    def await_end(self, at: float | None) -> None:
        """Look again at that time; at no time if None."""
        if self._end is not None:
            self._end.cancel()
            self._end = None
        if at is not None:
            left = at - self._application.now
            self._end = self._loop.call_later(min(max(left, 0.0), LONGEST_SLEEP), self._look)

    def _look(self) -> None:
        if self.is_over:
            self._driver.carry_out(self._session.expired())
        else:
            self.await_end(self._session.expires)

    def stop(self) -> None:
        """The socket is gone: nothing is awaited any more."""
        self.await_end(None)
        if self._verification is not None:
            self._verification.cancel()

"""What the server asks of the application: the only names of it that this room uses."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Protocol

from reactor.auth.identity import Identity
from reactor.auth.jwt import Verified
from reactor.database.variable import VariableChange
from reactor.definitions.manifest import Manifest
from reactor.deploy.migrator import MigrationStatus
from reactor.deploy.receiver import Delivery
from reactor.engine.call_log import Stretch
from reactor.engine.profile import FunctionTally
from reactor.execution.frames import HttpRequest, Outcome
from reactor.execution.http_exchange import HttpExchange
from reactor.keeper.keeper import FoundFile, Upload
from reactor.transfer.transfers import Transfers


class Verbs(Protocol):
    """Calls run with `args` as encoded JSON: an object, or an array of exactly one.

    A function that fails is an Outcome with a failure; what raises is a CallerError, or Overloaded when the call was
    not run. `internal` lets the call reach internal functions. A caller who goes away cancels the coroutine: a
    mutation already handed to the writer is committed all the same.
    """

    async def call_query(
        self, path: str, args: bytes, identity: Identity | None, *, internal: bool = False
    ) -> Outcome: ...

    async def call_query_at(
        self, path: str, args: bytes, identity: Identity | None, ts: int, *, internal: bool = False
    ) -> Outcome:
        """Run a query as of `ts`. Raises OutOfRetention, BadRequest."""
        ...

    async def call_queries(
        self, calls: Sequence[tuple[str, bytes]], identity: Identity | None, *, internal: bool = False
    ) -> Sequence[Outcome]:
        """Run queries (path, args) in one snapshot; outcomes in the same order."""
        ...

    async def call_mutation(
        self, path: str, args: bytes, identity: Identity | None, *, internal: bool = False
    ) -> Outcome: ...

    async def call_action(
        self, path: str, args: bytes, identity: Identity | None, *, internal: bool = False
    ) -> Outcome: ...

    async def call_function(
        self, path: str, args: bytes, identity: Identity | None, *, internal: bool = False
    ) -> Outcome:
        """Run a function of any kind."""
        ...

    async def change_variables(self, changes: Sequence[VariableChange]) -> None:
        """Set and remove environment variables, all or none. Raises BadRequest."""
        ...

    async def receive_code(self, archive: bytes, *, dry_run: bool = False) -> Delivery:
        """Put pushed sources in force, or say what that would do. Raises BadRequest; nothing has changed then."""
        ...

    async def migrations(self) -> list[MigrationStatus]:
        """Every migration of the project, and how far each has come."""
        ...

    async def migrate(self, names: Sequence[str], *, restart: bool, dry_run: bool) -> list[MigrationStatus]:
        """Run migrations, those that are pending without names; what became of them. Raises BadRequest."""
        ...

    async def read_calls(self, cursor: int, limit: int, wait: float) -> Stretch:
        """Function calls that ended, from the cursor on (0: the last there are), waiting so long for the first."""
        ...

    def profile(self, seconds: float) -> Sequence[FunctionTally]:
        """What functions cost since somebody looks; it is counted for so many seconds more."""
        ...

    def check_upload_token(self, token: str) -> None:
        """Raises Unauthenticated for an upload URL that does not hold (any more)."""
        ...

    async def store_file(self, body: AsyncIterator[bytes], upload: Upload) -> str:
        """Store a file; its id. What `body` raises passes through, and nothing is stored then. Raises BadRequest, Overloaded."""
        ...

    async def find_file(self, key: str) -> FoundFile:
        """The file of a URL. Raises NotFound."""
        ...

    async def read_file(self, key: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Its bytes. Raises NotFound, Overloaded."""
        ...

    def open_http(self, name: str, request: HttpRequest, identity: Identity | None) -> HttpExchange:
        """Have the project's HTTP routes answer a request, which one of them fits. `name` is what logs call it."""
        ...

    def identify_admin(self, key: str, acting_as: bytes | None, address: str = "") -> Identity | None:
        """Nobody, or the user whose attributes (encoded JSON of an object) the operator acts as.

        `address` is where the credential comes from: Overloaded when too many wrong ones came from there. Raises
        Unauthenticated for a wrong key, BadRequest or InvalidValue for attributes that are none.
        """
        ...

    async def identify_user(self, token: str) -> Verified:
        """Who a JWT names, and until when. Raises Unauthenticated; Overloaded when its issuer cannot be reached."""
        ...

    def request_name(self, call: int) -> str:
        """What a call (Outcome.call) is named in errors and logs: 16 hex digits."""
        ...

    @property
    def transfers(self) -> Transfers:
        """Exports, backups and imports."""
        ...

    @property
    def manifest(self) -> Manifest:
        """What is deployed now."""
        ...

    @property
    def head(self) -> int:
        """The newest timestamp a client may be shown."""
        ...

"""Remote: a reactor server as an operator calls it, over HTTP with the admin key; started for the call if none runs."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import orjson

from reactor.application import Application
from reactor.auth.identity import ANY_ISSUER
from reactor.cli.address_file import AddressFile
from reactor.database.variable import VariableChange
from reactor.deploy.migrator import MigrationStatus
from reactor.errors import BadRequest, Forbidden, NotFound, ReactorError
from reactor.files.bucket import BucketSettings
from reactor.limits import DEFAULT_LIMITS, Limits
from reactor.server.app import build_app
from reactor.server.listening import listening
from reactor.storage.admin_key import AdminKey

if TYPE_CHECKING:  # imported when a Remote is made: it takes a tenth of what `reactor serve` needs to start
    import httpx

CONNECT_SECONDS = 5.0
SYNC_PATH = "/api/1.48.0/sync"  # the version of the client whose protocol live commands speak


class Unreachable(ReactorError):
    """The server does not answer, or not as one of ours."""

    tag = "Unreachable"


@dataclass(frozen=True, slots=True)
class CallResult:
    """What a call came to. `error` is None for one that succeeded."""

    value: Any  # JSON, with $integer and $bytes where JSON has no word
    error: str | None
    log_lines: Sequence[str]

    @classmethod
    def of(cls, told: Mapping[str, Any], *, failed: bool) -> CallResult:
        """What a server says of it. An application's error tells its data, also where its text is kept from clients."""
        lines = told.get("logLines", ())
        if not failed:
            return cls(told["value"], None, lines)
        error = told["errorMessage"].rstrip()
        if "errorData" in told and "ConvexError" not in error:
            error += f"\n{orjson.dumps(told['errorData']).decode()}"
        return cls(None, error, lines)


@dataclass(frozen=True, slots=True)
class Credential:
    """The operator's, perhaps in a user's place."""

    key: str
    acting_as: dict[str, Any] | None = None


class Remote:
    """A server at a URL. An async context manager: it keeps its connection."""

    def __init__(self, url: str, admin_key: str) -> None:
        """Raises ValueError for a URL that cannot be one."""
        import httpx

        self._url = url.rstrip("/")
        self._admin_key = admin_key
        try:
            parsed = httpx.URL(self._url)
        except httpx.InvalidURL:
            parsed = httpx.URL("")
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise ValueError(f"the URL of a server is like https://api.example.com, not {url!r}")
        self._failed = httpx.TransportError
        # A function may take as long as it likes: only connecting is bounded.
        self._client = httpx.AsyncClient(timeout=httpx.Timeout(None, connect=CONNECT_SECONDS), trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def answers(self) -> bool:
        """Whether a server is there."""
        try:
            response = await self._client.get(f"{self._url}/instance_name", timeout=CONNECT_SECONDS)
        except self._failed:
            return False
        return response.is_success

    async def call(
        self, path: str, args: dict[str, Any] | orjson.Fragment, identity: dict[str, Any] | None = None
    ) -> CallResult:
        """Run any function, internal ones included, as the operator or as the user `identity` describes.

        Raises Unreachable when nobody answers, and CallerErrors for what the server refuses to look at.
        """
        body = {"path": path, "args": args, "format": "convex_encoded_json"}
        response = await self._post("/api/function", body, self.authorization(identity))
        result = orjson.loads(response.content)
        return CallResult.of(result, failed=result["status"] != "success")

    async def public_functions(self) -> list[str]:
        """The paths of functions that everybody may call. Raises Unreachable."""
        try:
            response = await self._client.get(f"{self._url}/api/_reactor/functions", timeout=CONNECT_SECONDS)
            return [each["path"] for each in orjson.loads(response.content)["functions"]]
        except (self._failed, orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise Unreachable(f"{self._url} does not tell its functions") from error

    async def deploy(self, archive: bytes, *, dry_run: bool) -> dict[str, Any]:
        """Push sources; the server's account of it. Raises as `call`, and BadRequest for a push that is refused."""
        path = "/api/_reactor/deploy" + ("?dryRun=true" if dry_run else "")
        response = await self._send(path, archive, "application/gzip", self.authorization(None))
        told: dict[str, Any] = orjson.loads(response.content)
        return told

    @property
    def url(self) -> str:
        """Where it is."""
        return self._url

    @property
    def socket_url(self) -> str:
        """Where its sync protocol is spoken."""
        scheme, _, rest = self._url.partition("://")
        return f"{'wss' if scheme == 'https' else 'ws'}://{rest}{SYNC_PATH}"

    def credential(self, identity: dict[str, Any] | None) -> Credential:
        """What a socket says it is."""
        return Credential(self._admin_key, None if identity is None else _whole(identity))

    async def variables(self) -> dict[str, str]:
        """The deployment's environment variables. Raises as `call`."""
        result = await self.call("_system/cli/queryEnvironmentVariables", {})
        if result.error is not None:
            raise Unreachable(f"{self._url} does not tell its environment variables: {result.error}")
        return {each["name"]: each["value"] for each in result.value}

    async def change_variables(self, changes: Sequence[VariableChange]) -> None:
        """Set and remove environment variables, all or none. Raises as `call`."""
        told = [{"name": name} if value is None else {"name": name, "value": value} for name, value in changes]
        await self._post("/api/update_environment_variables", {"changes": told}, self.authorization(None))

    async def migrate(
        self, names: Sequence[str] = (), *, restart: bool = False, dry_run: bool = False, status: bool = False
    ) -> list[MigrationStatus]:
        """Run migrations, or tell how far they are; returns when all have been run. Raises as `call`."""
        body = {"names": list(names), "restart": restart, "dry_run": dry_run, "status": status}
        response = await self._post("/api/migrate", body, self.authorization(None))
        return [MigrationStatus(**each) for each in orjson.loads(response.content)["migrations"]]

    async def functions(self) -> list[dict[str, Any]]:
        """Every function there is, internal ones too, as `npx convex function-spec` tells them. Raises as `call`."""
        result = await self.call("_system/cli/modules:apiSpec", {})
        if result.error is not None:
            raise Unreachable(f"{self._url} does not tell its functions: {result.error}")
        return [each for each in result.value if "identifier" in each]

    async def calls(self, cursor: int, limit: int | None = None) -> tuple[list[dict[str, Any]], int]:
        """Function calls that ended, from the cursor on, and the cursor to go on with. Waits for some unless it is 0."""
        wanted = {"cursor": cursor} if limit is None else {"cursor": cursor, "limit": limit}
        try:
            response = await self._client.get(
                f"{self._url}/api/stream_function_logs",
                params=wanted,
                headers={"Authorization": self.authorization(None)},
            )
        except self._failed as error:
            raise Unreachable(f"{self._url} does not answer: {str(error) or type(error).__name__}") from error
        if not response.is_success:
            raise _refusal(response)
        told = orjson.loads(response.content)
        return told["entries"], told["newCursor"]

    async def send(self, path: str, body: bytes = b"", kind: str = "application/json") -> Any:
        """What an endpoint of the operator's answers, as JSON; None for an empty answer. Raises as `call`."""
        response = await self._send(path, body, kind, self.authorization(None))
        return orjson.loads(response.content) if response.content else None

    async def fetch(self, path: str, take: Callable[[bytes], object]) -> None:
        """Give `take` the bytes of an endpoint of the operator's as they come. Raises as `call`."""
        headers = {"Authorization": self.authorization(None)}
        try:
            async with self._client.stream("GET", f"{self._url}{path}", headers=headers) as response:
                if not response.is_success:
                    await response.aread()
                    raise _refusal(response)
                async for piece in response.aiter_raw():
                    take(piece)
        except self._failed as error:
            raise Unreachable(f"{self._url} does not answer: {str(error) or type(error).__name__}") from error

    async def _post(self, path: str, body: Any, authorization: str) -> httpx.Response:
        return await self._send(path, orjson.dumps(body), "application/json", authorization)

    async def _send(self, path: str, body: bytes, kind: str, authorization: str) -> httpx.Response:
        try:
            response = await self._client.post(
                f"{self._url}{path}",
                content=body,
                headers={"Content-Type": kind, "Authorization": authorization},
            )
        except self._failed as error:
            raise Unreachable(f"{self._url} does not answer: {str(error) or type(error).__name__}") from error
        if not response.is_success:
            raise _refusal(response)
        return response

    def authorization(self, identity: dict[str, Any] | None) -> str:
        """The header of the operator, perhaps in a user's place."""
        if identity is None:
            return f"Convex {self._admin_key}"
        return f"Convex {self._admin_key}:{base64.b64encode(orjson.dumps(_whole(identity))).decode()}"


def _whole(identity: dict[str, Any]) -> dict[str, Any]:
    return identity if "tokenIdentifier" in identity else {"issuer": ANY_ISSUER, **identity}


def _refusal(response: httpx.Response) -> ReactorError:
    try:
        tree = orjson.loads(response.content)
        code, message = tree["code"], tree["message"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return Unreachable(f"{response.url} is no reactor server: it answered {response.status_code}.")
    if response.status_code == 403:
        return Forbidden(code, f"{message} (is the admin key the one of this server?)")
    return NotFound(code, message) if response.status_code == 404 else BadRequest(code, message)


@contextlib.asynccontextmanager
async def reaching(
    root: Path, data: Path, *, limits: Limits = DEFAULT_LIMITS, files: BucketSettings | None = None
) -> AsyncGenerator[Remote, None]:
    """The server of this data folder while the block runs; one is started for it if none is running."""
    url = AddressFile(data).read()
    if url is not None:
        async with Remote(url, AdminKey.at(data).text) as remote:
            if await remote.answers():
                yield remote
                return
    application = Application(root, data, limits=limits, bucket=files)
    await application.start()
    try:
        async with (
            listening(build_app(application), limits=limits) as address,
            Remote(address.url, AdminKey.at(data).text) as remote,
        ):
            yield remote
    finally:
        await application.stop()

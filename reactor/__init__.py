"""reactor: a reactive backend you write in Python. The names that `schema.py` and `functions/` need.

Importing this opens nothing and starts nothing.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING

if _TYPE_CHECKING:
    from pathlib import Path

    from starlette.responses import JSONResponse, Response, StreamingResponse

    from reactor.auth.identity import UserIdentity
    from reactor.auth.provider import CustomJwt, Oidc
    from reactor.auth.webhook import Webhook, verify_webhook
    from reactor.definitions.auth_config import AuthConfig
    from reactor.definitions.context import ActionCtx, Document, MutationCtx, QueryCtx, SyncActionCtx
    from reactor.definitions.cron import Crons
    from reactor.definitions.function import (
        action,
        internal_action,
        internal_mutation,
        internal_query,
        mutation,
        query,
    )
    from reactor.definitions.http import HttpRouter, Request
    from reactor.definitions.id import Id
    from reactor.definitions.index import Index, IndexRange, SearchIndex
    from reactor.definitions.migration import migration
    from reactor.definitions.model import Model
    from reactor.definitions.page import Page, PaginationOpts
    from reactor.definitions.system_tables import ScheduledFunction, StoredFile
    from reactor.definitions.table import Table
    from reactor.definitions.unset import UNSET, Unset
    from reactor.definitions.vector import Scored, VectorIndex, VectorMatch, any_of
    from reactor.embedding import Embedded
    from reactor.errors import AppError, WebhookError
    from reactor.values.value import Int64
else:
    # The same, each imported when it is first asked for. Every module of ours comes through here, the server's and the
    # command's too, and what user code needs (pydantic above all) takes a third of a second.
    _HOMES = {
        "JSONResponse": "starlette.responses",
        "Response": "starlette.responses",
        "StreamingResponse": "starlette.responses",
        "UserIdentity": "reactor.auth.identity",
        "CustomJwt": "reactor.auth.provider",
        "Oidc": "reactor.auth.provider",
        "Webhook": "reactor.auth.webhook",
        "verify_webhook": "reactor.auth.webhook",
        "AuthConfig": "reactor.definitions.auth_config",
        "ActionCtx": "reactor.definitions.context",
        "Document": "reactor.definitions.context",
        "MutationCtx": "reactor.definitions.context",
        "QueryCtx": "reactor.definitions.context",
        "SyncActionCtx": "reactor.definitions.context",
        "Crons": "reactor.definitions.cron",
        "action": "reactor.definitions.function",
        "internal_action": "reactor.definitions.function",
        "internal_mutation": "reactor.definitions.function",
        "internal_query": "reactor.definitions.function",
        "mutation": "reactor.definitions.function",
        "query": "reactor.definitions.function",
        "HttpRouter": "reactor.definitions.http",
        "Request": "reactor.definitions.http",
        "Id": "reactor.definitions.id",
        "Index": "reactor.definitions.index",
        "IndexRange": "reactor.definitions.index",
        "SearchIndex": "reactor.definitions.index",
        "migration": "reactor.definitions.migration",
        "Model": "reactor.definitions.model",
        "Page": "reactor.definitions.page",
        "PaginationOpts": "reactor.definitions.page",
        "ScheduledFunction": "reactor.definitions.system_tables",
        "StoredFile": "reactor.definitions.system_tables",
        "Table": "reactor.definitions.table",
        "UNSET": "reactor.definitions.unset",
        "Unset": "reactor.definitions.unset",
        "Scored": "reactor.definitions.vector",
        "VectorIndex": "reactor.definitions.vector",
        "VectorMatch": "reactor.definitions.vector",
        "any_of": "reactor.definitions.vector",
        "Int64": "reactor.definitions.wire_scalars",  # where pydantic is told of it
        "AppError": "reactor.errors",
        "WebhookError": "reactor.errors",
    }

    def __getattr__(name: str) -> object:
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module 'reactor' has no attribute {name!r}")
        found = globals()[name] = getattr(_import_module(home), name)
        return found

    def __dir__() -> list[str]:
        return __all__


__all__ = [
    "UNSET",
    "ActionCtx",
    "AppError",
    "AuthConfig",
    "Crons",
    "CustomJwt",
    "Document",
    "HttpRouter",
    "Id",
    "Index",
    "IndexRange",
    "Int64",
    "JSONResponse",
    "Model",
    "MutationCtx",
    "Oidc",
    "Page",
    "PaginationOpts",
    "QueryCtx",
    "Request",
    "Response",
    "ScheduledFunction",
    "Scored",
    "SearchIndex",
    "StoredFile",
    "StreamingResponse",
    "SyncActionCtx",
    "Table",
    "Unset",
    "UserIdentity",
    "VectorIndex",
    "VectorMatch",
    "Webhook",
    "WebhookError",
    "action",
    "any_of",
    "asgi",
    "internal_action",
    "internal_mutation",
    "internal_query",
    "migration",
    "mutation",
    "query",
    "verify_webhook",
]


def asgi(
    project: "Path | str" = ".",
    *,
    data: "Path | str | None" = None,
    dev: bool = False,
    url: str = "http://127.0.0.1:8000",
) -> "Embedded":
    """A project as an ASGI application, to be mounted in another: see docs/asgi.md.

    `project` has schema.py and functions/, `data` is the data folder (default: .reactor in the project). `dev` tells clients
    what went wrong inside functions, and makes every save live. `url` is where clients find the mount.
    """
    from reactor.embedding import Embedded  # imports the server; `import reactor` must not

    return Embedded(project, data=data, dev=dev, url=url)

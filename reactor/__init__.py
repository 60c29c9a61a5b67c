"""reactor: a reactive backend you write in Python. The names that `schema.py` and `functions/` need.

Importing this opens nothing and starts nothing.
"""

from typing import TYPE_CHECKING as _TYPE_CHECKING

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
from reactor.errors import AppError, WebhookError
from reactor.values.value import Int64

if _TYPE_CHECKING:
    from pathlib import Path

    from reactor.embedding import Embedded

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

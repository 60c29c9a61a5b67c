"""reactor: a reactive backend you write in Python. The names that `schema.py` and `functions/` need.

Importing this opens nothing and starts nothing.
"""

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
    "internal_action",
    "internal_mutation",
    "internal_query",
    "migration",
    "mutation",
    "query",
    "verify_webhook",
]

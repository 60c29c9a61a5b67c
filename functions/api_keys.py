"""API keys: for users' programs. A key is shown once, when it is made; only its hash is kept."""

import hashlib
import secrets
import string
from datetime import datetime, timedelta
from typing import Literal

from functions import rate_limits, usage, users
from functions.constants import MAX_API_KEYS, PLAN_LIMITS
from functions.rate_limits import Window
from reactor import (
    AppError,
    Id,
    Model,
    MutationCtx,
    QueryCtx,
    internal_mutation,
    internal_query,
    mutation,
    query,
)
from schema import ApiKey, Scope, User

ALPHABET = string.ascii_letters + string.digits
LENGTH = 32
SHOWN = 8  # characters of the key that its owner is shown later on
MINUTE = timedelta(minutes=1)


class NewApiKey(Model):
    """A key that was just made. This is the only time it is told."""

    key_id: Id[ApiKey]
    key: str
    prefix: str


class ApiKeyInfo(Model):
    """A key, without what would let somebody use it."""

    key_id: Id[ApiKey]
    name: str
    prefix: str
    scopes: list[Scope]
    rate_limit: int | None = None
    is_active: bool
    last_used_at: datetime | None = None
    total_requests: int
    expires_at: datetime | None = None
    created_at: datetime


class KeyUse(Model):
    """Whether a program may do what it asks: as whom, or why not and in how many seconds."""

    user_id: Id[User] | None = None
    refused: Literal["unknown", "scope", "plan", "rate"] | None = None
    retry_after: int | None = None


class Validated(Model):
    """A key that may be used now."""

    key_id: Id[ApiKey]
    user_id: Id[User]
    scopes: list[Scope]


# ── what a browser may call ───────────────────────────────────────────────────────────────────────────────────────────


@mutation
def create_api_key(
    ctx: MutationCtx,
    name: str,
    scopes: list[Scope],
    rate_limit: int | None = None,
    expires_at: datetime | None = None,
) -> NewApiKey:
    """Make a key for the signed-in user. `rateLimit` is requests a minute."""
    user = users.require_user(ctx)
    if not PLAN_LIMITS[user.plan].api_access:
        raise AppError("API access is not part of your plan")
    if not name.strip() or not scopes:
        raise AppError("A key needs a name and at least one scope")
    if rate_limit is not None and rate_limit < 1:
        raise AppError("The rate limit must be at least one request a minute")
    if expires_at is not None and expires_at <= ctx.now:
        raise AppError("The key would have expired already")
    if len(ctx.db.query(ApiKey.by_user.eq(user.id)).take(MAX_API_KEYS)) >= MAX_API_KEYS:
        raise AppError(f"At most {MAX_API_KEYS} keys: revoke and delete some")
    key = _new_key()
    key_id = ctx.db.insert(
        ApiKey(
            user_id=user.id,
            name=name.strip(),
            key_hash=hash_of(key),
            prefix=key[:SHOWN],
            scopes=list(dict.fromkeys(scopes)),
            rate_limit=rate_limit,
            is_active=True,
            expires_at=expires_at,
            created_at=ctx.now,
            updated_at=ctx.now,
        )
    )
    return NewApiKey(key_id=key_id, key=key, prefix=key[:SHOWN])


@mutation
def rotate_api_key(ctx: MutationCtx, key_id: Id[ApiKey]) -> NewApiKey:
    """Give a key a new secret, everything else staying as it is; the old one stops working at once."""
    old = _own(ctx, key_id)
    if not old.is_active:
        raise AppError("The key is revoked")
    key = _new_key()
    ctx.db.patch(old.id, key_hash=hash_of(key), prefix=key[:SHOWN], updated_at=ctx.now)
    return NewApiKey(key_id=old.id, key=key, prefix=key[:SHOWN])


@mutation
def revoke_api_key(ctx: MutationCtx, key_id: Id[ApiKey]) -> None:
    """Stop a key from working, for good. It stays listed."""
    ctx.db.patch(_own(ctx, key_id).id, is_active=False, updated_at=ctx.now)


@mutation
def delete_api_key(ctx: MutationCtx, key_id: Id[ApiKey]) -> None:
    """Stop a key from working, and forget it."""
    ctx.db.delete(_own(ctx, key_id).id)


@query
def list_api_keys(ctx: QueryCtx) -> list[ApiKeyInfo]:
    """The signed-in user's keys."""
    user = users.require_user(ctx)
    return [
        ApiKeyInfo(
            key_id=key.id,
            name=key.name,
            prefix=key.prefix,
            scopes=key.scopes,
            rate_limit=key.rate_limit,
            is_active=key.is_active,
            last_used_at=key.last_used_at,
            total_requests=key.total_requests,
            expires_at=key.expires_at,
            created_at=key.created_at,
        )
        for key in ctx.db.query(ApiKey.by_user.eq(user.id))
    ]


def _own(ctx: QueryCtx, key_id: Id[ApiKey]) -> ApiKey:
    user = users.require_user(ctx)
    key = ctx.db.get(key_id)
    if key is None or key.user_id != user.id:
        raise AppError("API key not found")
    return key


def _new_key() -> str:
    return "px_" + "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def hash_of(key: str) -> str:
    """What is kept of a key. It has 190 bits of chance: nothing slower than SHA-256 is needed."""
    return hashlib.sha256(key.encode()).hexdigest()


# ── what only the server calls ────────────────────────────────────────────────────────────────────────────────────────


@internal_query
def validate_api_key(ctx: QueryCtx, key: str) -> Validated | None:
    """Whose key this is; null when it does not work: unknown, revoked or expired."""
    found = _working(ctx, key)
    return None if found is None else Validated(key_id=found.id, user_id=found.user_id, scopes=found.scopes)


@internal_mutation
def use_api_key(ctx: MutationCtx, key: str, scope: Scope) -> KeyUse:
    """A program calls with this key: may it? If so it is counted, against all limits there are."""
    found = _working(ctx, key)
    user = None if found is None else ctx.db.get(found.user_id)
    if found is None or user is None:
        return KeyUse(refused="unknown")
    if not PLAN_LIMITS[user.plan].api_access:
        return KeyUse(refused="plan")
    if scope not in found.scopes:
        return KeyUse(refused="scope")
    of_key = Window(f"key:{found.id}", found.rate_limit, MINUTE)
    wait = rate_limits.take(ctx, user.id, of_key) or rate_limits.take(ctx, user.id, rate_limits.api_requests_of(user))
    if wait is not None:
        return KeyUse(refused="rate", retry_after=wait)
    ctx.db.patch(found.id, last_used_at=ctx.now, total_requests=found.total_requests + 1)
    usage.count(ctx, user.id, api_requests_success=1)
    return KeyUse(user_id=user.id)


@internal_mutation
def note_failure(ctx: MutationCtx, user_id: Id[User]) -> None:
    """The request that was counted as a success came to nothing."""
    usage.count(ctx, user_id, api_requests_success=-1, api_requests_failed=1)


def _working(ctx: QueryCtx, key: str) -> ApiKey | None:
    found = ctx.db.query(ApiKey.by_key_hash.eq(hash_of(key))).unique()
    if found is None or not found.is_active or (found.expires_at is not None and found.expires_at <= ctx.now):
        return None
    return found

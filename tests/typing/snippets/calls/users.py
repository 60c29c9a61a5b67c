"""Helpers and functions about users."""

from models import User

from reactor import UNSET, AppError, MutationCtx, QueryCtx, Unset, mutation, query


def require_user(ctx: QueryCtx) -> User:
    identity = ctx.auth.get_user_identity()
    if identity is None:
        raise AppError("Unauthorized")
    user = ctx.db.query(User.by_clerk_id.eq(identity.subject)).unique()
    if user is None:
        raise AppError({"code": "not_found"})
    return user


@query
def me(ctx: QueryCtx) -> User | None:
    return require_user(ctx)


@mutation
def settings(
    ctx: MutationCtx, first_name: str | Unset | None = UNSET, credits: float | Unset = UNSET
) -> dict[str, bool]:
    ctx.db.patch(require_user(ctx).id, first_name=first_name, credits=credits, updated_at=ctx.now)
    return {"success": True}

"""What Clerk's webhook tells us of people. The route in `http.py` has verified it; here each message counts once."""

from datetime import timedelta
from typing import Any, Literal

from functions import users
from reactor import UNSET, MutationCtx, internal_mutation
from schema import ClerkEvent

EventType = Literal["user.created", "user.updated", "user.deleted"]
KEEP = timedelta(days=30)  # far longer than anybody sends a message again
FORGET_AT_ONCE = 500


@internal_mutation
def handle_event(ctx: MutationCtx, svix_id: str, type: EventType, data: dict[str, Any]) -> bool:
    """Do what a message says. False when this very message was dealt with before, and nothing was done.

    Messages overtake each other: an update may come before the creation, or after the deletion.
    """
    if ctx.db.query(ClerkEvent.by_svix_id.eq(svix_id)).first() is not None:
        return False
    clerk_id = str(data["id"])
    ctx.db.insert(ClerkEvent(svix_id=svix_id, type=type, clerk_id=clerk_id, created_at=ctx.now))
    if type == "user.deleted":
        ctx.run_mutation(users.delete_user, clerk_id=clerk_id)
    elif ctx.db.query(ClerkEvent.by_clerk_id.eq(clerk_id, "user.deleted")).first() is None:
        _create_or_update(ctx, clerk_id, data, update=type == "user.updated")
    return True


def _create_or_update(ctx: MutationCtx, clerk_id: str, data: dict[str, Any], *, update: bool) -> None:
    email = _email(data)
    image = data.get("image_url", data.get("profile_image_url"))
    if update and users.user_of_clerk_id(ctx, clerk_id) is not None:
        ctx.run_mutation(
            users.update_user,
            clerk_id=clerk_id,
            email=email,
            first_name=data.get("first_name", UNSET),
            last_name=data.get("last_name", UNSET),
            username=data.get("username", UNSET),
            profile_image=UNSET if image is None else image,
        )
        return
    ctx.run_mutation(
        users.create_user,
        clerk_id=clerk_id,
        email=email,
        first_name=data.get("first_name"),
        last_name=data.get("last_name"),
        username=data.get("username"),
        profile_image=image,
    )


def _email(data: dict[str, Any]) -> str:
    """The primary address, or the first, or none."""
    addresses: list[dict[str, Any]] = data.get("email_addresses") or []
    primary = [each for each in addresses if each.get("id") == data.get("primary_email_address_id")]
    return str((primary or addresses)[0]["email_address"]) if addresses else ""


@internal_mutation
def forget_events(ctx: MutationCtx) -> int:
    """Messages of long ago are forgotten, but not whom Clerk deleted. How many."""
    forgotten = 0
    types: tuple[EventType, ...] = ("user.created", "user.updated")
    for each in types:
        for event in ctx.db.query(ClerkEvent.by_type.eq(each).lt(ctx.now - KEEP)).take(FORGET_AT_ONCE):
            ctx.db.delete(event.id)
            forgotten += 1
    return forgotten

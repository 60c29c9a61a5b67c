"""Images as people see them: their own, the public gallery, and what they do with them."""

from functions import collections, loose_objects, totals, usage
from functions.object_store import ObjectStore
from functions.users import change_storage, current_user, require_user
from reactor import (
    UNSET,
    ActionCtx,
    AppError,
    Id,
    MutationCtx,
    Page,
    PaginationOpts,
    QueryCtx,
    Unset,
    action,
    internal_mutation,
    internal_query,
    mutation,
    query,
)
from schema import Image, User

MAX_TAGS, MAX_TAG = 20, 50  # how many, and how long


@query
def get_user_images(ctx: QueryCtx, pagination_opts: PaginationOpts) -> Page[Image]:
    """The signed-in user's images, the newest first."""
    user = require_user(ctx)
    return ctx.db.query(Image.by_user_created.eq(user.id)).order("desc").paginate(pagination_opts)


@query
def gallery(ctx: QueryCtx, pagination_opts: PaginationOpts) -> Page[Image]:
    """Everybody's public images, the newest first; no account needed."""
    return ctx.db.query(Image.by_public.eq(True)).order("desc").paginate(pagination_opts)


@query
def search_images(ctx: QueryCtx, text: str, limit: int = 20, is_public: bool | Unset = UNSET) -> list[Image]:
    """The signed-in user's images whose prompt matches, the best first; all, or only those that are public or not."""
    user = require_user(ctx)
    return ctx.db.query(Image.search_prompt(text, user_id=user.id, is_public=is_public)).take(limit)


@mutation
def update_image(
    ctx: MutationCtx,
    image_id: Id[Image],
    tags: list[str] | Unset | None = UNSET,
    is_public: bool | Unset = UNSET,
) -> None:
    """Tag an image, or show it to everybody. Null removes all tags."""
    image = _own_image(ctx, image_id)
    if isinstance(tags, list):
        tags = _checked_tags(tags)
    ctx.db.patch(image.id, tags=tags, is_public=is_public, updated_at=ctx.now)


@mutation
def delete_image(ctx: MutationCtx, image_id: Id[Image]) -> None:
    """Delete an image, take it out of all collections, and free its space."""
    _delete(ctx, _own_image(ctx, image_id))


def _delete(ctx: MutationCtx, image: Image) -> None:
    ctx.db.delete(image.id)
    loose_objects.cut_loose(ctx, image)
    collections.take_out(ctx, image)
    totals.image_removed(ctx, image)
    change_storage(ctx, image.user_id, -image.file_size_bytes)
    usage.count(ctx, image.user_id, images_deleted=1, storage_bytes=-image.file_size_bytes)


@mutation
def record_view(ctx: MutationCtx, image_id: Id[Image]) -> None:
    """Somebody looked at an image."""
    image = _visible_image(ctx, image_id)
    ctx.db.patch(image.id, views=image.views + 1)


@mutation
def record_download(ctx: MutationCtx, image_id: Id[Image]) -> None:
    """Somebody took a copy of an image."""
    image = _visible_image(ctx, image_id)
    ctx.db.patch(image.id, downloads=image.downloads + 1)


@action
async def create_download_url(ctx: ActionCtx, image_id: Id[Image]) -> str:
    """A URL of an image's bytes that works for an hour, for whoever may see the image."""
    image = await ctx.run_query(get_visible_image, image_id=image_id)
    store = ObjectStore.from_env(ctx.env)
    if store is None:
        raise AppError("No picture store is configured on this server")
    return store.signed_url(image.s3_key, ctx.now)


# ── what only the server calls ────────────────────────────────────────────────────────────────────────────────────────


@internal_query
def get_visible_image(ctx: QueryCtx, image_id: Id[Image]) -> Image:
    """The image, if whoever is signed in may see it."""
    return _visible_image(ctx, image_id)


@internal_query
def page_of_user(ctx: QueryCtx, user_id: Id[User], pagination_opts: PaginationOpts) -> Page[Image]:
    """A user's images, the newest first, for their programs."""
    return ctx.db.query(Image.by_user_created.eq(user_id)).order("desc").paginate(pagination_opts)


@internal_query
def get_of_user(ctx: QueryCtx, user_id: Id[User], image_id: str) -> Image | None:
    """A user's image by the text of its id, for their programs."""
    found = ctx.db.normalize_id(Image, image_id)
    image = None if found is None else ctx.db.get(found)
    return image if image is not None and image.user_id == user_id else None


@internal_mutation
def delete_of_user(ctx: MutationCtx, user_id: Id[User], image_id: str) -> bool:
    """Delete a user's image, for their programs; false when they have none of this id."""
    image = ctx.run_query(get_of_user, user_id=user_id, image_id=image_id)
    if image is None:
        return False
    _delete(ctx, image)
    return True


# ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _own_image(ctx: QueryCtx, image_id: Id[Image]) -> Image:
    """The image, if it is the signed-in user's; whether another's exists is not told."""
    user = require_user(ctx)
    image = ctx.db.get(image_id)
    if image is None or image.user_id != user.id:
        raise AppError("Image not found")
    return image


def _visible_image(ctx: QueryCtx, image_id: Id[Image]) -> Image:
    image = ctx.db.get(image_id)
    if image is not None and not image.is_public:
        user = current_user(ctx)
        image = image if user is not None and image.user_id == user.id else None
    if image is None:
        raise AppError("Image not found")
    return image


def _checked_tags(tags: list[str]) -> list[str]:
    """Trimmed, without empty ones and doubles, in their order."""
    trimmed = list(dict.fromkeys(tag for each in tags if (tag := each.strip())))
    if len(trimmed) > MAX_TAGS or any(len(tag) > MAX_TAG for tag in trimmed):
        raise AppError(f"At most {MAX_TAGS} tags of {MAX_TAG} characters")
    return trimmed

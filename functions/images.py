"""Images as people see them: their own, the public gallery, and what they do with them."""

from functions import usage
from functions.users import change_storage, current_user, require_user
from reactor import UNSET, AppError, Id, MutationCtx, Page, PaginationOpts, QueryCtx, Unset, mutation, query
from schema import Collection, Image

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
def search_images(ctx: QueryCtx, text: str, limit: int = 20) -> list[Image]:
    """The signed-in user's images whose prompt matches, the best first."""
    user = require_user(ctx)
    return ctx.db.query(Image.search_prompt(text, user_id=user.id)).take(limit)


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
    """Delete an image, take it out of its owner's collections, and free its space."""
    image = _own_image(ctx, image_id)
    ctx.db.delete(image.id)
    for collection in ctx.db.query(Collection.by_user.eq(image.user_id)):
        if image.id in collection.image_ids or image.id == collection.cover_image_id:
            ctx.db.patch(
                collection.id,
                image_ids=[each for each in collection.image_ids if each != image.id],
                cover_image_id=None if collection.cover_image_id == image.id else UNSET,
                updated_at=ctx.now,
            )
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

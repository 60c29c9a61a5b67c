"""Collections: images put together, in an order. Who may see a collection sees its images, the private ones included.

Its owner and collaborators fill it (`sharing.py` makes people collaborators); only its owner changes it or ends it.
"""

from functions import sharing, users
from functions.constants import (
    MAX_COLLECTION_DESCRIPTION,
    MAX_COLLECTION_IMAGES,
    MAX_COLLECTION_NAME,
    MAX_COLLECTIONS,
)
from reactor import UNSET, AppError, Id, Model, MutationCtx, Page, PaginationOpts, QueryCtx, Unset, mutation, query
from schema import Collaboration, Collection, Image, User


class CollectionView(Model):
    """A collection and its images, in its order."""

    collection: Collection
    images: list[Image]


# ── for other modules ─────────────────────────────────────────────────────────────────────────────────────────────────


def own(ctx: QueryCtx, collection_id: Id[Collection]) -> Collection:
    """The collection, if it is the signed-in user's; whether another's exists is not told."""
    user = users.require_user(ctx)
    collection = ctx.db.get(collection_id)
    if collection is None or collection.user_id != user.id:
        raise AppError("Collection not found")
    return collection


def images_of(ctx: QueryCtx, collection: Collection) -> list[Image]:
    """Its images, in its order."""
    return [image for image in map(ctx.db.get, collection.image_ids) if image is not None]


def keep_images(ctx: MutationCtx, collection: Collection, kept: list[Id[Image]]) -> None:
    """Its images are these from now on; a cover that is not among them any more goes."""
    ctx.db.patch(
        collection.id,
        image_ids=kept,
        cover_image_id=UNSET if collection.cover_image_id in (None, *kept) else None,
        updated_at=ctx.now,
    )


def take_out(ctx: MutationCtx, image: Image) -> None:
    """An image goes: it leaves the collections its owner could put it into."""
    shared = [ctx.db.get(each.collection_id) for each in ctx.db.query(Collaboration.by_user.eq(image.user_id))]
    for collection in (*ctx.db.query(Collection.by_user.eq(image.user_id)), *shared):
        if collection is not None and image.id in collection.image_ids:
            keep_images(ctx, collection, [each for each in collection.image_ids if each != image.id])


# ── what a browser may call ───────────────────────────────────────────────────────────────────────────────────────────


@mutation
def create_collection(
    ctx: MutationCtx, name: str, description: str | None = None, is_public: bool = False
) -> Id[Collection]:
    """Begin a collection, with nothing in it."""
    user = users.require_user(ctx)
    _check_texts(name, description)
    if len(ctx.db.query(Collection.by_user.eq(user.id)).take(MAX_COLLECTIONS)) >= MAX_COLLECTIONS:
        raise AppError(f"At most {MAX_COLLECTIONS} collections")
    return ctx.db.insert(
        Collection(
            user_id=user.id,
            name=name.strip(),
            description=description,
            image_ids=[],
            is_public=is_public,
            created_at=ctx.now,
            updated_at=ctx.now,
        )
    )


@mutation
def update_collection(
    ctx: MutationCtx,
    collection_id: Id[Collection],
    name: str | Unset = UNSET,
    description: str | Unset | None = UNSET,
    is_public: bool | Unset = UNSET,
    cover_image_id: Id[Image] | Unset | None = UNSET,
) -> None:
    """Change what was sent; the cover is one of its images, or null."""
    collection = own(ctx, collection_id)
    _check_texts(
        collection.name if isinstance(name, Unset) else name, None if isinstance(description, Unset) else description
    )
    if not isinstance(cover_image_id, Unset) and cover_image_id not in (None, *collection.image_ids):
        raise AppError("The cover must be an image of the collection")
    ctx.db.patch(
        collection.id,
        name=name if isinstance(name, Unset) else name.strip(),
        description=description,
        is_public=is_public,
        cover_image_id=cover_image_id,
        updated_at=ctx.now,
    )


@mutation
def delete_collection(ctx: MutationCtx, collection_id: Id[Collection]) -> None:
    """End a collection. Its images stay."""
    collection = own(ctx, collection_id)
    sharing.forget_collaborations(ctx, collection.id)
    ctx.db.delete(collection.id)


@mutation
def add_images(ctx: MutationCtx, collection_id: Id[Collection], image_ids: list[Id[Image]]) -> int:
    """Put images of one's own at the end of a collection; those it has already stay where they are. How many are new."""
    user = users.require_user(ctx)
    collection = _editable(ctx, user, collection_id)
    added = [each for each in dict.fromkeys(image_ids) if each not in collection.image_ids]
    if len(collection.image_ids) + len(added) > MAX_COLLECTION_IMAGES:
        raise AppError(f"At most {MAX_COLLECTION_IMAGES} images in a collection")
    for each in added:
        image = ctx.db.get(each)
        if image is None or image.user_id != user.id:
            raise AppError("Image not found")
    keep_images(ctx, collection, [*collection.image_ids, *added])
    return len(added)


@mutation
def remove_images(ctx: MutationCtx, collection_id: Id[Collection], image_ids: list[Id[Image]]) -> int:
    """Take images out of a collection. How many were in it."""
    collection = _editable(ctx, users.require_user(ctx), collection_id)
    gone = frozenset(image_ids)
    kept = [each for each in collection.image_ids if each not in gone]
    keep_images(ctx, collection, kept)
    return len(collection.image_ids) - len(kept)


@mutation
def reorder_images(ctx: MutationCtx, collection_id: Id[Collection], image_ids: list[Id[Image]]) -> None:
    """Put a collection's images in this order. An error when they are others by now: look again, and order those."""
    collection = _editable(ctx, users.require_user(ctx), collection_id)
    if sorted(image_ids) != sorted(collection.image_ids):
        raise AppError("The collection has other images by now")
    keep_images(ctx, collection, image_ids)


@query
def list_collections(ctx: QueryCtx, pagination_opts: PaginationOpts) -> Page[Collection]:
    """The signed-in user's collections, the last changed first."""
    user = users.require_user(ctx)
    return ctx.db.query(Collection.by_user_updated.eq(user.id)).order("desc").paginate(pagination_opts)


@query
def get_collection(ctx: QueryCtx, collection_id: Id[Collection]) -> CollectionView | None:
    """A collection of the signed-in user, or one they collaborate on; null when there is none they may see."""
    user = users.require_user(ctx)
    collection = ctx.db.get(collection_id)
    if collection is None or not may_edit(collection, user):
        return None
    return CollectionView(collection=collection, images=images_of(ctx, collection))


# ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def may_edit(collection: Collection, user: User) -> bool:
    """Whether the user fills the collection: it is theirs, or they are a collaborator."""
    return user.id == collection.user_id or user.id in (collection.collaborator_ids or [])


def _editable(ctx: QueryCtx, user: User, collection_id: Id[Collection]) -> Collection:
    collection = ctx.db.get(collection_id)
    if collection is None or not may_edit(collection, user):
        raise AppError("Collection not found")
    return collection


def _check_texts(name: str, description: str | None) -> None:
    if not 1 <= len(name.strip()) <= MAX_COLLECTION_NAME:
        raise AppError(f"The name must have 1 to {MAX_COLLECTION_NAME} characters")
    if description is not None and len(description) > MAX_COLLECTION_DESCRIPTION:
        raise AppError(f"The description must have at most {MAX_COLLECTION_DESCRIPTION} characters")

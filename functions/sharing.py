"""Who else a collection is for: everybody with its link, everybody at all, or the people its owner works with.

Who looks is shown what a visitor needs of a collection and its images, and nothing of whose else they are.
"""

import secrets

from functions import collections, users
from functions.constants import MAX_COLLABORATORS, PLAN_LIMITS
from reactor import AppError, Id, Model, MutationCtx, Page, PaginationOpts, QueryCtx, mutation, query
from schema import Collaboration, Collection, Image, User

TOKEN_BYTES = 24  # of chance: nobody guesses a link


class SharedImage(Model):
    """An image as a visitor sees it."""

    image_id: Id[Image]
    prompt: str
    url: str
    thumbnail_url: str | None = None
    blur_data_url: str | None = None
    width: int
    height: int


class SharedCollection(Model):
    """A collection as a visitor sees it."""

    collection_id: Id[Collection]
    name: str
    description: str | None = None
    images: list[SharedImage]


class CollectionCard(Model):
    """A collection in a list of them."""

    collection_id: Id[Collection]
    name: str
    description: str | None = None
    cover_image_id: Id[Image] | None = None
    image_count: int


class Collaborator(Model):
    """Somebody who fills a collection."""

    user_id: Id[User]
    email: str
    username: str | None = None


# ── for other modules ─────────────────────────────────────────────────────────────────────────────────────────────────


def leave(ctx: MutationCtx, collaboration: Collaboration) -> None:
    """A collaborator goes, and their images leave the collection with them. The row is the caller's to delete."""
    collection = ctx.db.get(collaboration.collection_id)
    if collection is None:
        return
    theirs = {image.id for image in collections.images_of(ctx, collection) if image.user_id == collaboration.user_id}
    others = [each for each in collection.collaborator_ids or [] if each != collaboration.user_id]
    ctx.db.patch(collection.id, collaborator_ids=others or None)
    collections.keep_images(ctx, collection, [each for each in collection.image_ids if each not in theirs])


def forget_collaborations(ctx: MutationCtx, collection_id: Id[Collection]) -> None:
    """The collection goes, and so does the word of who fills it."""
    for each in ctx.db.query(Collaboration.by_collection.eq(collection_id)):
        ctx.db.delete(each.id)


# ── by a link ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@mutation
def share_collection(ctx: MutationCtx, collection_id: Id[Collection]) -> str:
    """The token of a collection's link; the same one until it is unshared."""
    collection = collections.own(ctx, collection_id)
    token = collection.share_token or secrets.token_urlsafe(TOKEN_BYTES)
    ctx.db.patch(collection.id, share_token=token)
    return token


@mutation
def unshare_collection(ctx: MutationCtx, collection_id: Id[Collection]) -> None:
    """Let the link lead nowhere, for good: shared again, it is another."""
    ctx.db.patch(collections.own(ctx, collection_id).id, share_token=None)


@query
def get_shared_collection(ctx: QueryCtx, share_token: str) -> SharedCollection | None:
    """The collection behind a link; no account needed. Null when the link leads nowhere, also from now on."""
    return _visit(ctx, ctx.db.query(Collection.by_share_token.eq(share_token)).unique())


# ── to everybody ──────────────────────────────────────────────────────────────────────────────────────────────────────


@query
def get_public_collection(ctx: QueryCtx, collection_id: Id[Collection]) -> SharedCollection | None:
    """A public collection; no account needed. Null when there is none."""
    collection = ctx.db.get(collection_id)
    return _visit(ctx, collection if collection is not None and collection.is_public else None)


@query
def list_public_collections(ctx: QueryCtx, pagination_opts: PaginationOpts) -> Page[CollectionCard]:
    """Everybody's public collections, the last changed first; no account needed."""
    return ctx.db.query(Collection.by_public.eq(True)).order("desc").paginate(pagination_opts).map(_card)


# ── with collaborators ────────────────────────────────────────────────────────────────────────────────────────────────


@mutation
def invite_collaborator(ctx: MutationCtx, collection_id: Id[Collection], email: str) -> Id[User]:
    """Let the user with this address fill a collection, too. Doing it again changes nothing."""
    collection = collections.own(ctx, collection_id)
    if not PLAN_LIMITS[users.existing_user(ctx, collection.user_id).plan].collaboration:
        raise AppError("Collaboration is not part of your plan")
    user = ctx.db.query(User.by_email.eq(email.strip())).first()
    if user is None:
        raise AppError("Nobody here has this address")
    there = collection.collaborator_ids or []
    if user.id == collection.user_id or user.id in there:
        return user.id
    if len(there) >= MAX_COLLABORATORS:
        raise AppError(f"At most {MAX_COLLABORATORS} collaborators")
    ctx.db.patch(collection.id, collaborator_ids=[*there, user.id], updated_at=ctx.now)
    ctx.db.insert(Collaboration(user_id=user.id, collection_id=collection.id, created_at=ctx.now))
    return user.id


@mutation
def remove_collaborator(ctx: MutationCtx, collection_id: Id[Collection], user_id: Id[User]) -> None:
    """Let a collaborator go: the owner may, and everybody may go by themselves."""
    if users.require_user(ctx).id != user_id:
        collections.own(ctx, collection_id)
    collaboration = ctx.db.query(Collaboration.by_collection.eq(collection_id, user_id)).unique()
    if collaboration is None:
        raise AppError("Collection not found")
    leave(ctx, collaboration)
    ctx.db.delete(collaboration.id)


@query
def list_collaborators(ctx: QueryCtx, collection_id: Id[Collection]) -> list[Collaborator]:
    """Who fills one's collection."""
    ids = collections.own(ctx, collection_id).collaborator_ids or []
    return [
        Collaborator(user_id=user.id, email=user.email, username=user.username)
        for user in map(ctx.db.get, ids)
        if user is not None
    ]


@query
def list_joined_collections(ctx: QueryCtx) -> list[CollectionCard]:
    """Collections of others that the signed-in user fills."""
    user = users.require_user(ctx)
    joined = (ctx.db.get(each.collection_id) for each in ctx.db.query(Collaboration.by_user.eq(user.id)))
    return [_card(collection) for collection in joined if collection is not None]


# ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _visit(ctx: QueryCtx, collection: Collection | None) -> SharedCollection | None:
    if collection is None:
        return None
    return SharedCollection(
        collection_id=collection.id,
        name=collection.name,
        description=collection.description,
        images=[
            SharedImage(
                image_id=image.id,
                prompt=image.prompt,
                url=image.cloud_front_url,
                thumbnail_url=image.thumbnail_url,
                blur_data_url=image.blur_data_url,
                width=image.width,
                height=image.height,
            )
            for image in collections.images_of(ctx, collection)
        ],
    )


def _card(collection: Collection) -> CollectionCard:
    return CollectionCard(
        collection_id=collection.id,
        name=collection.name,
        description=collection.description,
        cover_image_id=collection.cover_image_id,
        image_count=len(collection.image_ids),
    )

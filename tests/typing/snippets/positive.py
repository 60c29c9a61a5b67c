"""What must type-check, with the types that come out."""

import os
from datetime import datetime
from typing import Any, assert_type

from calls import job_actions, jobs, users
from models import Image, Job, Timestamped, User

from reactor import (
    ActionCtx,
    AuthConfig,
    CustomJwt,
    Id,
    IndexRange,
    Int64,
    MutationCtx,
    Oidc,
    Page,
    PaginationOpts,
    QueryCtx,
    ScheduledFunction,
    Scored,
    StoredFile,
    SyncActionCtx,
    VectorMatch,
    any_of,
)


def reading(ctx: MutationCtx, user_id: Id[User], image_id: Id[Image]) -> None:
    assert_type(ctx.db.get(user_id), User | None)
    assert_type(ctx.db.query(Image).first(), Image | None)
    assert_type(ctx.db.query(Image.by_user_created.eq(user_id)).order("desc").take(20), list[Image])
    assert_type(ctx.db.query(Image.by_user_created.eq(user_id).gt(ctx.now).lte(ctx.now)).collect(), list[Image])
    assert_type(ctx.db.query(Image.by_id.eq(image_id)).unique(), Image | None)
    assert_type(
        ctx.db.query(Image.search_prompt("x", is_public=True)).filter(lambda d: d.is_public).take(3), list[Image]
    )
    assert_type(ctx.db.query("notes").collect(), list[dict[str, Any]])
    assert_type(ctx.db.query(ScheduledFunction).first(), ScheduledFunction | None)
    assert_type(ctx.db.normalize_id(User, "x"), Id[User] | None)
    for image in ctx.db.query(Image.by_creation_time.gt(5.0)).filter(lambda d: d.is_public):
        assert_type(image, Image)
    user = ctx.db.get(user_id)
    assert user is not None
    assert_type(user.id, Id[User])
    assert_type(user.creation_time, float)
    assert_type(user.avatar_id, Id[Image] | None)
    assert_type(user.created_at, datetime)


def writing(ctx: MutationCtx, user: User, image_id: Id[Image]) -> None:
    assert_type(ctx.db.insert(user), Id[User])
    assert_type(ctx.db.insert("notes", {"a": 1}), Id[Any])
    ctx.db.patch(user.id, credits=3)
    ctx.db.replace(user.id, user.model_copy(update={"credits": 3}))
    ctx.db.delete(image_id)
    ctx.db.insert(Image(user_id=user.id, prompt="", is_public=True, theirs="t", created_at=ctx.now, updated_at=ctx.now))


def calling(ctx: MutationCtx, job_id: Id[Job]) -> None:
    assert_type(ctx.run_query(jobs.gallery, pagination_opts=PaginationOpts(num_items=1, cursor=None)), Page[Image])
    assert_type(ctx.run_query(jobs.get, job_id), Job | None)
    assert_type(ctx.run_mutation(jobs.start, width=3), jobs.Started)
    assert_type(ctx.scheduler.run_after(0, job_actions.process, job_id=job_id), Id[ScheduledFunction])
    assert_type(ctx.scheduler.run_at(ctx.now, job_actions.blocking, job_id=job_id), Id[ScheduledFunction])
    assert_type(jobs.get(ctx, job_id), Job | None)
    assert_type(users.me(ctx), User | None)


async def acting(ctx: ActionCtx, sync: SyncActionCtx, job_id: Id[Job]) -> None:
    assert_type(await ctx.run_query(jobs.get, job_id=job_id), Job | None)
    assert_type(await ctx.run_action(job_actions.blocking, job_id=job_id), str | None)
    assert_type(await ctx.run_action(job_actions.start_and_wait, width=3), float)
    assert_type(await job_actions.start_and_wait(ctx, 3), float)
    assert_type(sync.run_action(job_actions.start_and_wait, width=3), float)
    assert_type(job_actions.blocking(sync, job_id), str | None)


async def filing(ctx: MutationCtx, act: ActionCtx, sync: SyncActionCtx, file: Id[StoredFile]) -> None:
    assert_type(ctx.storage.get_url(file), str | None)
    assert_type(ctx.storage.generate_upload_url(), str)
    assert_type(ctx.storage.store(b"x", content_type="text/plain", sha256="…"), Id[StoredFile])
    assert_type(ctx.storage.get(file), bytes | None)
    assert_type(ctx.db.get(file), StoredFile | None)
    assert_type(ctx.db.query(StoredFile).collect(), list[StoredFile])
    assert_type(await act.storage.store(memoryview(b"x")), Id[StoredFile])
    assert_type(await act.storage.get(file), bytes | None)
    await act.storage.delete(file)
    ctx.storage.delete(file)
    sync.storage.delete(file)


def filing_from_disk(ctx: SyncActionCtx) -> None:
    with open("picture.png", "rb") as picture:
        assert_type(ctx.storage.store(picture), Id[StoredFile])


def near(ctx: MutationCtx, vector: list[float], user_id: Id[User]) -> None:
    mine_or_shown = Image.by_embedding.nearest(vector, user_id=user_id).or_(is_public=True)
    assert_type(ctx.db.query(Image.by_embedding.nearest(vector)).take(10), list[Image])
    assert_type(ctx.db.query(mine_or_shown).first(), Image | None)
    assert_type(ctx.db.query(mine_or_shown).with_scores().take(5), list[Scored[Image]])
    assert_type(ctx.db.query(mine_or_shown).with_scores().take(5)[0].document.prompt, str)


async def searching(ctx: ActionCtx, sync: SyncActionCtx, vector: list[float]) -> Id[Image]:
    found = await ctx.vector_search(Image.by_embedding.nearest(vector, user_id=any_of("u1", "u2")), limit=5)
    assert_type(found, list[VectorMatch[Image]])
    assert_type(sync.vector_search(Image.by_embedding.nearest(vector))[0].score, float)
    return found[0].id


def mine(ctx: QueryCtx) -> IndexRange[Image]:
    return Image.by_user_created.eq(users.require_user(ctx).id)


def touched(document: Timestamped) -> datetime:
    return document.updated_at


def kept(document: User, big: Int64) -> int:
    touched(document)
    return big + 1


auth = AuthConfig(
    providers=[
        Oidc(domain=os.environ["DOMAIN"], application_id="convex"),
        CustomJwt(issuer="https://accounts.example", jwks="https://accounts.example/keys", algorithm="ES256"),
    ]
)
one_kind = AuthConfig(providers=[Oidc(domain=os.environ["DOMAIN"], application_id=name) for name in ("web", "mobile")])

"""A small application, tested as its developer would: on the real engine, in the process of the tests."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from reactor.auth.identity import Identity
from reactor.errors import AppError, ArgumentValidationError
from reactor.testing import ManualClock, TestBackend
from tests.support import Project

SCHEMA = """
    from datetime import datetime
    from typing import Annotated, Literal
    from pydantic import Field
    from reactor import Id, Index, Table

    class Timestamped(Table):
        created_at: datetime
        updated_at: datetime

    class User(Timestamped, name="users"):
        clerk_id: str
        credits: float = 10
        by_clerk_id = Index("clerk_id")

    class Image(Timestamped, name="images"):
        user_id: Id[User]
        prompt: Annotated[str, Field(max_length=20)]
        is_public: bool = False
        by_user_created = Index("user_id", "created_at")
        by_public = Index("is_public", "created_at")

    class Usage(Timestamped, name="usage"):
        user_id: Id[User]
        count: int = 0
        by_user = Index("user_id")
"""
USERS = """
    from reactor import AppError, Id, MutationCtx, QueryCtx, mutation, query
    from schema import User

    def require_user(ctx: QueryCtx) -> User:
        user = current_user(ctx)
        if user is None:
            raise AppError({"code": "signed_out"})
        return user

    @query
    def current_user(ctx: QueryCtx) -> User | None:
        identity = ctx.auth.get_user_identity()
        return identity and ctx.db.query(User.by_clerk_id.eq(identity.subject)).unique()

    @mutation
    def sign_up(ctx: MutationCtx) -> Id[User]:
        identity = ctx.auth.get_user_identity()
        if identity is None:
            raise AppError({"code": "signed_out"})
        known = current_user(ctx)
        if known is not None:
            return known.id
        return ctx.db.insert(User(clerk_id=identity.subject, created_at=ctx.now, updated_at=ctx.now))
"""
IMAGES = """
    from functions import image_actions
    from functions.users import require_user
    from reactor import (
        UNSET, AppError, Id, MutationCtx, Page, PaginationOpts, QueryCtx, Unset, internal_mutation, mutation, query,
    )
    from schema import Image, Usage, User

    COST = 4

    @query
    def latest(ctx: QueryCtx, user_id: Id[User], limit: int = 20) -> list[Image]:
        return ctx.db.query(Image.by_user_created.eq(user_id)).order("desc").take(limit)

    @query
    def gallery(ctx: QueryCtx, pagination_opts: PaginationOpts) -> Page[Image]:
        return ctx.db.query(Image.by_public.eq(True)).order("desc").paginate(pagination_opts)

    @mutation
    def order(ctx: MutationCtx, prompt: str) -> float:
        user = require_user(ctx)
        if user.credits < COST:
            raise AppError({"code": "credits", "have": user.credits})
        ctx.db.patch(user.id, credits=user.credits - COST, updated_at=ctx.now)
        ctx.scheduler.run_after(5, image_actions.paint, user_id=user.id, prompt=prompt)
        return user.credits - COST

    @internal_mutation
    def finish(ctx: MutationCtx, user_id: Id[User], prompt: str) -> Id[Image]:
        usage = ctx.db.query(Usage.by_user.eq(user_id)).unique()
        if usage is None:
            ctx.db.insert(Usage(user_id=user_id, count=1, created_at=ctx.now, updated_at=ctx.now))
        else:
            ctx.db.patch(usage.id, count=usage.count + 1)
        return ctx.db.insert(Image(user_id=user_id, prompt=prompt, created_at=ctx.now, updated_at=ctx.now))

    @internal_mutation
    def refund(ctx: MutationCtx, user_id: Id[User]) -> None:
        user = ctx.db.get(user_id)
        ctx.db.patch(user_id, credits=user.credits + COST)

    @mutation
    def update(ctx: MutationCtx, image_id: Id[Image], prompt: str | Unset = UNSET, is_public: bool | Unset = UNSET) -> None:
        image = ctx.db.get(image_id)
        if image is None or image.user_id != require_user(ctx).id:
            raise AppError({"code": "not_found"})
        ctx.db.patch(image.id, prompt=prompt, is_public=is_public, updated_at=ctx.now)
"""
IMAGE_ACTIONS = """
    from functions import images
    from reactor import ActionCtx, Id, internal_action
    from schema import User

    @internal_action
    async def paint(ctx: ActionCtx, user_id: Id[User], prompt: str) -> None:
        try:
            await ctx.run_mutation(images.finish, user_id=user_id, prompt=prompt)
        except Exception as error:
            print(error)
            await ctx.run_mutation(images.refund, user_id=user_id)
"""
ADA = Identity.from_attributes({"issuer": "https://clerk", "subject": "ada"})
BOB = Identity.from_attributes({"issuer": "https://clerk", "subject": "bob"})


@pytest.fixture
def project(tmp_path: Path) -> Project:
    functions = {"users": USERS, "images": IMAGES, "image_actions": IMAGE_ACTIONS}
    return Project(tmp_path / "app", schema=SCHEMA, functions=functions)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def backend(project: Project, clock: ManualClock) -> Iterator[TestBackend]:
    with TestBackend(project.root, clock=clock) as backend:
        yield backend


def paint(backend: TestBackend, clock: ManualClock, prompt: str) -> None:
    backend.mutation("images:order", {"prompt": prompt}, identity=ADA)
    clock.advance(dt.timedelta(seconds=5))
    backend.run_due()


def test_an_order_is_paid_painted_and_shown(backend: TestBackend, clock: ManualClock) -> None:
    ada = backend.mutation("users:signUp", identity=ADA)
    assert backend.mutation("users:sign_up", identity=ADA) == ada
    assert backend.mutation("images:order", {"prompt": "a cat"}, identity=ADA) == 6
    assert backend.query("images:latest", {"userId": ada}) == []
    assert backend.run_due() == 0
    clock.advance(dt.timedelta(seconds=5))
    assert backend.run_due() == 1
    (image,) = backend.query("images:latest", {"userId": ada})
    assert (image["prompt"], image["userId"], image["isPublic"]) == ("a cat", ada, False)
    assert image["createdAt"] == clock.now_ns() / 1e6
    assert backend.query("users:currentUser", identity=ADA)["credits"] == 6


def test_credits_run_out_and_a_failed_order_costs_nothing(backend: TestBackend, clock: ManualClock) -> None:
    backend.mutation("users:signUp", identity=ADA)
    paint(backend, clock, "far too long a prompt to be stored")
    assert "validation error for Image" in backend.log_lines[-1]
    assert backend.query("users:currentUser", identity=ADA)["credits"] == 10
    paint(backend, clock, "one")
    paint(backend, clock, "two")
    with pytest.raises(AppError) as caught:
        backend.mutation("images:order", {"prompt": "three"}, identity=ADA)
    assert caught.value.data == {"code": "credits", "have": 2}


def test_only_the_owner_changes_an_image_and_only_what_was_sent(backend: TestBackend, clock: ManualClock) -> None:
    ada = backend.mutation("users:signUp", identity=ADA)
    backend.mutation("users:signUp", identity=BOB)
    paint(backend, clock, "a cat")
    (image,) = backend.query("images:latest", {"userId": ada})
    for identity, code in ((BOB, "not_found"), (None, "signed_out")):
        with pytest.raises(AppError) as caught:
            backend.mutation("images:update", {"imageId": image["_id"], "isPublic": True}, identity=identity)
        assert caught.value.data == {"code": code}
    backend.mutation("images:update", {"imageId": image["_id"], "isPublic": True}, identity=ADA)
    (shown,) = backend.query("images:gallery", {"paginationOpts": {"numItems": 5, "cursor": None}})["page"]
    assert (shown["prompt"], shown["isPublic"]) == ("a cat", True)


def test_arguments_are_checked_by_their_annotations(backend: TestBackend) -> None:
    with pytest.raises(ArgumentValidationError, match="missing the required field `prompt`"):
        backend.mutation("images:order", {}, identity=ADA)
    with pytest.raises(ArgumentValidationError, match=r"Path: \.userId"):
        backend.query("images:latest", {"userId": "nonsense"})


def test_data_outlive_the_backend_and_meet_new_code(project: Project, tmp_path: Path, clock: ManualClock) -> None:
    with TestBackend(project.root, data=tmp_path / "data", clock=clock) as backend:
        ada = backend.mutation("users:signUp", identity=ADA)
        paint(backend, clock, "a cat")
    project.write_function("images", IMAGES.replace("limit: int = 20", "limit: int = 0"))
    with TestBackend(project.root, data=tmp_path / "data", clock=clock) as backend:
        assert backend.query("images:latest", {"userId": ada}) == []
        assert len(backend.query("images:latest", {"userId": ada, "limit": 5})) == 1


def test_a_function_is_also_just_a_function(backend: TestBackend) -> None:
    latest = backend.bundle.modules["images"].latest

    class Query:
        def order(self, _direction: str) -> Query:
            return self

        def take(self, count: int) -> list[int]:
            return [count]

    class Database:
        def query(self, _source: object) -> Query:
            return Query()

    class Context:
        db = Database()

    assert latest(Context(), "a user", 3) == [3]

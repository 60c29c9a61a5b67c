"""A schema, as a user writes it."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from reactor import Id, Index, SearchIndex, Table, VectorIndex


class Timestamped(Table):
    created_at: datetime
    updated_at: datetime


class User(Timestamped, name="users"):
    clerk_id: str
    email: str
    first_name: str | None = None
    plan: Literal["free", "pro", "enterprise"] = "free"
    credits: float = 10
    avatar_id: Id["Image"] | None = None
    by_clerk_id = Index("clerk_id")


class Job(Timestamped, name="jobs"):
    user_id: Id[User]
    status: Literal["pending", "completed"]
    width: int


class Image(Timestamped, name="images"):
    user_id: Id[User]
    prompt: Annotated[str, Field(max_length=2000)]
    is_public: bool
    embedding: list[float] | None = None
    theirs: Annotated[str, Field(alias="theirName")] = "w"
    by_user_created = Index("user_id", "created_at")
    by_public = Index("is_public", "created_at")
    search_prompt = SearchIndex("prompt", filters=("user_id", "is_public"))
    by_embedding = VectorIndex("embedding", dimensions=1536, filters=("user_id", "is_public"))

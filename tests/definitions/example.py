"""A schema that the tests of this room share."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from reactor import Id, Index, Int64, SearchIndex, Table
from reactor.values.value import encode

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
MS = 1767323045678.901
ID = "j57000820c20a1g7104gm2rc1m70ynr8"


class Timestamped(Table):
    created_at: datetime
    updated_at: datetime


class User(Timestamped, name="users"):
    clerk_id: str
    email: str
    first_name: str | None = None
    plan: Literal["free", "pro"] = "free"
    credits: float = 10
    avatar_id: Id[Image] | None = None
    by_clerk_id = Index("clerk_id")


class Size(BaseModel):
    pixel_width: int
    pixel_height: int


class Image(Timestamped, name="images"):
    user_id: Id[User]
    prompt: Annotated[str, Field(max_length=20)]
    is_public: bool
    tags: list[str] | None = None
    size: Size | None = None
    theirs: Annotated[str, Field(alias="theirName")] = "w"
    by_user_created = Index("user_id", "created_at")
    by_public = Index("is_public", "created_at")
    by_width = Index("size.pixel_width")
    by_first_tag = Index("tags")
    search_prompt = SearchIndex("prompt", filters=("user_id", "is_public"))


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Mixed(Table, name="mixed"):
    """One of each."""

    big: Int64
    data: bytes
    colour: Colour
    anything: Any = None
    nullable: str | None
    note: str | None = None
    count: int = 0
    by_note = Index("note")
    by_nullable = Index("nullable")
    by_count = Index("count")


def user(**changes: Any) -> User:
    given: dict[str, Any] = {"clerk_id": "c", "email": "e", "created_at": NOW, "updated_at": NOW}
    return User(**given | changes)


def image(**changes: Any) -> Image:
    given: dict[str, Any] = {
        "user_id": Id[User](ID),
        "prompt": "p",
        "is_public": True,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Image(**given | changes)


def stored(document: Table, id: str = ID, creation_time: float = 12.5, **wire: Any) -> bytes:
    """The wire JSON under which a document would be stored."""
    return encode(
        {**type(document).__definition__.to_value(document), **wire, "_id": id, "_creationTime": creation_time}
    )


def read(document: Table, id: str = ID, creation_time: float = 12.5) -> Any:
    """The document, as read from the database."""
    return type(document).__definition__.load(stored(document, id, creation_time))

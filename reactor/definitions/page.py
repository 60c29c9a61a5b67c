"""Page: one page of a paginated query, in the form that clients' `usePaginatedQuery` reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

Item = TypeVar("Item")
Other = TypeVar("Other")


@dataclass(frozen=True)
class PaginationOpts:
    """Which page is wanted. Take it as an argument and hand it to `.paginate()`."""

    num_items: int
    cursor: str | None
    end_cursor: str | None = None
    id: int | None = None  # tells two hooks of one client apart; means nothing here
    maximum_rows_read: int | None = None
    maximum_bytes_read: int | None = None


@dataclass(frozen=True)
class Page(Generic[Item]):
    """A stretch of a query's documents, and where the next one begins."""

    page: list[Item]
    is_done: bool
    continue_cursor: str
    split_cursor: str | None = None
    page_status: Literal["SplitRecommended", "SplitRequired"] | None = None

    def map(self, convert: Callable[[Item], Other], /) -> Page[Other]:
        """The same page of what `convert` makes of each item."""
        return Page(
            [convert(item) for item in self.page],
            self.is_done,
            self.continue_cursor,
            self.split_cursor,
            self.page_status,
        )

"""Projects of a few lines, and a TestBackend over each: for tests of what functions see and do."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reactor.limits import DEFAULT_LIMITS, Limits
from reactor.testing import ManualClock, TestBackend
from tests.support import Project

PRELUDE = """
    from __future__ import annotations
    import time
    from datetime import timedelta
    from typing import Any, Literal
    from reactor import (
        UNSET, ActionCtx, AppError, Id, MutationCtx, Page, PaginationOpts, QueryCtx, ScheduledFunction, SyncActionCtx,
        Unset, action, internal_action, internal_mutation, internal_query, mutation, query,
    )
    from schema import *
"""
NOTES = """
    from reactor import Id, Index, SearchIndex, Table

    class User(Table, name="users"):
        name: str

    class Note(Table, name="notes"):
        text: str
        rank: int = 0
        author: Id[User] | None = None
        by_rank = Index("rank")
        by_author_rank = Index("author", "rank")
        search_text = SearchIndex("text")
"""


@contextmanager
def backend(
    folder: Path,
    functions: str,
    *,
    schema: str = NOTES,
    clock: ManualClock | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[TestBackend]:
    """A backend whose module `m` has these functions."""
    text = textwrap.dedent(PRELUDE) + textwrap.dedent(functions)
    project = Project(folder / "project", schema=schema, functions={"m": text})
    with TestBackend(project.root, clock=clock, limits=limits) as running:
        yield running


def failure_text(running: TestBackend, path: str, args: dict[str, Any] | None = None, kind: Any = "mutation") -> str:
    """The error text of a call that has to fail, without its frames."""
    outcome = running.outcome(kind, path, args)
    assert outcome.failure is not None, f"{path} came to {outcome.value!r}"
    return outcome.failure.text.partition("\n    at ")[0].rstrip("\n")

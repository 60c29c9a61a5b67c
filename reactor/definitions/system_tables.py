"""The tables that the system fills: readable like any other, written by nobody but the system.

Their wire names are spelt out, because they do not depend on a project's rule for names.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from reactor.definitions.index import Index
from reactor.definitions.model import Model
from reactor.definitions.table import Table


class ScheduledState(Model):
    """What became of a scheduled function."""

    kind: Literal["pending", "inProgress", "success", "failed", "canceled"]
    error: str | None = None


class ScheduledFunction(Table, name="_scheduled_functions"):
    """A call that was scheduled; kept for a week after it ended."""

    name: str  # "dir/module.js:function": the official form
    args: list[Any]
    scheduled_time: Annotated[datetime, Field(alias="scheduledTime")]
    completed_time: Annotated[datetime | None, Field(alias="completedTime")] = None
    state: ScheduledState

    by_state_due = Index("state.kind", "scheduled_time")
    by_completed = Index("completed_time")


class StoredFile(Table, name="_storage"):
    """An uploaded file."""

    sha256: str  # base64
    size: float
    content_type: Annotated[str | None, Field(alias="contentType")] = None

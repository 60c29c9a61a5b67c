"""Pixorly on a real database, spoken to as its browsers, webhooks and actions do."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import itertools
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reactor.auth.identity import Identity
from reactor.errors import AppError
from reactor.execution.frames import Kind, Outcome
from reactor.execution.outcome import error_of
from reactor.limits import Limits
from reactor.testing import ManualClock, TestBackend
from reactor.values.value import decode
from tests.pixorly.fakes import BUCKET

ROOT = Path(__file__).resolve().parents[2]
START = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


class Pixorly:
    """`internal` calls as the server itself; a `Browser` as somebody, or as nobody."""

    def __init__(self, data: Path) -> None:
        self.clock = ManualClock(START)
        self.data = data
        self._numbers = itertools.count(1)
        self.backend = TestBackend(ROOT, data=data, clock=self.clock)
        self.backend.run_due()  # the crons have been at it once, and come again when the clock is turned

    def close(self) -> None:
        self.backend.close()

    @contextlib.contextmanager
    def limited(self, limits: Limits) -> Iterator[None]:
        """Functions have to do with these for the length of a `with` block."""
        self.backend.close()
        self.backend = TestBackend(ROOT, data=self.data, clock=self.clock, limits=limits)
        yield
        self.backend.close()
        self.backend = TestBackend(ROOT, data=self.data, clock=self.clock)

    @property
    def clock_now(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self.clock.now_ns() / 1e9, dt.UTC)

    def internal(self, kind: Kind, path: str, **args: Any) -> Any:
        return _value(self.backend.outcome(kind, path, args, internal=True))

    def query(self, path: str, **args: Any) -> Any:
        return self.internal("query", path, **args)

    def mutation(self, path: str, **args: Any) -> Any:
        return self.internal("mutation", path, **args)

    def action(self, path: str, **args: Any) -> Any:
        backend = self.backend
        return _value(asyncio.run(backend._act(backend._call("action", path, args, None, internal=True))))

    def lose_the_due(self) -> None:
        """What is due begins, and the server dies in it; the next one writes down that it was interrupted."""
        while (job := self.backend._next_job()) is not None and job["scheduledTime"] <= self.clock.now_ns() / 1e6:
            self.backend._system("mutation", "scheduler:claim", {"id": job["_id"]})
        assert self.backend._system("mutation", "scheduler:sweep", {}) > 0

    def sign_up(self, name: str, *, credits: float | None = None) -> Browser:
        """A user Clerk told us of, and their browser; with the free plan's credits unless said otherwise."""
        user_id = self.mutation("users:createUser", clerkId=name, email=f"{name}@example.com")
        browser = Browser(self, name, user_id)
        if credits is not None:
            self.mutation("users:adjustCredits", userId=user_id, amount=credits - browser.user["credits"])
        return browser

    def browser(self, name: str | None) -> Browser:
        """Somebody's browser, whether we know them or not; None is nobody's."""
        return Browser(self, name, "")

    def begin(self, job_id: str) -> None:
        """The job is taken up, so that the scheduled action leaves it alone."""
        assert self.mutation("generations:updateJobStatus", jobId=job_id, status="processing") is True

    def add_image(self, job_id: str, *, size: int = 1000) -> str:
        key = f"images/{job_id}-{next(self._numbers)}.png"
        attempt = self.query("generations:getGenerationJobInternal", id=job_id)["retryCount"]
        upload = {"s3Key": key, "s3Bucket": BUCKET, "fileSizeBytes": size}
        if not self.mutation("attempts:announceUpload", jobId=job_id, attempt=attempt, **upload):
            raise AppError("The job is settled")
        image: str = self.mutation(
            "generations:createImage",
            jobId=job_id,
            **upload,
            cloudFrontUrl=f"https://cdn.example.com/{key}",
            mimeType="image/png",
        )
        return image

    def count(self, table: str) -> int:
        """How many rows a table has."""
        (file,) = self.data.glob("*.sqlite")
        with contextlib.closing(sqlite3.connect(file)) as connection:
            return int(connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0])

    def documents(self, table: str, user_id: str) -> list[dict[str, Any]]:
        """A user's rows of a table, read from the file itself, as any SQLite tool would; absent fields are left out."""
        (file,) = self.data.glob("*.sqlite")
        with contextlib.closing(sqlite3.connect(file)) as connection:
            connection.row_factory = sqlite3.Row
            rows = connection.execute(f'SELECT * FROM "{table}" WHERE userId = ?', (user_id,)).fetchall()
        return [{key: _read(row[key]) for key in row.keys() if row[key] is not None} for row in rows]  # noqa: SIM118

    def rows(self, table: str, user_id: str) -> int:
        """How many there are."""
        return len(self.documents(table, user_id))

    def usage_today(self, user_id: str) -> dict[str, Any]:
        """The user's counters; there is one row while the clock stays on one day."""
        (usage,) = self.documents("usage", user_id)
        return usage


class Browser:
    """Somebody's browser; `name` is who is signed in."""

    def __init__(self, pixorly: Pixorly, name: str | None, user_id: str) -> None:
        self.pixorly = pixorly
        self.user_id = user_id
        attributes = {"issuer": "https://clerk.example.com", "subject": name}
        self.identity = None if name is None else Identity.from_attributes(attributes)

    def query(self, path: str, **args: Any) -> Any:
        return self.pixorly.backend.query(path, args, identity=self.identity)

    def mutation(self, path: str, **args: Any) -> Any:
        return self.pixorly.backend.mutation(path, args, identity=self.identity)

    def action(self, path: str, **args: Any) -> Any:
        return self.pixorly.backend.action(path, args, identity=self.identity)

    @property
    def user(self) -> dict[str, Any]:
        user: dict[str, Any] = self.query("users:getCurrentUser")
        return user

    def order(self, model: str = "stable-diffusion", **args: Any) -> str:
        """A job; returns its id."""
        started = self.mutation("generations:createGenerationJob", **{"prompt": "a fox", "model": model, **args})
        return str(started["jobId"])

    def job(self, job_id: str) -> dict[str, Any]:
        job: dict[str, Any] = self.query("generations:getGenerationJob", jobId=job_id)
        return job

    def make_image(self, *, size: int = 1000, **args: Any) -> str:
        """A finished job of one image; returns the image's id."""
        job_id = self.order(**args)
        self.pixorly.begin(job_id)
        image_id = self.pixorly.add_image(job_id, size=size)
        self.pixorly.mutation("generations:completeGeneration", jobId=job_id, imageIds=[image_id])
        return image_id


def _value(outcome: Outcome) -> Any:
    if outcome.failure is not None:
        raise error_of(outcome.failure)
    assert outcome.value is not None
    return decode(outcome.value)


def _read(column: Any) -> Any:
    """Arrays and objects are JSON text in a column."""
    return json.loads(column) if isinstance(column, str) and column.startswith(("[", "{")) else column

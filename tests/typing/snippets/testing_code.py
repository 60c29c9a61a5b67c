"""Tests as users write them, with the fixture `backend`."""

from datetime import timedelta
from typing import Any, assert_type

from calls import job_actions, jobs, users
from models import Job, User

from reactor import Id
from reactor.testing import LiveQuery, TestBackend


def test_calls(backend: TestBackend, job_id: Id[Job]) -> None:
    assert_type(backend.query(jobs.get, job_id), Job | None)
    assert_type(backend.query(jobs.get_internal, job_id=job_id), Job | None)
    assert_type(backend.mutation(jobs.start, width=3), jobs.Started)
    assert_type(backend.action(job_actions.blocking, job_id=job_id), str | None)
    assert_type(backend.action(job_actions.start_and_wait, 3), float)
    assert_type(backend.query("jobs:get", {"jobId": job_id}), Any)
    assert_type(backend.as_user({"subject": "ann"}).query(users.me), User | None)
    assert_type(backend.subscribe(jobs.get, job_id), LiveQuery[Job | None])
    assert_type(backend.subscribe(jobs.get, job_id).next(), Job | None)
    assert_type(backend.run(lambda ctx: ctx.db.query(User).collect()), list[User])
    assert_type(backend.advance(timedelta(hours=1)), int)


async def test_async_calls(backend: TestBackend, job_id: Id[Job]) -> None:
    assert_type(await backend.run_action(job_actions.start_and_wait, width=3), float)
    async for job in backend.subscribe(jobs.get, job_id):
        assert_type(job, Job | None)
    assert_type((await backend.run_fetch("GET", "/")).status_code, int)

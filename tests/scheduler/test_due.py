"""Which jobs start, with time as plain numbers."""

from __future__ import annotations

from reactor.scheduler.due import LONGEST_SLEEP, Plan, crons_need_a_look, plan
from reactor.scheduler.job import Job


def job(name: str, due: float) -> Job:
    return Job(name, "m:f", {}, due)


def test_due_jobs_start_in_due_order_up_to_the_parallelism() -> None:
    jobs = [job("a", 1), job("b", 2), job("c", 3)]
    assert plan(jobs, {}, now_ms=10, parallelism=2).start == (jobs[0], jobs[1])


def test_a_job_under_way_is_not_started_again_and_takes_its_place() -> None:
    jobs = [job("a", 1), job("b", 2), job("c", 3)]
    assert plan(jobs, {"a"}, now_ms=10, parallelism=2).start == (jobs[1],)


def test_it_wakes_when_the_next_job_is_due() -> None:
    assert plan([job("a", 1500)], {}, now_ms=1000, parallelism=8) == Plan((), 0.5)


def test_it_never_sleeps_long_so_that_a_clock_set_forward_is_noticed() -> None:
    assert plan([job("a", 1e12)], {}, now_ms=0, parallelism=8).sleep == LONGEST_SLEEP


def test_with_nothing_later_only_news_wakes_it() -> None:
    assert plan([], {}, now_ms=0, parallelism=8) == Plan((), None)
    assert plan([job("a", 0)], {}, now_ms=0, parallelism=8).sleep is None


def test_crons_are_looked_at_when_one_is_due_or_the_clock_went_back() -> None:
    assert crons_need_a_look(1000, now_ms=1000, looked_ms=0)
    assert not crons_need_a_look(1001, now_ms=1000, looked_ms=1000)
    assert not crons_need_a_look(9000, now_ms=5000, looked_ms=5500), "clocks are adjusted all the time"
    assert crons_need_a_look(9000, now_ms=5000, looked_ms=6500)

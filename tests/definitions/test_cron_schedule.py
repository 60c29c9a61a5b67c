"""When crons run: by the clock in UTC, one run for all that were missed, unmoved by small steps of the clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest

from reactor.definitions import cron_schedule
from reactor.definitions.cron_schedule import Schedule, schedule_of
from reactor.errors import DefinitionError
from reactor.values.value import decode, encode

NOW = datetime(2026, 1, 1, 12, 30, 15, tzinfo=UTC)  # a Thursday


def ms(moment: datetime) -> float:
    return moment.timestamp() * 1000


def first(schedule: Schedule, now: datetime = NOW) -> datetime:
    return datetime.fromtimestamp(schedule.first(ms(now)) / 1000, UTC)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (cron_schedule.hourly("c", 15), "2026-01-01 13:15"),
        (cron_schedule.daily("c", time(3)), "2026-01-02 03:00"),
        (cron_schedule.daily("c", time(12, 31)), "2026-01-01 12:31"),
        (cron_schedule.weekly("c", "sunday", time(1, 2)), "2026-01-04 01:02"),
        (cron_schedule.weekly("c", "thursday", time(12)), "2026-01-08 12:00"),
        (cron_schedule.monthly("c", 31, time(0)), "2026-01-31 00:00"),
        (cron_schedule.cron("c", "*/5 * * * *"), "2026-01-01 12:35"),
        (cron_schedule.cron("c", "0 9 * * MON-FRI"), "2026-01-02 09:00"),
    ],
)
def test_a_cron_of_the_calendar_runs_at_the_next_such_time(schedule: Schedule, expected: str) -> None:
    assert f"{first(schedule):%Y-%m-%d %H:%M}" == expected
    assert first(schedule).second == 0


def test_a_month_without_the_day_is_left_out() -> None:
    schedule = cron_schedule.monthly("c", 31, time(0))
    assert first(schedule, datetime(2026, 2, 1, tzinfo=UTC)) == datetime(2026, 3, 31, tzinfo=UTC)


def test_an_interval_runs_at_once_and_then_a_whole_number_of_intervals_later() -> None:
    """Reference §4.8: first run right at deploy, then previous + interval; missed runs are collapsed."""
    schedule = cron_schedule.interval("c", timedelta(minutes=5))
    assert schedule.first(1000.0) == 1000.0
    assert schedule.after(1000.0, 1000.0) == 301_000.0
    assert schedule.after(1000.0, 300_999.0) == 301_000.0
    assert schedule.after(1000.0, 301_000.0) == 601_000.0
    assert schedule.after(1000.0, 10_000_000.0) == 1000.0 + 34 * 300_000.0


def test_missed_runs_of_the_calendar_are_let_go() -> None:
    schedule = cron_schedule.hourly("c", 0)
    later = ms(datetime(2026, 1, 3, 7, 20, tzinfo=UTC))
    assert schedule.after(ms(datetime(2026, 1, 1, 13, tzinfo=UTC)), later) == ms(datetime(2026, 1, 3, 8, tzinfo=UTC))


def test_an_omitted_minute_is_some_minute_and_second_always_the_same_and_not_everybodys() -> None:
    """Reference §4.8: the server picks a stable minute per job, and a stable splay below 60 s."""
    names = [f"cron {number}" for number in range(200)]
    runs = [first(cron_schedule.daily(name, 3)) for name in names]
    assert runs == [first(cron_schedule.daily(name, 3)) for name in names]
    assert {run.hour for run in runs} == {3}
    assert len({run.minute for run in runs}) > 30
    assert len({run.second for run in runs}) > 30
    hourly = first(cron_schedule.hourly("c", None))
    assert first(cron_schedule.hourly("c", None), hourly) == hourly + timedelta(hours=1)


def test_a_run_at_its_second_is_followed_by_the_next_and_not_by_itself() -> None:
    schedule = cron_schedule.daily("c", 3)
    times = [schedule.first(ms(NOW))]
    for _ in range(5):
        times.append(schedule.after(times[-1], times[-1]))
    assert {later - earlier for earlier, later in pairwise(times)} == {86_400_000.0}


@pytest.mark.parametrize(
    "schedule",
    [cron_schedule.interval("c", timedelta(seconds=1.5)), cron_schedule.weekly("c", "monday", 4), cron_schedule.cron("c", "0 0 1 1 *")],
    ids=lambda schedule: type(schedule).__name__,
)  # fmt: skip
def test_a_schedule_can_be_stored(schedule: Schedule) -> None:
    stored: Any = decode(encode(schedule.wire))
    assert schedule_of(stored) == schedule


def test_the_official_fields_are_kept() -> None:
    """Reference §4.8."""
    weekly = cron_schedule.weekly("c", "monday", time(4, 5)).wire
    assert (weekly["kind"], weekly["dayOfWeek"], weekly["hourUTC"], weekly["minuteUTC"]) == ("weekly", "monday", 4, 5)
    assert "minuteUTC" not in cron_schedule.hourly("c", None).wire


# ── a clock that was set ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_clock_set_back_an_hour_doubles_no_run_of_the_calendar() -> None:
    schedule = cron_schedule.hourly("c", 0)
    planned = ms(datetime(2026, 1, 1, 14, tzinfo=UTC))  # the run of 13:00 has been
    assert schedule.corrected(planned, ms(NOW)) == planned


def test_a_clock_set_back_a_day_does_not_stop_the_crons_for_a_day() -> None:
    schedule = cron_schedule.hourly("c", 0)
    planned = ms(datetime(2026, 1, 2, 14, tzinfo=UTC))
    assert schedule.corrected(planned, ms(NOW)) == ms(datetime(2026, 1, 1, 13, tzinfo=UTC))


def test_an_interval_is_never_longer_than_itself() -> None:
    schedule = cron_schedule.interval("c", timedelta(minutes=5))
    assert schedule.corrected(ms(NOW) + 3_600_000, ms(NOW)) == ms(NOW) + 300_000
    assert schedule.corrected(ms(NOW) + 10_000, ms(NOW)) == ms(NOW) + 10_000


# ── what is refused ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("declare", "words"),
    [
        (lambda: cron_schedule.interval("c", timedelta(0)), "greater than zero"),
        (lambda: cron_schedule.interval("c", 60), "needs a timedelta"),  # type: ignore[arg-type]
        (lambda: cron_schedule.hourly("c", 60), "a minute from 0 to 59, not 60"),
        (lambda: cron_schedule.daily("c", 24), "an hour from 0 to 23"),
        (lambda: cron_schedule.daily("c", True), "an hour from 0 to 23"),
        (lambda: cron_schedule.daily("c", time(3, 0, 1)), "has seconds"),
        (lambda: cron_schedule.daily("c", time(3, tzinfo=timezone(timedelta(hours=1)))), "of another zone"),
        (lambda: cron_schedule.weekly("c", "Monday", 3), '"sunday" to "saturday", not \'Monday\''),
        (lambda: cron_schedule.monthly("c", 0, 3), "a day of the month from 1 to 31"),
        (lambda: cron_schedule.monthly("c", None, 3), "a day of the month from 1 to 31"),  # type: ignore[arg-type]
        (lambda: cron_schedule.cron("c", "* * * *"), "five fields"),
        (lambda: cron_schedule.cron("c", "* * * * * *"), "five fields"),
        (lambda: cron_schedule.cron("c", "61 * * * *"), "Bad minute"),
        (lambda: cron_schedule.cron("c", "0 0 31 2 *"), "Bad day-of-month"),
    ],
)
def test_a_schedule_that_cannot_be(declare: Callable[[], Schedule], words: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        declare()
    assert words in str(caught.value)
    assert str(caught.value).startswith('The cron "c" ')

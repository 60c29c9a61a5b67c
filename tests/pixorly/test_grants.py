"""Monthly grants: credits are filled up on the first of the month, once."""

from __future__ import annotations

import datetime as dt

from tests.pixorly.application import Pixorly
from tests.pixorly.test_ledger import changes

FIRST_OF_APRIL, SECOND = dt.datetime(2026, 4, 1, tzinfo=dt.UTC), dt.timedelta(seconds=1)


def test_credits_are_filled_up_on_the_first_of_the_month_and_once(pixorly: Pixorly) -> None:
    ada, rich, owing = (pixorly.sign_up(name) for name in ("ada", "rich", "owing"))
    pixorly.mutation("users:updateUserPlan", userId=rich.user_id, plan="pro")
    pixorly.mutation("users:adjustCredits", userId=rich.user_id, amount=1000)
    pixorly.mutation("users:updateUserPlan", userId=owing.user_id, plan="pro", subscriptionStatus="past_due")
    for browser, spent in ((ada, 7), (rich, 1), (owing, 100)):
        pixorly.mutation("users:deductCredits", userId=browser.user_id, amount=spent)
    pixorly.clock.set(FIRST_OF_APRIL - SECOND)
    pixorly.mutation("grants:grantMonthly")
    assert ada.user["credits"] == 3, "they came this month"
    pixorly.clock.set(FIRST_OF_APRIL)
    pixorly.backend.run_due()
    assert [browser.user["credits"] for browser in (ada, rich, owing)] == [10, 1499, 400]
    assert changes(ada)[0] == (7, 10, "grant")
    pixorly.mutation("users:deductCredits", userId=ada.user_id, amount=5)
    pixorly.mutation("grants:grantMonthly")  # somebody starts it again
    pixorly.backend.run_due()
    assert ada.user["credits"] == 5


def test_everybody_gets_it_chunk_by_chunk(pixorly: Pixorly) -> None:
    users = [pixorly.sign_up(f"user {number}", credits=1) for number in range(450)]
    pixorly.clock.set(FIRST_OF_APRIL - SECOND + dt.timedelta(days=1))
    pixorly.mutation("grants:grantMonthly")
    assert sum(browser.user["credits"] == 10 for browser in users) == 200
    pixorly.backend.run_due()
    assert {browser.user["credits"] for browser in users} == {10}

"""Credits: every movement is written down, the balance is their sum, and whoever runs out of them is told."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from reactor.errors import AppError
from tests.pixorly.application import Browser, Pixorly
from tests.pixorly.test_images import pages

ORDER: dict[str, Any] = {"prompt": "a fox", "model": "stable-diffusion"}


def changes(browser: Browser) -> list[tuple[float, float, str]]:
    """The newest first."""
    page = browser.query("ledger:listCreditChanges", paginationOpts={"numItems": 1000, "cursor": None})["page"]
    return [(change["amount"], change["balance"], change["reason"]) for change in page]


def test_every_movement_is_in_the_history(pixorly: Pixorly) -> None:
    ada, bea = pixorly.sign_up("ada"), pixorly.sign_up("bea")
    job_id = ada.order(model="openai/dall-e-3")
    pixorly.mutation("generations:failGeneration", jobId=job_id, error="no", refund=True)
    pixorly.mutation("users:updateUserPlan", userId=ada.user_id, plan="pro")
    pixorly.mutation("users:adjustCredits", userId=ada.user_id, amount=-7, note="a mistake")
    pixorly.mutation("users:deductCredits", userId=ada.user_id, amount=3)
    assert changes(ada) == [
        (-3, 490, "generation"),
        (-7, 493, "adjustment"),
        (490, 500, "plan"),
        (5, 10, "refund"),
        (-5, 5, "generation"),
        (10, 10, "grant"),
    ]
    assert changes(bea) == [(10, 10, "grant")]
    assert len(pages(ada, "ledger:listCreditChanges", 4)) == 2
    (with_note,) = (row for row in pixorly.documents("creditChanges", ada.user_id) if row.get("note") == "a mistake")
    assert with_note["reason"] == "adjustment"
    (charged,) = (row for row in pixorly.documents("creditChanges", ada.user_id) if row["amount"] == -5)
    assert charged["jobId"] == job_id
    with pytest.raises(AppError):
        changes(pixorly.browser(None))


def test_the_alert_follows_the_balance(pixorly: Pixorly) -> None:
    ada = pixorly.sign_up("ada")
    alerts = [ada.query("ledger:getCreditAlert")]
    for amount in (9, 0.5, 0.5):  # of ten: low is below one
        pixorly.mutation("users:deductCredits", userId=ada.user_id, amount=amount)
        alerts.append(ada.query("ledger:getCreditAlert"))
    assert alerts == [None, None, "low", "depleted"]


@pytest.mark.parametrize("amount", [-1, -0.01])
def test_taking_a_negative_amount_is_no_way_to_get_credits(pixorly: Pixorly, amount: float) -> None:
    ada = pixorly.sign_up("ada")
    with pytest.raises(AppError):
        pixorly.mutation("users:deductCredits", userId=ada.user_id, amount=amount)
    assert ada.user["credits"] == 10


# ── acceptance 3 ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Tab:
    """A browser tab of one user, and what the server does for the job it ordered: one step after another."""

    def __init__(self, pixorly: Pixorly, user: Browser, chance: random.Random) -> None:
        self.pixorly, self.user = pixorly, user
        self.model, self.price = chance.choice((("stable-diffusion", 1), ("midjourney", 4), ("openai/dall-e-3", 5)))
        self.images = chance.choice((1, 2))
        self.ending = chance.choice(("complete", "refund", "keep"))
        self.retries = chance.choice((0, 0, 1))
        self.job_id: str | None = None
        self.charged = 0.0  # of the user now

    def steps(self) -> list[Callable[[], None]]:
        return [self.order, *[self.retry] * self.retries, self.begin, self.settle, self.settle_again]

    def order(self) -> None:
        before = self.user.user["credits"]
        cost = self.price * self.images
        try:
            started = self.user.mutation(
                "generations:createGenerationJob", **ORDER | {"model": self.model, "numImages": self.images}
            )
        except AppError as refused:
            if (refused.data, before < cost) != ("Insufficient credits", True):
                raise
            return
        assert started["creditsUsed"] == cost <= before
        self.job_id, self.charged = started["jobId"], cost

    def retry(self) -> None:
        if self.job_id:
            self.pixorly.mutation("generations:incrementRetryCount", jobId=self.job_id)

    def begin(self) -> None:
        if self.job_id:
            self.pixorly.mutation("attempts:beginAttempt", jobId=self.job_id, attempt=self.retries)

    def settle(self) -> None:
        if self.job_id is None:
            return
        if self.ending == "complete":
            self.pixorly.mutation("generations:completeGeneration", jobId=self.job_id, imageIds=[])
            return
        refund = self.ending == "refund"
        self.pixorly.mutation("generations:failGeneration", jobId=self.job_id, error="no", refund=refund)
        self.charged = 0 if refund else self.charged

    def settle_again(self) -> None:
        """Whoever comes late, with another opinion, changes nothing."""
        if self.job_id:
            self.pixorly.mutation("generations:failGeneration", jobId=self.job_id, error="late", refund=True)


def interleaved(tabs: list[Tab], chance: random.Random) -> list[Callable[[], None]]:
    """All steps of all tabs, each tab's in their order."""
    left = [tab.steps() for tab in tabs]
    order = [each for each, steps in zip(left, left, strict=True) for _ in steps]
    chance.shuffle(order)
    return [steps.pop(0) for steps in order]


@pytest.mark.parametrize("part", range(4))
def test_jobs_ordered_at_once_cannot_overspend_whatever_their_interleaving(pixorly: Pixorly, part: int) -> None:
    """1,000 of them, in four parts: what was spent is the sum of the jobs, and of the movements written down."""
    for seed in range(part * 250, part * 250 + 250):
        chance = random.Random(seed)
        budget = chance.choice((1, 4, 5, 6, 9, 10))
        user = pixorly.sign_up(f"user {seed}", credits=budget)
        tabs = [Tab(pixorly, user, chance) for _ in range(2)]
        for step in interleaved(tabs, chance):
            step()
        assert user.user["credits"] == budget - sum(tab.charged for tab in tabs) >= 0, f"seed {seed}"
        assert sum(amount for amount, _balance, _reason in changes(user)) == user.user["credits"]
        jobs = user.query("generations:listGenerationJobs")
        kept = sum(job["creditsUsed"] for job in jobs if _is_paid(job, tabs))
        assert kept == sum(tab.charged for tab in tabs)


def _is_paid(job: dict[str, Any], tabs: list[Tab]) -> bool:
    (tab,) = (tab for tab in tabs if tab.job_id == job["_id"])
    return job["status"] == "completed" or (job["status"] == "failed" and tab.ending == "keep")

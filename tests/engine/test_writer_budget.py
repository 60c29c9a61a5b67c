"""The writer's time is shared (engine A5): who may take it when others want it, and who is told to come back."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.engine.writer_budget import WriterBudget
from reactor.limits import DEFAULT_LIMITS
from tests.support import Project, serving

ANN, BOB = b"ann", b"bob"


def budget() -> WriterBudget:
    return WriterBudget(dataclasses.replace(DEFAULT_LIMITS, slow_mutation_share=0.1, slow_mutation_burst=2.0))


def call(
    shares: WriterBudget, now: float, seconds: float = 0.5, path: str = "m:slow", user: bytes = ANN
) -> float | None:
    """One call that takes so long, with another function called beside it. What it was told."""
    shares.admit("m:quick", BOB, now)
    wait = shares.admit(path, user, now)
    if wait is None:
        shares.charge(path, user, seconds, now, ended=False)
    return wait


def test_quick_calls_may_take_all_the_time_there_is() -> None:
    shares = budget()
    assert all(call(shares, now / 1000, seconds=0.001) is None for now in range(10_000))


def test_a_slow_function_alone_may_too() -> None:
    shares = budget()
    for now in range(100):
        assert shares.admit("m:slow", ANN, now) is None
        shares.charge("m:slow", ANN, 1.0, now, ended=False)


def test_a_slow_function_among_others_has_its_share_and_is_told_when_to_come_back() -> None:
    shares = budget()
    users = [b"u%d" % number for number in range(40)]
    taken = sum(0.5 for now in range(200) if call(shares, now / 2, user=users[now % 40]) is None)
    assert 2.0 <= taken <= 2.0 + 0.1 * 100 + 0.5
    wait = call(shares, 100.0)
    assert wait is not None
    assert call(shares, 100.0 + wait + 0.01) is None


def test_one_user_cannot_take_what_others_have_of_a_functions_share() -> None:
    shares = budget()
    now = 0.0
    while call(shares, now, user=ANN) is None:
        now += 0.1
    assert call(shares, now, user=ANN) is not None
    assert call(shares, now, user=BOB) is None


@pytest.mark.parametrize("other", ["m.js:slow", "m:s_low", "M:Slow"])
def test_another_spelling_is_no_other_budget(other: str) -> None:
    shares = budget()
    while call(shares, 0.0) is None:
        pass
    assert call(shares, 0.0, path=other) is not None


def test_two_calls_ended_for_their_time_make_a_function_slow_for_a_minute() -> None:
    shares = budget()
    for _ in range(50):
        shares.charge("m:mixed", ANN, 0.001, 0.0, ended=False)
    for _ in range(2):
        shares.charge("m:mixed", ANN, 2.0, 0.0, ended=True)
        for _ in range(50):
            shares.charge("m:mixed", ANN, 0.001, 0.0, ended=False)
    assert call(shares, 1.0, seconds=0.001, path="m:mixed") is not None
    assert call(shares, 61.0, seconds=0.001, path="m:mixed") is None


@given(st.lists(st.tuples(st.floats(0, 5), st.sampled_from(["a", "b", "c"]), st.sampled_from([ANN, BOB, None]),
                          st.floats(0.06, 1.0))))  # fmt: skip
def test_no_function_and_no_user_ever_takes_more_than_its_share_and_burst(
    calls: list[tuple[float, str, bytes | None, float]],
) -> None:
    shares = budget()
    now = 0.0
    taken: dict[object, float] = {}
    for pause, path, user, seconds in calls:
        now += pause
        shares.admit("m:quick", BOB, now)
        if shares.admit(path, user, now) is None:
            shares.charge(path, user, seconds, now, ended=False)
            for whose in (path, (path, user)):
                taken[whose] = taken.get(whose, 0.0) + seconds
    for whose, seconds in taken.items():
        part = 0.5 if isinstance(whose, tuple) else 1.0
        assert seconds <= part * (2.0 + 0.1 * now) + 1.0 + 1e-6  # the last one admitted may go over


FUNCTIONS = """
import time
from reactor import MutationCtx, mutation

@mutation
def burn(ctx: MutationCtx) -> None:
    n = 0
    while n < 4_000_000:
        n += 1

@mutation
def quick(ctx: MutationCtx) -> int:
    return 1
"""


def test_mutations_that_take_long_over_and_over_are_refused_while_everybody_elses_go_on(tmp_path: Path) -> None:
    """Reliability (g): the probe is answered whatever the others do, and they are told when to come back."""
    settings = "[tool.reactor.limits]\nslow_mutation_burst = 0.4\n"
    project = Project(tmp_path / "project", schema="", functions={"m": FUNCTIONS}, settings=settings)
    with serving(project) as server, httpx.Client(base_url=server.url, timeout=30) as client:

        def mutate(path: str) -> httpx.Response:
            return client.post("/api/mutation", json={"path": path, "args": {}, "format": "json"})

        refused = None
        for _ in range(50):
            assert mutate("m:quick").json()["value"] == 1
            answer = mutate("m:burn")
            if answer.status_code != 200:
                refused = answer
                break
        assert refused is not None
        assert refused.status_code == 503
        assert refused.json()["code"] == "TooMuchWriterTime"
        assert "slow_mutation_share" in refused.json()["message"]
        assert int(refused.headers["retry-after"]) >= 1
        assert mutate("m:quick").json()["value"] == 1

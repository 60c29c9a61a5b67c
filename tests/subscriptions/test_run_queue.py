"""What a reader is given next (engine B5)."""

from __future__ import annotations

from reactor.subscriptions.run_queue import RunQueue
from reactor.subscriptions.subscription import ANY, QueryKey, Subscription


class Somebody:
    identity = None
    subscription: Subscription

    def updated(self) -> None: ...


def waiting(queue: RunQueue, path: str, number: int = 0) -> Subscription:
    subscription = Subscription(QueryKey(path, b"%d" % number, None), ANY)
    subscription.subscribers[Somebody()] = None
    queue.add(subscription)
    return subscription


def paths(queue: RunQueue, *, last_reader: bool = False) -> list[str]:
    return [run.subscription.key.path for run in queue.take(last_reader=last_reader)]


def test_quick_queries_share_a_batch() -> None:
    queue = RunQueue()
    for number in range(5):
        waiting(queue, "quick", number)
    assert paths(queue) == ["quick"] * 5
    assert paths(queue) == []


def test_a_batch_holds_what_is_expected_to_take_a_moment() -> None:
    queue = RunQueue()
    queue.observe("middling", 0.001)
    for number in range(5):
        waiting(queue, "middling", number)
    assert [len(paths(queue)) for _ in range(3)] == [2, 2, 1]


def test_slow_functions_leave_a_reader_to_the_others() -> None:
    queue = RunQueue()
    queue.observe("slow", 1.0)
    waiting(queue, "slow", 1)
    waiting(queue, "slow", 2)
    waiting(queue, "quick")
    assert paths(queue) == ["slow"]
    assert paths(queue, last_reader=True) == ["quick"], "a slow query must not take the last reader"
    assert paths(queue, last_reader=True) == []
    assert paths(queue) == ["slow"]


def test_a_slow_function_that_became_quick_is_believed_in_time() -> None:
    queue = RunQueue()
    queue.observe("was slow", 0.05)
    for _ in range(20):
        queue.observe("was slow", 0.0001)
    waiting(queue, "was slow")
    assert paths(queue, last_reader=True) == ["was slow"]


def test_a_gang_is_never_cut_and_goes_first() -> None:
    queue = RunQueue()
    queue.observe("slow", 1.0)
    waiting(queue, "quick")
    members = [Subscription(QueryKey("slow", b"%d" % n, None), ANY) for n in range(3)]
    queue.add_gang("owner", b"me", members)
    runs = queue.take(last_reader=True)
    assert [run.subscription for run in runs] == members
    assert {run.identity for run in runs} == {b"me"}
    assert {run.gang for run in runs} == {"owner"}

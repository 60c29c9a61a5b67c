"""When a write has reached a subscriber, whatever order news of it comes in."""

from __future__ import annotations

from reactor.cli.bench.deliveries import Deliveries


def test_the_first_transition_that_leads_there_or_further_delivers_a_write() -> None:
    deliveries, done = Deliveries(), []
    ann, bob = deliveries.add(), deliveries.add()
    deliveries.shown(ann, 9, 100.0)  # before the write
    deliveries.written(10, 101.0, lambda: done.append(True))
    deliveries.shown(ann, 9, 101.5)
    assert deliveries.latencies.count == 0
    deliveries.shown(ann, 12, 102.0)  # two writes in one
    assert (deliveries.latencies.count, done) == (1, [])
    deliveries.shown(bob, 10, 104.0)
    assert (deliveries.latencies.least, deliveries.latencies.most, done) == (1.0, 3.0, [True])
    deliveries.shown(bob, 13, 105.0)
    assert deliveries.latencies.count == 2


def test_a_transition_may_come_before_the_answer_to_its_write() -> None:
    deliveries, done = Deliveries(), []
    watcher = deliveries.add()
    deliveries.shown(watcher, 10, 50.5)
    deliveries.shown(watcher, 11, 51.5)
    deliveries.written(10, 50.0, lambda: done.append(True))
    assert (deliveries.latencies.most, done) == (0.5, [True])


def test_a_write_that_is_given_up_is_not_counted_later() -> None:
    deliveries, done = Deliveries(), []
    watcher = deliveries.add()
    deliveries.give_up(deliveries.written(10, 1.0, lambda: done.append(True)))
    deliveries.shown(watcher, 10, 60.0)
    assert (deliveries.latencies.count, done) == (0, [])

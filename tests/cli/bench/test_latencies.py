"""Percentiles of any number of latencies, beside those of the sorted list."""

from __future__ import annotations

import math
import random

import pytest

from reactor.cli.bench.latencies import Latencies


@pytest.mark.parametrize("spread", [0.1, 1.0, 3.0])
def test_percentiles_are_those_of_the_sorted_list_within_half_a_per_cent(spread: float) -> None:
    chance = random.Random(7)
    took = [chance.lognormvariate(math.log(0.002), spread) for _ in range(5000)]
    latencies = Latencies()
    for each in took:
        latencies.add(each)
    in_order = sorted(took)
    for share in (0.01, 0.5, 0.9, 0.99, 0.999):
        exact = in_order[math.ceil(share * len(took)) - 1]
        assert latencies.percentile(share) == pytest.approx(exact, rel=0.0051)
    assert (latencies.least, latencies.most, latencies.count) == (in_order[0], in_order[-1], 5000)
    assert latencies.percentile(1.0) == in_order[-1]
    assert latencies.mean == pytest.approx(sum(took) / 5000)


def test_of_none_there_is_nothing_to_tell_and_one_is_every_percentile() -> None:
    latencies = Latencies()
    assert latencies.percentile(0.5) == latencies.mean == 0.0
    latencies.add(0.25)
    assert [latencies.percentile(share) for share in (0.01, 0.5, 1.0)] == [0.25] * 3
    latencies.add(0.0)  # a clock with too coarse a grain
    assert latencies.least == 0.0
    assert latencies.percentile(0.5) < 1e-6

"""Medians, percentiles and ratios."""

from __future__ import annotations

import pytest

from benchmarks.samples import Samples, median, median_ratio, rank


def test_samples_are_in_milliseconds_and_kept_in_their_order() -> None:
    samples = Samples.of_seconds([0.003, 0.001, 0.002])
    assert (samples.n, samples.median_ms, samples.min_ms, samples.max_ms) == (3, 2.0, 1.0, 3.0)
    assert samples.all_ms == (3.0, 1.0, 2.0)


def test_no_samples_are_an_error() -> None:
    with pytest.raises(ValueError, match="no samples"):
        Samples.of_seconds([])


@pytest.mark.parametrize(("count", "index"), [(1, 0), (2, 1), (99, 98), (100, 98), (101, 99), (1000, 989)])
def test_the_99th_percentile_is_the_nearest_rank(count: int, index: int) -> None:
    assert rank(count, 99) == index


def test_a_ratio_is_taken_within_each_pair() -> None:
    assert median_ratio([(10.0, 5.0), (100.0, 25.0), (3.0, 1.0)]) == 3.0


def test_pairs_without_a_second_are_left_out() -> None:
    assert median_ratio([(1.0, 0.0), (6.0, 2.0)]) == 3.0
    assert median_ratio([]) is None
    assert median([]) is None

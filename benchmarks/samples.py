"""Figures over repeated measurements."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Samples:
    """Times of one thing done again and again, in milliseconds.

    `p99_ms` is the nearest rank, which below 100 samples is the largest one.

    >>> Samples.of_seconds([0.001, 0.003, 0.002])
    Samples(n=3, median_ms=2.0, p99_ms=3.0, min_ms=1.0, max_ms=3.0, all_ms=(1.0, 3.0, 2.0))
    """

    n: int
    median_ms: float
    p99_ms: float
    min_ms: float
    max_ms: float
    all_ms: tuple[float, ...]

    def __str__(self) -> str:
        return f"median {self.median_ms:,.1f} ms, {self.min_ms:,.1f} to {self.max_ms:,.1f} ms, {self.n} samples"

    @classmethod
    def of_seconds(cls, seconds: Sequence[float]) -> Samples:
        """Raises ValueError for no samples."""
        ordered = sorted(each * 1e3 for each in seconds)
        if not ordered:
            raise ValueError("no samples")
        return cls(
            n=len(ordered),
            median_ms=statistics.median(ordered),
            p99_ms=ordered[rank(len(ordered), 99)],
            min_ms=ordered[0],
            max_ms=ordered[-1],
            all_ms=tuple(each * 1e3 for each in seconds),
        )


def rank(count: int, percent: int) -> int:
    """The index of the nearest-rank percentile among `count` ordered values.

    >>> rank(100, 99), rank(1000, 99), rank(1, 99)
    (98, 989, 0)
    """
    return max(0, -(-count * percent // 100) - 1)


def median(values: Iterable[float]) -> float | None:
    """The median, or None of nothing."""
    known = list(values)
    return statistics.median(known) if known else None


def median_ratio(pairs: Iterable[tuple[float, float]]) -> float | None:
    """The median of first / second; pairs are of one round each, so a slow minute of the machine hits both.

    >>> median_ratio([(10, 5), (9, 3), (4, 4)])
    2.0
    """
    return median(first / second for first, second in pairs if second)

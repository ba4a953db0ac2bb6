"""What the calls that ended since this process began came to, by version and state: the figures of `GET /metrics`.

They are counted when the journal is loaded, each call once, so that answering a call pays nothing for them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field

from rayfaas.registry.database import Database
from rayfaas.registry.rows import Row
from rayfaas.registry.statements import load

_SQL = load("tally.sql")

# Versions come and go, with each save of `rayfaas dev`: one that was not called for a day is let go, and where it is
# called again its figures begin at 0, which is a counter's reset.
KEPT_S = 86_400.0

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""The upper bounds of the buckets, in seconds; one more bucket is for what took longer."""


@dataclass
class Histogram:
    """How many took how long: `buckets` are counts by BOUNDS_S, each of its own bucket alone."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    sum_us: int = 0

    def add(self, bucket: int, number: int, sum_us: int) -> None:
        self.buckets[bucket] += number
        self.sum_us += sum_us


@dataclass
class Count:
    """Of one version's calls in one state, the last of which were seen at this moment of the tally's clock. Processor
    and GPU time are in microseconds."""

    seen_at: float
    calls: int = 0
    cold: int = 0
    cpu_us: int = 0
    gpu_us: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    duration: Histogram = field(default_factory=Histogram)
    queue: Histogram = field(default_factory=Histogram)


Key = tuple[str, int, str]
"""Function, version, state."""


class Tally:
    """Added to by the writer's thread, read by any.

    >>> tally.counts()["nlp/embed", 3, "SUCCEEDED"].calls  # doctest: +SKIP
    1204
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database, self._clock = database, clock
        self._lock = threading.Lock()
        self._counts: dict[Key, Count] = {}

    def look(self) -> list[Row]:
        """What the table `ended` adds, which is to be added when its transaction holds."""
        return self._database.run(_COUNT)

    def add(self, rows: list[Row]) -> None:
        now = self._clock()
        with self._lock:
            for row in rows:
                key = row["function"], row["version"], row["state"]
                count = self._counts.setdefault(key, Count(now))
                count.seen_at = now
                _add(count, row)

    def counts(self) -> dict[Key, Count]:
        """Those of the last day."""
        since = self._clock() - KEPT_S
        with self._lock:
            self._counts = {key: count for key, count in self._counts.items() if count.seen_at >= since}
            return deepcopy(self._counts)

    def spawned_waiting(self) -> dict[str, int]:
        """How many spawned calls have not ended, by function."""
        return {row["function"]: row["calls"] for row in self._database.run(_SQL["waiting"])}


def _add(count: Count, row: Row) -> None:
    count.calls += row["calls"]
    count.cold += row["cold"]
    count.cpu_us += row["cpu_us"]
    count.gpu_us += row["gpu_us"]
    count.bytes_in += row["bytes_in"]
    count.bytes_out += row["bytes_out"]
    count.duration.add(row["duration_bucket"], row["calls"], row["duration_us"])
    count.queue.add(row["queue_bucket"], row["calls"], row["queue_us"])


def _bucket(column: str) -> str:
    """The number of the bucket of a time in microseconds; what has none was not waited for.

    >>> _bucket("queue_us")[:52]
    'CASE WHEN coalesce(queue_us, 0) <= 1000 THEN 0 WHEN '
    """
    value = f"coalesce({column}, 0)"
    cases = " ".join(f"WHEN {value} <= {round(bound * 1e6)} THEN {i}" for i, bound in enumerate(BOUNDS_S))
    return f"CASE {cases} ELSE {len(BOUNDS_S)} END"


_COUNT = _SQL["count"].format(duration=_bucket("ended_us - accepted_us"), queue=_bucket("queue_us"))

"""Open load: so many calls a second, whatever the answers take; and what each of them took, from when it was due."""

from __future__ import annotations

import http.client
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from benchmarks.endpoint import Caller, Endpoint
from benchmarks.samples import rank

_MOST_AT_ONCE = 400
# A connection that nobody has used for so long may be closed by the server.
FRESH_S = 2.0


class Timed(NamedTuple):
    """`due_s` is from the start of the load."""

    due_s: float
    took_s: float
    ok: bool


def steady_load(endpoint: Endpoint, per_s: float, seconds: float, body: str = "null") -> list[Timed]:
    """Every call, in the order in which they were due."""
    idle: deque[tuple[Caller, float]] = deque()
    started = time.perf_counter()

    def call(due_s: float) -> Timed:
        caller = _fresh(idle) or Caller(endpoint)
        try:
            ok = caller.post(body).status == http.client.OK
        except (OSError, http.client.HTTPException):
            ok = False
        took_s = time.perf_counter() - started - due_s
        idle.append((caller, time.perf_counter()))
        return Timed(due_s, took_s, ok)

    with ThreadPoolExecutor(_MOST_AT_ONCE) as pool:
        futures = []
        for number in range(int(per_s * seconds)):
            due_s = number / per_s
            time.sleep(max(0.0, started + due_s - time.perf_counter()))
            futures.append(pool.submit(call, due_s))
        calls = [future.result() for future in futures]
    for caller, _ in idle:
        caller.close()
    return calls


def _fresh(idle: deque[tuple[Caller, float]]) -> Caller | None:
    """The one that was used last; one that the server may be about to close is closed."""
    try:
        caller, used_at = idle.pop()
    except IndexError:
        return None
    if time.perf_counter() - used_at > FRESH_S:
        caller.close()  # and dialled again
    return caller


def seconds_until(calls: list[Timed], limit_s: float) -> float | None:
    """From which second on the p99 of every second is below the limit; None: not before the end.

    >>> seconds_until([Timed(0.5, 2.0, True), Timed(1.5, 0.1, True), Timed(2.5, 0.1, True)], 0.15)
    1.0
    """
    by_second: dict[int, list[float]] = {}
    for each in calls:
        by_second.setdefault(int(each.due_s), []).append(each.took_s)
    slow = [second for second, took in by_second.items() if sorted(took)[rank(len(took), 99)] >= limit_s]
    back = float(max(slow) + 1) if slow else 0.0
    return back if back <= max(by_second, default=0) else None

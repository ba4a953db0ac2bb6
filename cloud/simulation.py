"""What a keep-alive would have cost: calls of the past under several policies, each function on its own machine."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from rayfaas.cloud.keep_alive import PAUSES, learned_s
from rayfaas.cloud.trace import Trace

# How long to keep a machine, from the pauses so far and the length of a wake, all in seconds.
Policy = Callable[[Collection[float], float], float]

# A policy is asked again when more than one in so many of the pauses are new.
_TOO_FEW = 20

# Is told how many calls are done.
Done = Callable[[int], object]


@dataclass(frozen=True)
class Outcome:
    """`up_hours` are those of machines, wakes counted; `waited_hours` those of callers for machines."""

    up_hours: float
    calls: int
    cold: int
    waited_hours: float


def simulate(trace: Trace, policy: Policy, wake_s: float, done: Done = lambda calls: None) -> Outcome:
    """Each call that finds its machine stopped waits for a wake, and those that come meanwhile for the rest of it.

    >>> simulate({"f": [(0.0, 1.0), (50.0, 1.0), (1000.0, 1.0)]}, lambda pauses, wake_s: 100.0, wake_s=60.0).cold
    2
    """
    each = []
    for calls in trace.values():
        each.append(_function(calls, policy, wake_s))
        done(len(calls))
    return Outcome(
        sum(one.up_hours for one in each),
        sum(one.calls for one in each),
        sum(one.cold for one in each),
        sum(one.waited_hours for one in each),
    )


def fixed(seconds: float) -> Policy:
    return lambda pauses, wake_s: seconds


def learned(pauses: Collection[float], wake_s: float) -> float:
    return learned_s(list(pauses), wake_s)


def _function(calls: Iterable[tuple[float, float]], policy: Policy, wake_s: float) -> Outcome:
    up_s = waited_s = 0.0
    count = cold = 0
    pauses: deque[float] = deque(maxlen=PAUSES)
    news, kept = 0, policy(pauses, wake_s)
    free_at = ready_at = float("-inf")  # when the last call ends, and when the machine is or was up
    for begin, length in calls:
        count += 1
        pause = begin - free_at
        if pause > 0:
            if news > len(pauses) // _TOO_FEW:
                news, kept = 0, policy(pauses, wake_s)
            if free_at > float("-inf"):
                up_s += min(pause, kept)
                pauses.append(pause)
                news += 1
            if pause > kept:
                cold, ready_at = cold + 1, begin + wake_s
                up_s += wake_s
        waited_s += max(0.0, ready_at - begin)
        end = max(begin, ready_at) + length
        up_s += max(0.0, end - max(free_at, begin, ready_at))
        free_at = max(free_at, end)
    # What comes after the end of the trace is not known, and not counted.
    return Outcome(up_s / 3600, count, cold, waited_s / 3600)

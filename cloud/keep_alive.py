"""How long an idle machine is kept: fixed, for ever, or as the pauses between calls teach."""

from __future__ import annotations

from collections.abc import Sequence

PAUSES = 200
LEARN_FROM = 8
# What a second of a caller's waiting is worth, in seconds of the machine's price.
WAITING_WORTH = 4.0


def learned_s(pauses: Sequence[float], wake_s: float, worth: float = WAITING_WORTH) -> float:
    """The time that would have cost least: of kept machines, and of wakes, each `wake_s` long with somebody waiting.

    It minimises mean(min(pause, T)) + P(pause > T) · C · (1 + λ) over the last pauses, and is the break-even time
    C · (1 + λ) while few are known.

    >>> learned_s([10.0] * 9 + [4000.0], wake_s=100.0)
    10.0
    >>> learned_s([], wake_s=100.0)
    500.0
    """
    wake_cost = wake_s * (1 + worth)
    known = sorted(pauses[-PAUSES:])
    if len(known) < LEARN_FROM:
        return wake_cost
    costs = []
    shorter = 0.0
    for index, time_s in enumerate(known):
        shorter += time_s
        longer = len(known) - index - 1
        costs.append((shorter + longer * (time_s + wake_cost), time_s))
    never_kept = (len(known) * wake_cost, 0.0)
    return min([*costs, never_kept])[1]

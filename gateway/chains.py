"""Chains of calls that call their own function: whether one more could ever be answered.

A call that waits for an answer of its own function holds an executor of it. When all that the function may have are
held so, none of them can go on: the call that would complete this is refused, and all others go on with its error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Protocol

from rayfaas.gateway.pending import PendingCall


class Executor(Protocol):
    """One of the version."""

    concurrency: int
    others: int
    calls: dict[int, PendingCall]


Known = dict[str, PendingCall]


def is_stuck(call: PendingCall, executors: Iterable[Executor], queued: Iterable[PendingCall], known: Known) -> bool:
    """Whether every call that runs in the version's executors waits, at last, for one that waits for them: `call`, one
    of those `queued`, or one that was sent ahead. `known` are all that have an executor, by id.

    Calls of other gateways are not seen: with them it may look as if some could still end.
    """
    running, waiting = list[PendingCall](), [call, *queued]
    for executor in executors:
        if executor.others or len(executor.calls) < executor.concurrency:
            return False
        calls = iter(executor.calls.values())
        running += islice(calls, executor.concurrency)
        waiting += calls
    held = {ancestor for each in waiting for ancestor in _ancestors(each, known)}
    return all(each.call_id in held for each in running)


def _ancestors(call: PendingCall, known: Known) -> Iterator[str]:
    """The calls that wait for it. Nobody waits for one that was spawned."""
    current: PendingCall | None = call
    while current is not None and current.parent_id is not None and not current.is_spawned:
        yield current.parent_id
        current = known.get(current.parent_id)

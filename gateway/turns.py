"""Calls of one priority that wait for an executor of one version: the callers' teams take turns, by their weights."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from itertools import chain

from rayfaas.gateway.pending import PendingCall

NO_WEIGHTS: Mapping[str, float] = {}


class Turns:
    """Falsy where nobody waits; then nothing may be taken.

    A team of weight 3 gets three turns for one of a team of weight 1, which is what a team has that `weights` does not
    name. Turns are counted while a team waits, and are not saved up.
    """

    def __init__(self, weights: Mapping[str, float] = NO_WEIGHTS) -> None:
        self._weights = weights
        self._by_team: dict[str, deque[PendingCall]] = {}
        self._due: dict[str, float] = {}  # when each team's next turn is, in turns of a team of weight 1
        self._now = 0.0

    def __bool__(self) -> bool:
        return bool(self._by_team)

    def __iter__(self) -> Iterator[PendingCall]:
        """All that wait, in no order."""
        return chain.from_iterable(self._by_team.values())

    def append(self, call: PendingCall) -> None:
        self._queue_of(call.team).append(call)

    def append_first(self, call: PendingCall) -> None:
        self._queue_of(call.team).appendleft(call)

    def next(self) -> PendingCall:
        """The first call of the team whose turn it is; of several, that which had its last turn first."""
        due = self._due
        team = min(due, key=due.__getitem__)
        self._now = due.pop(team)
        queue = self._by_team[team]
        call = queue.popleft()
        if queue:
            due[team] = self._now + self._stride(team)
        else:
            del self._by_team[team]
        return call

    def oldest(self) -> PendingCall:
        return min((queue[0] for queue in self._by_team.values()), key=lambda call: call.accepted_ns)

    def take_oldest(self) -> PendingCall:
        call = self.oldest()
        self.remove(call)
        return call

    def newest(self, team: str) -> PendingCall | None:
        """That which the team has waiting for the shortest time."""
        queue = self._by_team.get(team)
        return queue[-1] if queue else None

    def counts(self) -> Counter[str]:
        """How many calls wait, by team."""
        return Counter({team: len(queue) for team, queue in self._by_team.items()})

    def remove(self, call: PendingCall) -> bool:
        """Whether it was here."""
        queue = self._by_team.get(call.team)
        if queue is None or call not in queue:
            return False
        queue.remove(call)
        if not queue:
            del self._by_team[call.team], self._due[call.team]
        return True

    def _queue_of(self, team: str) -> deque[PendingCall]:
        queue = self._by_team.get(team)
        if queue is None:
            queue = self._by_team[team] = deque()
            self._due[team] = self._now + self._stride(team)
        return queue

    def _stride(self, team: str) -> float:
        return 1 / self._weights.get(team, 1.0)

"""Calls of one priority that wait for an executor of one version: the callers' teams take turns."""

from __future__ import annotations

from collections import deque

from rayfaas.gateway.pending import PendingCall


class Turns:
    """Falsy where nobody waits; then nothing may be taken."""

    def __init__(self) -> None:
        self._by_team: dict[str, deque[PendingCall]] = {}  # in the order of their turns

    def __bool__(self) -> bool:
        return bool(self._by_team)

    def append(self, call: PendingCall) -> None:
        self._by_team.setdefault(call.team, deque()).append(call)

    def append_first(self, call: PendingCall) -> None:
        self._by_team.setdefault(call.team, deque()).appendleft(call)

    def next(self) -> PendingCall:
        """The next team's first call; a team that was served goes to the end of the line."""
        team = next(iter(self._by_team))
        queue = self._by_team.pop(team)
        call = queue.popleft()
        if queue:
            self._by_team[team] = queue
        return call

    def oldest(self) -> PendingCall:
        return min((queue[0] for queue in self._by_team.values()), key=lambda call: call.accepted_ns)

    def take_oldest(self) -> PendingCall:
        call = self.oldest()
        self.remove(call)
        return call

    def remove(self, call: PendingCall) -> bool:
        """Whether it was here."""
        queue = self._by_team.get(call.team)
        if queue is None or call not in queue:
            return False
        queue.remove(call)
        if not queue:
            del self._by_team[call.team]
        return True

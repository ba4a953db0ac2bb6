"""The pauses between uses of a group's machines, and how long a wake takes: what a keep-alive is learned from."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

from rayfaas.cloud.keep_alive import PAUSES, learned_s
from rayfaas.cloud.node_journal import NodeJournal

# Shorter ones cost nothing to wait for.
SHORTEST_S = 5.0
# A wake, until one was seen.
WAKE_S = 120.0
_WAKES = 20

Key = tuple[str, str]


class Pauses:
    """By group."""

    def __init__(self, journal: NodeJournal, known: Mapping[Key, list[float]]) -> None:
        self._journal = journal
        self._known = {key: list(pauses) for key, pauses in known.items()}
        self._used_at: dict[Key, float] = {}
        self._wakes: dict[Key, list[float]] = {}

    def used(self, key: Key, at: float) -> None:
        """Something ran on a machine of the group at this moment. Moments may be told in any order."""
        last = self._used_at.setdefault(key, at)
        if at <= last:
            return
        self._used_at[key] = at
        if at - last >= SHORTEST_S:
            pauses = self._known[key] = [*self._known.get(key, []), at - last][-PAUSES:]
            self._journal.save_pauses(*key, pauses)

    def woke(self, key: Key, took_s: float) -> None:
        """A machine of the group came up."""
        self._wakes[key] = [*self._wakes.get(key, []), took_s][-_WAKES:]

    def learned_s(self, key: Key) -> float:
        """How long to keep an idle one."""
        return learned_s(self._known.get(key, []), median(self._wakes.get(key, [WAKE_S])))

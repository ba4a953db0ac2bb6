"""What Ray tells of a cluster, and how many machines would have to come for what waits there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Resources = Mapping[str, float]

# Sums of fractions are not exact.
_NOTHING = 1e-6


@dataclass(frozen=True)
class RayNode:
    """A node that is alive. `attempt` is the keeper's, of which it came, empty for others; `idle_s` is 0 while anything
    runs there."""

    id: str
    attempt: str
    idle_s: float
    is_draining: bool
    free: Resources


@dataclass(frozen=True)
class View:
    """A cluster at one moment: its nodes that are alive, and what waits for room, each with its number."""

    nodes: tuple[RayNode, ...] = ()
    waiting: tuple[tuple[Resources, int], ...] = ()
    attempts: Mapping[str, RayNode] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "attempts", {each.attempt: each for each in self.nodes if each.attempt})


def unmet(waiting: Iterable[tuple[Resources, int]], rooms: Iterable[Resources]) -> list[tuple[Resources, int]]:
    """What is left of it when all rooms are filled, the largest first.

    >>> unmet([({"GPU": 1.0}, 3)], [{"CPU": 8.0, "GPU": 2.0}])
    [({'GPU': 1.0}, 1)]
    """
    left = _Rooms(rooms)
    unplaced = []
    for each, number in sorted(waiting, key=lambda item: -max(item[0].values(), default=0.0)):
        asked = _asked(each)
        for room in left.fitting(asked):
            placed = min(number, _times(asked, room))
            if placed:
                number -= placed
                left.take(room, asked, placed)
            if not number:
                break
        if number:
            unplaced.append((each, number))
    return unplaced


def times(each: Resources, room: Resources) -> int:
    """How often it fits. What a room says nothing of in memory it has: its machine was not counted yet."""
    return _times(_asked(each), room)


class _Rooms:
    """By what is left in them: of thousands that are full none is looked at again for each thing that waits."""

    def __init__(self, rooms: Iterable[Resources]) -> None:
        self._all = [dict(room) for room in rooms]
        self._with: dict[str, list[dict[str, float]]] = defaultdict(list)
        for room in self._all:
            for name, amount in room.items():
                if amount > _NOTHING:
                    self._with[name].append(room)

    def fitting(self, asked: list[tuple[str, float]]) -> list[dict[str, float]]:
        """Those that it may fit into, in their order."""
        # What a room says nothing of in memory it has.
        found = [self._with.get(name, []) for name, _ in asked if name != "memory"]
        return min(found, key=len, default=self._all)

    def take(self, room: dict[str, float], asked: list[tuple[str, float]], number: int) -> None:
        for name, amount in asked:
            if name not in room:
                continue
            room[name] -= number * amount
            if room[name] <= _NOTHING:
                self._with[name] = [each for each in self._with[name] if each is not room]


def _asked(each: Resources) -> list[tuple[str, float]]:
    return [(name, amount) for name, amount in each.items() if amount > 0]


def _times(asked: list[tuple[str, float]], room: Resources) -> int:
    """Nearly always none, of thousands: the first that is too little decides."""
    most = 1_000_000
    for name, amount in asked:
        have = room.get(name)
        if have is None and name == "memory":
            continue
        fit = int((have or 0.0) / amount + 1e-9)
        if fit <= 0:
            return 0
        most = min(most, fit)
    return most

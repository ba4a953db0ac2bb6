"""Placements that are left alone for a while, because they had no capacity, no quota or no rights, or because machines
there end before they have joined."""

from __future__ import annotations

import re
from collections.abc import Callable

from rayfaas.cloud.errors import CloudError
from rayfaas.cloud.machine import Machine

FIRST_S = 300.0
LONGEST_S = 3600.0
# Anything may end one machine. When the next one of the same placement does not join either, there is a pause.
LAME_S = 30.0
_NONE = (0.0, 0.0)
# How the name of a zone goes on after that of its region.
_ZONE = {"aws": r"(?<=\d)[a-z]$", "azure": r"-\d$", "gcp": r"-[a-z]$"}


def region_of(provider: str, place: str) -> str:
    """All that a quota holds for: a zone's name without its last part.

    >>> [region_of("aws", each) for each in ("us-east-1a", "us-east-1", "us-west-2-lax-1a")]
    ['us-east-1', 'us-east-1', 'us-west-2-lax-1']
    >>> [region_of("gcp", "us-central1-a"), region_of("azure", "eastus2-1"), region_of("azure", "eastus")]
    ['us-central1', 'eastus2', 'eastus']
    """
    return re.sub(_ZONE.get(provider, "$"), "", place)


class Cooldowns:
    """Five minutes, doubled each time up to an hour; forgotten when a launch there succeeds. For machines that do not
    join none for the first, then half a minute, doubled as well; forgotten when one joins. `clock` is Unix time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until: dict[str, tuple[float, float]] = {}  # (end, length)
        self._lame: dict[str, tuple[float, float]] = {}

    def block(self, provider: str, machine: Machine, error: CloudError) -> None:
        # Who does not answer will not for the other zones of its region.
        key = _keys(provider, machine)[error.blocks or ("region" if error.then == "again" else "placement")]
        _, length_s = self._until.get(key, (0.0, FIRST_S / 2))
        length_s = min(2 * length_s, LONGEST_S)
        self._until[key] = (self._clock() + length_s, length_s)

    def forget(self, provider: str, machine: Machine) -> None:
        for key in _keys(provider, machine).values():
            self._until.pop(key, None)

    def did_not_join(self, provider: str, machine: Machine) -> None:
        key = _keys(provider, machine)["placement"]
        length_s = 0.0
        if key in self._lame:
            length_s = min(2 * self._lame[key][1] or LAME_S, LONGEST_S)
        self._lame[key] = (self._clock() + length_s, length_s)

    def joined(self, provider: str, machine: Machine) -> None:
        self._lame.pop(_keys(provider, machine)["placement"], None)

    def ends_at(self, provider: str, machine: Machine) -> float:
        """When it may be tried again; 0: at once. A clock that was set back does not make it longer."""
        now, end = self._clock(), 0.0
        for key in _keys(provider, machine).values():
            for until, length_s in (self._until.get(key, _NONE), self._lame.get(key, _NONE)):
                if now < until <= now + length_s:
                    end = max(end, until)
        return end


def _keys(provider: str, machine: Machine) -> dict[str, str]:
    kind = f"{machine.type}/{'spot' if machine.spot else 'plain'}"
    return {
        "placement": f"{provider}/{machine.place}/{kind}",
        "region": f"{provider}/{region_of(provider, machine.place)}/{kind}/region",
        "cloud": f"{provider}",
    }

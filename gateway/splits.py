"""A target that several versions answer: which of them a call gets."""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from itertools import accumulate
from typing import Generic, NamedTuple, TypeVar

from rayfaas.destination import CALLER, HEADER

T = TypeVar("T")

Random = Callable[[], float]
"""A number from 0 to 1, 1 excluded."""


class WeighedRoute(NamedTuple, Generic[T]):
    """`version` is its number."""

    version: int
    weight: float
    route: T


class Split(Generic[T]):
    """Built when the routes change. `of` is what is split: who sticks to a version of one function does not therefore
    stick together with the same others in another."""

    def __init__(self, arms: Sequence[WeighedRoute[T]], sticky: str | None, of: str, random: Random) -> None:
        self._arms, self._of, self._random = arms, of.encode(), random
        self._routes = [arm.route for arm in arms]
        *self._limits, self._total = accumulate(arm.weight for arm in arms)
        self._by_caller = sticky == CALLER
        self._header = sticky.removeprefix(HEADER).lower().encode() if sticky and not self._by_caller else b""

    def choose(self, caller: str, headers: Mapping[bytes, bytes]) -> T:
        """By chance; the same for the same caller or header, on every gateway, where that is asked for."""
        if self._by_caller and caller:
            return self._sticking_to(caller.encode())
        if self._header and (value := headers.get(self._header)):
            return self._sticking_to(value)
        return self._routes[bisect(self._limits, self._random() * self._total)]

    def _sticking_to(self, key: bytes) -> T:
        """By rendezvous hashing: a version that gets more calls keeps those who had it, and takes others over."""
        return max(self._arms, key=lambda arm: self._score(arm, key)).route

    def _score(self, arm: WeighedRoute[T], key: bytes) -> float:
        digest = blake2b(b"%b\0%d\0%b" % (self._of, arm.version, key), digest_size=8).digest()
        # 52 bits, so that it is less than 1 after rounding.
        part = ((int.from_bytes(digest, "big") >> 12) + 0.5) / (1 << 52)
        return -arm.weight / math.log(part)

"""Has the registry work out what calls cost, a stretch of time after the other, when each is over."""

from __future__ import annotations

import logging
from collections.abc import Callable

from rayfaas.errors import Unavailable
from rayfaas.server.looking import look_every
from rayfaas.server.store import Store

_log = logging.getLogger("rayfaas.controller")

LOOK_S = 60.0
# What ran in a stretch may be told so late, by an executor or a journal of another machine. What comes later still has
# its stretch worked out again.
_LATE_S = 300.0


class Settling:
    """`clock` gives Unix time in seconds. It is worked out beside the writer of the registry, which only adds it."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store, self._spending, self._clock = store, store.registry.spending, clock
        self._is_too_much: set[int] = set()  # stretches with too many calls

    async def keep_looking(self) -> None:
        await look_every(LOOK_S, self.look, "what calls cost could not be settled")

    async def look(self) -> None:
        """Settle all that can be."""
        before_us = int((self._clock() - _LATE_S) * 1e6)
        try:
            while stretches := await self._store.query(self._spending.unsettled, before_us, self._is_too_much):
                for stretch in stretches:
                    await self._settle(stretch)
        except Unavailable as error:
            _log.error("what old calls cost is not settled, and it is tried again: %s", error)

    async def _settle(self, stretch: int) -> None:
        await self._store.write(self._spending.begin, stretch)
        worked = await self._store.query(self._spending.work_out, stretch)
        if worked is None:
            self._is_too_much.add(stretch)
            _log.info("too many calls ran from %d on to settle what they cost; each question does it", stretch)
        else:
            await self._store.write(self._spending.settle, worked)

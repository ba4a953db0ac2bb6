"""Idempotency keys are reserved many at a time: each transaction waits for the disk, however much is in it."""

from __future__ import annotations

import asyncio

from rayfaas.registry.spawned import Reservation
from rayfaas.server.journals import Journals
from rayfaas.server.store import Store


class Reservations:
    """Those who come while some are made are made together after them."""

    def __init__(self, store: Store, journals: Journals) -> None:
        self._store, self._journals = store, journals
        self._wanted: list[Reservation] = []
        self._next: asyncio.Task[list[str]] | None = None
        self._making = asyncio.Lock()

    async def make(self, wanted: Reservation) -> str:
        """The call that has the key now: the given one, or an earlier one."""
        index = len(self._wanted)
        self._wanted.append(wanted)
        if self._next is None:
            self._next = asyncio.ensure_future(self._make_all())
        return (await asyncio.shield(self._next))[index]

    async def _make_all(self) -> list[str]:
        async with self._making:
            wanted, self._wanted, self._next = self._wanted, [], None
            await self._journals.load()
            return await self._store.write(self._store.registry.spawned.reserve, wanted)

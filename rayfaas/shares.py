"""Places that are shared: of all that there are, each key has its share at most, so that none holds them all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary


class Shares:
    """`places` in all, `share` for one key. Who waits for a place of its key's holds none of the others."""

    def __init__(self, places: int, share: int) -> None:
        self._places, self._share = asyncio.Semaphore(places), share
        self._of_keys: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def place(self, key: str) -> AsyncIterator[None]:
        """Wait for one, and have it."""
        share = self._of_keys.get(key)
        if share is None:
            share = self._of_keys[key] = asyncio.Semaphore(self._share)
        async with share, self._places:
            yield

    def __len__(self) -> int:
        """How many keys have somebody who waits or has a place."""
        return len(self._of_keys)

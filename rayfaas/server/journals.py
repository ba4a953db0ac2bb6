"""When the gateways' journals are loaded: every second, and before every answer that has to know what was recorded."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from rayfaas.server.store import Store

_log = logging.getLogger("rayfaas.controller")

LOAD_S = 1.0
# A pass that found so many records is followed by the next without a pause.
_MANY = 50_000


class Journals:
    """Loads one pass at a time. Each begins with `copy`, which has here what was recorded on other machines."""

    def __init__(self, store: Store, copy: Callable[[], Awaitable[None]] | None = None) -> None:
        self._store, self._copy = store, copy
        self._next: asyncio.Task[int] | None = None
        self._passing = asyncio.Lock()

    async def keep_loading(self) -> None:
        while True:
            started = time.monotonic()
            loaded = await self.load()
            pause_s = 0.0 if loaded > _MANY else LOAD_S
            await asyncio.sleep(max(0.0, pause_s - (time.monotonic() - started)))

    async def load(self) -> int:
        """Returns the records added when all that was recorded before is in the registry.

        Who comes while a pass is under way waits for the one after it, together with all others who do.
        """
        if self._next is None:
            self._next = asyncio.ensure_future(self._pass())
        return await asyncio.shield(self._next)

    async def _pass(self) -> int:
        async with self._passing:
            self._next = None  # from here on, what is recorded may be missed: others need another pass
            try:
                if self._copy is not None:
                    await self._copy()
                return (await self._store.write(self._store.registry.load_journal)).rows
            except Exception:  # noqa: BLE001 a border: loading is tried again, and nothing is lost meanwhile
                _log.exception("the journal could not be loaded")
                return 0

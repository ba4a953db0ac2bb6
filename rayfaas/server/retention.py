"""What becomes of old calls and logs: they move to the archive, and are deleted when their time is over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from rayfaas.config import Retention
from rayfaas.errors import Unavailable
from rayfaas.registry.bucket import ArchiveAway
from rayfaas.server.looking import look_every
from rayfaas.server.outgoing import remove_forgotten
from rayfaas.server.store import Store

_log = logging.getLogger("rayfaas.controller")

LOOK_S = 600.0


class Retaining:
    """`clock` gives Unix time in seconds. Writing a file delays no other write of the registry."""

    def __init__(self, store: Store, retention: Retention, outgoing: Path, clock: Callable[[], float]) -> None:
        self._store, self._archive, self._clock = store, store.registry.archive, clock
        self._months = store.registry.months
        self._shipping, self._to = store.registry.shipping, retention.archive
        self._outgoing = outgoing
        self._leftovers: list[str] = []
        self._keep_arguments_s = min(retention.keep_arguments_s, retention.delete_calls_s or float("inf"))
        self._keep_s = {
            "calls": retention.keep_calls_s,
            "touches": retention.keep_calls_s,
            "logs": retention.keep_logs_s,
        }
        self._delete_s = {
            "calls": retention.delete_calls_s,
            "touches": retention.delete_calls_s,
            "logs": retention.delete_logs_s,
        }

    async def keep_looking(self) -> None:
        await look_every(LOOK_S, self.look, "old calls and logs could not be moved; they stay where they are")

    async def look(self) -> None:
        """Have everything where it belongs by its age."""
        await asyncio.to_thread(remove_forgotten, self._outgoing, self._clock())
        await self._store.write(self._store.registry.arguments.purge, self._before_us(self._keep_arguments_s))
        await self._store.write(self._archive.sweep)
        for kind, delete_s in self._delete_s.items():
            if delete_s is not None:
                await self._store.write(self._archive.delete, kind, self._before_us(delete_s))
        for kind, keep_s in self._keep_s.items():
            await self._move(kind, self._before_us(keep_s))
        try:
            if (delete_s := self._delete_s["calls"]) is not None:
                await self._store.write(self._store.registry.spending.forget_deleted, self._before_us(delete_s))
            await self._remove_leftovers()
            await self._ship()
            for kind in self._keep_s:
                await self._merge(kind)
            await self._ship()
        except (ArchiveAway, Unavailable) as error:
            _log.error("files of the archive stay where they are, and it is tried again: %s", error)

    async def _move(self, kind: str, before_us: int) -> None:
        while (day := await self._store.query(self._archive.day_to_move, kind, before_us)) is not None:
            partition = await self._store.query(self._archive.write, kind, day)
            await self._store.write(self._archive.settle, partition)
            _log.info("%d rows of %s are in %s", partition.rows, kind, partition.file)

    async def _merge(self, kind: str) -> None:
        """Days of months that are over, into one file of each month; a file whose first days are too old, into one
        without them."""
        delete_s = self._delete_s[kind]
        deleted_us = None if delete_s is None else self._before_us(delete_s)
        asked = kind, self._before_us(self._keep_s[kind]), deleted_us
        while (month := await self._store.query(self._months.next, *asked)) is not None:
            partition = await self._store.query(self._months.write, month)
            if not await self._store.write(self._months.settle, month, partition):
                _log.warning("%s does not count: it has not the rows of its %d files", partition.file, len(month.files))
                return
            _log.info("%d rows of %d files are in %s", partition.rows, len(month.files), partition.file)

    async def _remove_leftovers(self) -> None:
        """From stores; what became one just now may be read still, and is removed the next time."""
        leftovers, self._leftovers = self._leftovers, await self._store.query(self._shipping.leftovers)
        for url in sorted(set(leftovers) & set(self._leftovers)):
            await self._store.query(self._shipping.remove, url)
            await self._store.write(self._shipping.forget, url)

    async def _ship(self) -> None:
        """Move what is in the local folder to the store, where there is one; a file at a time."""
        while self._to and (shipment := await self._store.write(self._shipping.announce, self._to)) is not None:
            await self._store.query(self._shipping.send, shipment)
            if await self._store.write(self._shipping.settle, shipment):
                _log.info("%s is in %s", shipment.file, self._to)

    def _before_us(self, age_s: float) -> int:
        return int((self._clock() - age_s) * 1e6)

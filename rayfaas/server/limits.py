"""What teams, principals and functions may use, in force on every gateway when a change returns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sized
from typing import Any

import msgspec

from rayfaas.errors import RateLimited
from rayfaas.limit import Limit
from rayfaas.link import Link, Method
from rayfaas.registry.limits import LimitRow
from rayfaas.server.journals import Journals
from rayfaas.server.looking import look_every
from rayfaas.server.routing import RouteTable
from rayfaas.server.store import Store
from rayfaas.spec import parse

LOOK_S = 10.0


class Limits:
    """`methods` are for gateways, which ask on behalf of admins. `gateways` are those that share the limits."""

    def __init__(
        self,
        store: Store,
        journals: Journals,
        routing: RouteTable,
        gateways: Callable[[], Sized],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._journals, self._routing, self._gateways, self._now = store, journals, routing, gateways, now
        self._limits = store.registry.limits
        self._rows: list[LimitRow] = []
        self._spent: set[tuple[str, str]] = set()
        self._spent_until = 0.0
        self.methods: dict[str, Method] = {"limits": self._list, "set_limit": self._set, "drop_limit": self._drop}

    async def read(self) -> None:
        self._rows = await self._store.write(self._limits.all)
        await self.look()

    async def keep_looking(self) -> None:
        await look_every(LOOK_S, self.look, "limits could not be looked after")

    async def look(self) -> None:
        """Whose GPU time of the day is used up; the gateways hear of it where that changed."""
        if not any(row.gpu_s_per_day is not None for row in self._rows):
            spent, until = set[tuple[str, str]](), 0
        else:
            await self._journals.load()
            spent, until = await self._store.query(self._limits.spent, int(self._now() * 1e6))
        if (spent, until / 1e6) != (self._spent, self._spent_until):
            self._spent, self._spent_until = spent, until / 1e6
            await self.announce()

    async def announce(self) -> int:
        """Also where a gateway came or went: each has its part. Returns the revision from which it holds."""
        return await self._routing.set_limits([self._route(row) for row in self._rows], max(1, len(self._gateways())))

    def _route(self, row: LimitRow) -> dict[str, Any]:
        is_spent = (row.kind, row.name) in self._spent
        return {**msgspec.to_builtins(row), "spent_until": self._spent_until if is_spent else None}

    def check_gpu_time(self, principal: str, team: str, function: str) -> None:
        """Raises `RateLimited` where theirs of the day is used up."""
        for kind, name in (("principal", principal), ("team", team), ("function", function)):
            if (kind, name) in self._spent and self._now() < self._spent_until:
                raise RateLimited(f"The {kind} {name} has used its GPU time of the day, its limit.")

    # For gateways

    async def _list(self, link: Link) -> list[dict[str, Any]]:
        return [self._route(row) for row in self._rows]

    async def _set(
        self, link: Link, kind: str, name: str, limit: dict[str, Any], actor: str, reason: str
    ) -> dict[str, Any]:
        request: Limit = parse(Limit, limit, "The limit")
        await self._store.write(self._limits.put, kind, name, request, actor, reason)
        await self._changed()
        return next(self._route(row) for row in self._rows if (row.kind, row.name) == (kind, name))

    async def _drop(self, link: Link, kind: str, name: str, actor: str, reason: str) -> None:
        await self._store.write(self._limits.drop, kind, name, actor, reason)
        await self._changed()

    async def _changed(self) -> None:
        await self.read()
        await self._routing.applied(await self.announce())

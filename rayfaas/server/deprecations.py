"""Functions that are not to be called any more: their callers are told so with every answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from rayfaas.errors import BadRequest
from rayfaas.link import Link, Method
from rayfaas.server.catalog import Catalog, Function
from rayfaas.server.routing import RouteTable
from rayfaas.server.store import Store


class Deprecations:
    """In force on every gateway when a change returns. `methods` are for gateways, which ask on behalf of who may."""

    def __init__(self, store: Store, catalog: Catalog, routing: RouteTable) -> None:
        self._store, self._catalog, self._routing = store, catalog, routing
        self._rows = store.registry.deprecations
        self.methods: dict[str, Method] = {
            "deprecation": self._deprecation,
            "deprecate": self._deprecate,
            "end_deprecation": self._end_deprecation,
        }

    async def read(self) -> None:
        """What the registry has."""
        for (team, name), row in (await self._store.write(self._rows.all)).items():
            function = self._catalog.function(f"{team}/{name}")
            function.deprecation = row
            await self._routing.set_function(function.route())

    async def _deprecation(self, link: Link, team: str, name: str) -> dict[str, Any]:
        return _shown(self._catalog.existing(f"{team}/{name}"))

    async def _deprecate(
        self, link: Link, team: str, name: str, sunset_at: str | None, successor: str | None, actor: str, reason: str
    ) -> dict[str, Any]:
        function = self._catalog.existing(f"{team}/{name}")
        if successor is not None:
            self._check(function, self._catalog.existing(successor))
        ends_at = None if sunset_at is None else datetime.fromisoformat(sunset_at)
        function.deprecation = await self._store.write(self._rows.put, team, name, ends_at, successor, actor, reason)
        return await self._announced(function)

    async def _end_deprecation(self, link: Link, team: str, name: str, actor: str, reason: str) -> dict[str, Any]:
        function = self._catalog.existing(f"{team}/{name}")
        await self._store.write(self._rows.drop, team, name, actor, reason)
        function.deprecation = None
        return await self._announced(function)

    def _check(self, function: Function, successor: Function) -> None:
        if successor is function:
            raise BadRequest("A function is not its own successor: say which to call instead.")

    async def _announced(self, function: Function) -> dict[str, Any]:
        await self._routing.applied(await self._routing.set_function(function.route()))
        return _shown(function)


def _shown(function: Function) -> dict[str, Any]:
    row = function.deprecation
    told = {"deprecated_at": None, "deprecated_by": None, "sunset_at": None, "successor": None, "reason": ""}
    return {"function": f"{function.team}/{function.name}", **(told if row is None else msgspec.to_builtins(row))}

"""For whom functions are, in force on every gateway when a change returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rayfaas.link import Link, Method
from rayfaas.registry.grants import AccessRow
from rayfaas.server.catalog import Catalog, Function
from rayfaas.server.routing import RouteTable
from rayfaas.server.store import Store

EVERYBODY, TEAM = "everybody", "team"


class Access:
    """`methods` are for gateways, which ask on behalf of who may."""

    def __init__(self, store: Store, catalog: Catalog, routing: RouteTable) -> None:
        self._store, self._catalog, self._routing = store, catalog, routing
        self._grants = store.registry.grants
        self.methods: dict[str, Method] = {
            "access": self._access,
            "set_access": self._set_access,
            "grant": self._grant,
            "revoke_grant": self._revoke_grant,
        }

    async def read(self) -> None:
        """What the registry has; before anything else of these functions is announced."""
        for (team, name), access in (await self._store.write(self._grants.all)).items():
            function = self._catalog.function(f"{team}/{name}")
            function.access = access
            await self._routing.set_function(function.route())

    async def declare_new(self, team: str, name: str, access: str | None, actor: str) -> None:
        """Before the first version of a function is known to anybody."""
        if access == TEAM and not self._catalog.has(f"{team}/{name}"):
            await self.declare(self._catalog.function(f"{team}/{name}"), access, actor)

    async def declare(self, function: Function, access: str | None, actor: str) -> None:
        """What its code says of it; None says nothing."""
        if access is not None and function.access.is_closed != (access == TEAM):
            await self._set(function, access, actor, "deploy")

    # For gateways

    async def _access(self, link: Link, team: str, name: str) -> dict[str, Any]:
        return _shown(self._catalog.existing(f"{team}/{name}"))

    async def _set_access(
        self, link: Link, team: str, name: str, access: str, actor: str, reason: str
    ) -> dict[str, Any]:
        return await self._set(self._catalog.existing(f"{team}/{name}"), access, actor, reason)

    async def _grant(self, link: Link, team: str, name: str, grantee: str, actor: str, reason: str) -> dict[str, Any]:
        function = self._catalog.existing(f"{team}/{name}")
        return await self._change(function, self._grants.grant, grantee, actor, reason)

    async def _revoke_grant(
        self, link: Link, team: str, name: str, grantee: str, actor: str, reason: str
    ) -> dict[str, Any]:
        function = self._catalog.existing(f"{team}/{name}")
        return await self._change(function, self._grants.revoke, grantee, actor, reason)

    async def _set(self, function: Function, access: str, actor: str, reason: str) -> dict[str, Any]:
        method = self._grants.close if access == TEAM else self._grants.open
        return await self._change(function, method, actor, reason)

    async def _change(self, function: Function, method: Callable[..., AccessRow], *of: str) -> dict[str, Any]:
        function.access = await self._store.write(method, function.team, function.name, *of)
        await self._routing.applied(await self._routing.set_function(function.route()))
        return _shown(function)


def _shown(function: Function) -> dict[str, Any]:
    return {
        "function": f"{function.team}/{function.name}",
        "access": TEAM if function.access.is_closed else EVERYBODY,
        "grants": list(function.access.grants),
    }

"""What gateways ask of secrets: the vault keeps them, and executors that have old ones may be replaced."""

from __future__ import annotations

from typing import Any

from rayfaas.link import Link, Method
from rayfaas.server.answers import plain
from rayfaas.server.fleet import Fleet
from rayfaas.server.placement import Placement
from rayfaas.server.routing import RouteTable
from rayfaas.server.vault import Vault


class Secrets:
    """`methods` are for gateways."""

    def __init__(self, vault: Vault, fleet: Fleet, placement: Placement, routing: RouteTable) -> None:
        self._vault, self._fleet, self._placement, self._routing = vault, fleet, placement, routing
        self.methods: dict[str, Method] = {
            "secrets": self._secrets,
            "set_secret": self._set_secret,
            "delete_secret": self._delete_secret,
        }

    async def read(self) -> None:
        """What the registry has, and that gateways know which editions are in force."""
        await self._vault.read()
        await self._announce()

    async def _secrets(self, link: Link, team: str | None) -> list[Any]:
        return [plain(secret) for secret in self._vault.listed(team)]

    async def _set_secret(
        self, link: Link, team: str, name: str, values: dict[str, str], restart: bool, actor: str, reason: str = ""
    ) -> dict[str, Any]:
        """Executors that start from now on have it; with `restart` those that run are replaced. No result that was made
        with other values is given to a call any more."""
        users = await self._vault.set(team, name, values, actor, reason)
        await self._announce()
        restarted = [version.key for version in users if self._fleet.hosting(version.key)] if restart else []
        for version in users if restart else []:
            self._placement.restart(version)
        return {"team": team, "name": name, "keys": sorted(values), "restarted": restarted}

    async def _delete_secret(self, link: Link, team: str, name: str, actor: str, reason: str = "") -> None:
        await self._vault.delete(team, name, actor, reason)
        await self._announce()

    async def _announce(self) -> None:
        await self._routing.applied(await self._routing.set_secrets(self._vault.editions))

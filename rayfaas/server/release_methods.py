"""What gateways ask of aliases and canaries, from the words of a link to those of `Releases`, and back."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from rayfaas.canary import CanaryPlan
from rayfaas.destination import Move
from rayfaas.link import Link, Method
from rayfaas.registry.rows import MoveRow
from rayfaas.roles import Roles
from rayfaas.server.answers import plain
from rayfaas.server.canaries import Canaries
from rayfaas.server.catalog import Catalog
from rayfaas.server.protections import NO_RIGHTS
from rayfaas.server.releases import Releases
from rayfaas.spec import parse


class ReleaseMethods:
    """`methods` are for gateways."""

    def __init__(self, catalog: Catalog, releases: Releases, canaries: Canaries) -> None:
        self._catalog, self._releases, self._canaries = catalog, releases, canaries
        self.methods: dict[str, Method] = {
            "move_alias": self._move_alias,
            "rollback": self._rollback,
            "alias_at": self._alias_at,
            "aliases": self._list_aliases,
            "alias_history": self._alias_history,
            "begin_canary": self._begin_canary,
            "canary": self._canary,
            "abort_canary": self._abort_canary,
            "protections": self._protections,
            "protect": self._protect,
            "unprotect": self._unprotect,
        }

    async def _move_alias(
        self,
        link: Link,
        team: str,
        name: str,
        alias: str,
        move: dict[str, Any],
        actor: str,
        rights: Roles = NO_RIGHTS,
    ) -> dict[str, Any]:
        request: Move = parse(Move, move, "The move")
        return await self._releases.move(team, name, alias, request, actor, rights)

    async def _rollback(
        self, link: Link, team: str, name: str, alias: str, message: str, actor: str, rights: Roles = NO_RIGHTS
    ) -> dict[str, Any]:
        return await self._releases.rollback(team, name, alias, message, actor, rights)

    async def _protections(self, link: Link, team: str, name: str) -> list[dict[str, Any]]:
        return await self._releases.protections(team, name)

    async def _protect(
        self, link: Link, team: str, name: str, alias: str, who: list[str], actor: str, reason: str
    ) -> None:
        await self._releases.protect(team, name, alias, who, actor, reason)

    async def _unprotect(self, link: Link, team: str, name: str, alias: str, actor: str, reason: str) -> None:
        await self._releases.unprotect(team, name, alias, actor, reason)

    async def _alias_at(self, link: Link, team: str, name: str, alias: str, moment: float) -> dict[str, Any]:
        """`moment` is Unix time in seconds."""
        return await self._releases.at(team, name, alias, datetime.fromtimestamp(moment, timezone.utc))

    async def _list_aliases(self, link: Link, team: str, name: str) -> list[Any]:
        return [_move(row) for row in await self._releases.aliases(team, name)]

    async def _alias_history(self, link: Link, team: str, name: str, alias: str | None, limit: int) -> list[Any]:
        return [_move(row) for row in await self._releases.history(team, name, alias, limit)]

    async def _begin_canary(
        self,
        link: Link,
        team: str,
        name: str,
        alias: str,
        plan: dict[str, Any],
        actor: str,
        rights: Roles = NO_RIGHTS,
    ) -> dict[str, Any]:
        request: CanaryPlan = parse(CanaryPlan, plan, "The canary")
        await self._releases.begin(team, name, alias, request, actor, rights)
        return await self._canaries.shown(team, name, alias)

    async def _canary(self, link: Link, team: str, name: str, alias: str) -> dict[str, Any]:
        self._catalog.existing(f"{team}/{name}")
        return await self._canaries.shown(team, name, alias)

    async def _abort_canary(
        self, link: Link, team: str, name: str, alias: str, message: str, actor: str, rights: Roles = NO_RIGHTS
    ) -> dict[str, Any]:
        return await self._canaries.abort(team, name, alias, message, actor, rights)


def _move(row: MoveRow) -> dict[str, Any]:
    """As the API shows a move: with all that it leads to, in numbers and in words."""
    shown: dict[str, Any] = plain(row)
    del shown["split"]
    return shown | row.destination.model_dump(mode="json") | {"leads_to": str(row.destination)}

"""Members of teams. What a change takes from their tokens is taken on every gateway when it returns."""

from __future__ import annotations

from typing import Any

from rayfaas.errors import NotFound
from rayfaas.link import Link, Method
from rayfaas.registry.members import MemberRow
from rayfaas.server.answers import plain
from rayfaas.server.routing import RouteTable
from rayfaas.server.store import Store
from rayfaas.server.tokens import Tokens


class Members:
    """`methods` are for gateways, which ask on behalf of who may."""

    def __init__(self, store: Store, routing: RouteTable, tokens: Tokens) -> None:
        self._store, self._routing, self._tokens = store, routing, tokens
        self._members = store.registry.members
        self.methods: dict[str, Method] = {
            "teams": self._teams,
            "team": self._team,
            "set_member": self._set,
            "remove_member": self._remove,
        }

    async def _teams(self, link: Link) -> list[dict[str, Any]]:
        """Each with how many it has, and since when."""
        teams: dict[str, list[MemberRow]] = {}
        for row in await self._store.query(self._members.all):
            teams.setdefault(row.team, []).append(row)
        return [{"team": team, "members": len(rows), "since": _since(rows)} for team, rows in sorted(teams.items())]

    async def _team(self, link: Link, team: str) -> list[dict[str, Any]]:
        """Its members. Raises `NotFound` where it has none."""
        found = [row for row in await self._store.query(self._members.all) if row.team == team]
        if not found:
            raise NotFound(f"Nobody is in team {team}. `rayfaas team list` lists the teams.")
        return [plain(row) for row in found]

    async def _set(self, link: Link, team: str, principal: str, role: str, actor: str, reason: str) -> dict[str, Any]:
        row = await self._store.write(self._members.put, team, principal, role, actor, reason)
        await self._routing.applied(await self._tokens.announce())
        shown: dict[str, Any] = plain(row)
        return shown

    async def _remove(self, link: Link, team: str, principal: str, actor: str, reason: str) -> None:
        await self._store.write(self._members.remove, team, principal, actor, reason)
        await self._routing.applied(await self._tokens.announce())


def _since(rows: list[MemberRow]) -> str:
    return min(row.since for row in rows).isoformat()

"""Protected aliases: who may move them, asked before each move that somebody makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from rayfaas.errors import Forbidden, NotFound
from rayfaas.registry.members import MemberRow
from rayfaas.roles import Roles, rank
from rayfaas.server.store import Store

NO_RIGHTS: Roles = {}


class Protections:
    """What the registry has of them, in memory. A change is made under the function's lock, as every move is: none
    that began before it ends after it."""

    def __init__(self, store: Store) -> None:
        self._store, self._rows = store, store.registry.protections
        self._who: dict[tuple[str, str, str], tuple[str, ...]] = {}

    async def read(self) -> None:
        rows = await self._store.write(self._rows.all)
        self._who = {(row.team, row.name, row.alias): row.who for row in rows}

    def check(self, team: str, name: str, alias: str, actor: str, rights: Roles = NO_RIGHTS) -> None:
        """`rights` are the actor's roles by team. Raises `Forbidden`, which says who may."""
        who = self._who.get((team, name, alias))
        if who is not None and not any(_is_one(actor, rights, each) for each in who):
            raise Forbidden(
                f"{team}/{name}@{alias} is protected: {_listed(who)} may move it, and {actor} is none of them. "
                f"Another alias is free; an admin says who may: rayfaas protect {team}/{name} {alias} --who …",
                who=list(who),
            )

    async def put(self, team: str, name: str, alias: str, who: Sequence[str], actor: str, reason: str) -> None:
        """Raises `NotFound` for who is nobody: a name that was mistyped would let nobody move it."""
        members = await self._store.write(self._store.registry.members.all)
        for each in who:
            _check_is_somebody(each, members)
        await self._store.write(self._rows.put, team, name, alias, who, actor, reason)
        await self.read()

    async def drop(self, team: str, name: str, alias: str, actor: str, reason: str) -> None:
        """Raises `NotFound`."""
        await self._store.write(self._rows.drop, team, name, alias, actor, reason)
        await self.read()

    async def shown(self, team: str, name: str) -> list[dict[str, Any]]:
        """Of one function: alias, who, set_at, set_by and reason of each."""
        rows = await self._store.write(self._rows.all)
        return [msgspec.to_builtins(row) for row in rows if (row.team, row.name) == (team, name)]


def _is_one(actor: str, rights: Roles, who: str) -> bool:
    team, colon, role = who.rpartition(":")
    if not colon:
        return actor == who
    return team in rights and rank(rights[team]) >= rank(role)


def _check_is_somebody(who: str, members: Sequence[MemberRow]) -> None:
    if any(_is_one(member.principal, {member.team: member.role}, who) for member in members):
        return
    team, colon, role = who.rpartition(":")
    if colon:
        raise NotFound(f"Nobody is {role}, or more, in team {team!r}. `rayfaas team show {team}` lists who is in it.")
    raise NotFound(
        f"There is nobody called {who!r} in any team. `rayfaas team list` lists the teams; "
        f"rayfaas team add TEAM {who} lets somebody in."
    )


def _listed(who: Sequence[str]) -> str:
    return who[0] if len(who) == 1 else f"{', '.join(who[:-1])} and {who[-1]}"

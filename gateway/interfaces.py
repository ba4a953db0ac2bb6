"""How functions are called that somebody sees, as what is made of that: a document, a list of tools."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.openapi.functions import Callee
from rayfaas.gateway.principal import Reader
from rayfaas.gateway.routes import Routes
from rayfaas.gateway.sight import Sight

T = TypeVar("T")

_MOST_KEPT = 100
# By what it is the same: the team that names are short for, whose sight it is, the teams of who asks.
Seen = tuple[str, Reader | None, frozenset[str]]


class Interfaces(Generic[T]):
    """Keeps for each team what `make` made of the functions that it sees, until what is deployed changes."""

    def __init__(self, routes: Routes, controller: ControllerLink, make: Callable[[Sequence[Callee], str], T]) -> None:
        self._routes, self._controller, self._make = routes, controller, make
        self._kept: dict[Seen, tuple[int, T]] = {}

    async def of(self, sight: Sight) -> T:
        team = sight.principal.team
        seen = team, sight.reader, frozenset(sight.principal.teams)
        revision = self._routes.revision
        kept = self._kept.get(seen)
        if kept is not None and kept[0] == revision:
            return kept[1]
        rows = sight.seen(await self._controller.request("interfaces"))
        made = await asyncio.to_thread(self._make, [Callee(**row) for row in rows], team)
        self._keep(seen, revision, made)
        return made

    def _keep(self, key: Seen, revision: int, made: T) -> None:
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[key] = (revision, made)

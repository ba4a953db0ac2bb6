"""Where aliases lead: moves, splits, rollbacks, steps of canaries. Each is in force everywhere when it returns."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from rayfaas.canary import CanaryPlan
from rayfaas.destination import Destination, Move
from rayfaas.errors import BadRequest, NotFound
from rayfaas.registry.rows import AliasRow, CanaryRow, Figures, MoveRow
from rayfaas.roles import Roles
from rayfaas.server.catalog import Catalog, Function, Version, alias_route
from rayfaas.server.placement import Placement
from rayfaas.server.protections import NO_RIGHTS, Protections
from rayfaas.server.store import Store
from rayfaas.server.swaps import Swaps

# How long a move waits for executors that must come up, or go, before.
MOVE_S = 300.0

Write = Callable[[], Awaitable[AliasRow | None]]


class Releases:
    """Of one function one change at a time: `locks` are by `team/name`, and deploys hold them too."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        placement: Placement,
        swaps: Swaps,
        locks: Mapping[str, asyncio.Lock],
        protections: Protections,
    ) -> None:
        self._store, self._catalog, self._placement = store, catalog, placement
        self._swaps, self._locks, self._protections = swaps, locks, protections
        self._aliases, self._canaries = store.registry.aliases, store.registry.canaries

    async def move(
        self, team: str, name: str, alias: str, move: Move, actor: str, rights: Roles = NO_RIGHTS
    ) -> dict[str, Any]:
        """The alias as it is now. Raises `NotFound`, `BadRequest`, or what a version does not start with; where the
        alias is protected and the actor, who has `rights`, is not one of those who may move it, `Forbidden`."""
        async with self._locks[f"{team}/{name}"]:
            function = self._catalog.existing(f"{team}/{name}")
            self._protections.check(team, name, alias, actor, rights)
            now = function.aliases.get(alias)
            destination = move.destination(now.destination if now is not None else None)

            async def write() -> AliasRow:
                parts = (team, name, alias, destination, actor, move.message)
                return await self._store.write(self._aliases.move, *parts)

            return await self._lead(function, alias, destination, write)

    async def rollback(
        self, team: str, name: str, alias: str, reason: str, actor: str, rights: Roles = NO_RIGHTS
    ) -> dict[str, Any]:
        """Raises `NotFound`, `Forbidden`, or `Conflict` where it led nowhere before."""
        async with self._locks[f"{team}/{name}"]:
            function = self._catalog.existing(f"{team}/{name}")
            self._protections.check(team, name, alias, actor, rights)
            before = await self._store.write(self._aliases.before, team, name, alias)

            async def write() -> AliasRow:
                return await self._store.write(self._aliases.rollback, team, name, alias, actor, reason)

            return await self._lead(function, alias, before.destination, write)

    async def at(self, team: str, name: str, alias: str, moment: datetime) -> dict[str, Any]:
        """The alias as it was then, as a gateway takes it. Raises `BadRequest` for the future, or `NotFound`."""
        if moment > datetime.now(moment.tzinfo):
            raise BadRequest(f"Nobody knows where {team}/{name}@{alias} will lead at {moment:%Y-%m-%d %H:%M:%S} UTC.")
        row = await self._store.query(self._aliases.at, team, name, alias, moment)
        if row is None:
            raise NotFound(f"{team}/{name} had no alias {alias!r} at {moment:%Y-%m-%d %H:%M:%S} UTC.")
        return alias_route(row)

    async def aliases(self, team: str, name: str) -> list[MoveRow]:
        """Of each alias the move that is in force."""
        self._catalog.existing(f"{team}/{name}")
        return await self._store.query(self._aliases.current, team, name)

    async def history(self, team: str, name: str, alias: str | None, limit: int) -> list[MoveRow]:
        """The moves of one alias or of all, the newest first."""
        self._catalog.existing(f"{team}/{name}")
        return await self._store.query(self._aliases.history, team, name, alias, limit)

    # Who may

    async def protections(self, team: str, name: str) -> list[dict[str, Any]]:
        self._catalog.existing(f"{team}/{name}")
        return await self._protections.shown(team, name)

    async def protect(self, team: str, name: str, alias: str, who: list[str], actor: str, reason: str) -> None:
        """Only these may move an alias from now on, which need not be there yet."""
        async with self._locks[f"{team}/{name}"]:
            self._catalog.existing(f"{team}/{name}")
            await self._protections.put(team, name, alias, who, actor, reason)

    async def unprotect(self, team: str, name: str, alias: str, actor: str, reason: str) -> None:
        """Raises `NotFound` where it is not protected."""
        async with self._locks[f"{team}/{name}"]:
            await self._protections.drop(team, name, alias, actor, reason)

    def check(self, team: str, name: str, alias: str, actor: str, rights: Roles) -> None:
        """Raises `Forbidden`."""
        self._protections.check(team, name, alias, actor, rights)

    # Canaries

    async def begin(
        self, team: str, name: str, alias: str, plan: CanaryPlan, actor: str, rights: Roles = NO_RIGHTS
    ) -> None:
        """The first step; those that follow are the plan's. Raises `NotFound`, `Forbidden`, or `Conflict` where another
        one runs."""
        async with self._locks[f"{team}/{name}"]:
            function = self._catalog.existing(f"{team}/{name}")
            self._protections.check(team, name, alias, actor, rights)
            if alias not in function.aliases:
                raise NotFound(f"{team}/{name} has no alias {alias!r}: have it lead somewhere first, then change that.")
            first = function.aliases[alias].destination.with_share(plan.version, plan.steps[0])

            async def write() -> AliasRow:
                canary, row = await self._store.write(self._canaries.begin, team, name, alias, plan, actor)
                self.keep(canary)
                return row

            await self._lead(function, alias, first, write)

    async def advance(self, canary: CanaryRow, reason: str, figures: Figures, base: Figures) -> None:
        """The next step, or the end. Nothing happens where it does not run any more."""
        steps = canary.plan.steps[canary.step + 1 :]
        destination = canary.base.with_share(canary.plan.version, steps[0] if steps else 100.0)

        async def write() -> AliasRow | None:
            return await self._store.write(self._canaries.advance, canary, reason, figures, base)

        await self._step(canary, destination, write, is_last=not steps)

    async def give_up(
        self, canary: CanaryRow, state: str, reason: str, actor: str, figures: Figures, base: Figures
    ) -> None:
        """Return to where the alias led before: RETURNED or ABORTED."""

        async def write() -> AliasRow | None:
            return await self._store.write(self._canaries.give_up, canary, state, reason, actor, figures, base)

        await self._step(canary, canary.base, write, is_last=True)

    def keep(self, canary: CanaryRow) -> None:
        """What a canary may return to counts as served while it runs."""
        kept = frozenset(arm.version for arm in canary.base.arms)
        self._catalog.function(canary.function).kept[canary.alias] = kept

    async def _step(self, canary: CanaryRow, destination: Destination, write: Write, is_last: bool) -> None:
        async with self._locks[canary.function]:
            function = self._catalog.existing(canary.function)
            await self._lead(function, canary.alias, destination, write, is_over=is_last)

    # Inside

    async def _lead(
        self, function: Function, alias: str, destination: Destination, write: Write, is_over: bool = True
    ) -> dict[str, Any]:
        """Executors first, then the registry, then the gateways; at last those that nobody can reach any more end.

        `is_over`: nothing is kept for a canary that may return, unless `write` begins one.
        """
        arms = [self._version(function, arm.version) for arm in destination.arms]
        if destination.shadow is not None:
            self._version(function, destination.shadow.version)
        async with self._swaps.swap(function, alias, *arms) as swap:
            if swap is not None:
                await swap.clear(MOVE_S, lambda *_: None)
            else:
                await self._placement.ready(function, arms, MOVE_S, function.reached_by(alias))
            if is_over:
                function.kept.pop(alias, None)
            if (row := await write()) is not None:
                function.aliases[alias] = row
        await self._swaps.announce(function)
        self._placement.retire(function)
        for version in arms:
            self._placement.deployments.require(version)
        now = function.aliases[alias]
        return {
            "function": f"{function.team}/{function.name}",
            "alias": alias,
            "leads_to": str(now.destination),
            **alias_route(now),
        }

    def _version(self, function: Function, number: int) -> Version:
        if number not in function.versions:
            known = ", ".join(map(str, sorted(function.versions))) or "none"
            name = f"{function.team}/{function.name}"
            raise NotFound(f"{name} has no version {number} that can be called. It has: {known}.")
        return function.versions[number]

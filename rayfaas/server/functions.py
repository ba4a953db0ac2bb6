"""What is done to a function as a whole: its scaling is changed, it is deleted, or one of its versions is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from rayfaas.background import Background
from rayfaas.errors import Conflict, NotFound, RayfaasError
from rayfaas.link import Link, Method
from rayfaas.roles import Roles
from rayfaas.scaling import Rescale
from rayfaas.server.catalog import Catalog, Function, Version
from rayfaas.server.fleet import Fleet
from rayfaas.server.placement import Placement
from rayfaas.server.protections import NO_RIGHTS, Protections
from rayfaas.server.schedules import Schedules
from rayfaas.server.store import Store
from rayfaas.server.swaps import Swaps
from rayfaas.spec import parse

_log = logging.getLogger("rayfaas.controller")

# How long calls of what was deleted may go on before its files on the nodes are left where they are.
FINISH_S = 700.0


class Functions:
    """Of one function one change at a time: `locks` are by `team/name`, and deploys hold them too.

    `refuse(key, error)` answers the calls that wait at the gateways for a version.
    """

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        placement: Placement,
        swaps: Swaps,
        locks: Mapping[str, asyncio.Lock],
        fleet: Fleet,
        refuse: Callable[[str, RayfaasError], None],
        protections: Protections,
        schedules: Schedules,
    ) -> None:
        self._store, self._catalog, self._placement = store, catalog, placement
        self._swaps, self._locks, self._fleet, self._refuse = swaps, locks, fleet, refuse
        self._protections, self._schedules = protections, schedules
        self._background = Background()
        self.methods: dict[str, Method] = {"scale": self._scale, "delete": self._delete}

    async def read_registry(self) -> None:
        """What is deleted, so that callers are told that and why."""
        for row in await self._store.write(self._store.registry.deletions.gone):
            function = self._catalog.function(f"{row.team}/{row.name}")
            if row.version is None:
                function.end(str(row))
            else:
                function.deleted[row.version] = str(row)
            await self._swaps.announce(function)

    async def scale(self, team: str, name: str, rescale: Rescale, actor: str) -> dict[str, Any]:
        """The scaling that is in force now, and the clusters whose deployments follow it already. No replica is
        restarted. Raises `NotFound` or `BadRequest`."""
        async with self._locks[f"{team}/{name}"]:
            function = self._catalog.existing(f"{team}/{name}")
            scaling = rescale.scaling(function.scaling)
            await self._store.write(self._store.registry.catalog.scale, team, name, scaling, actor, rescale.message)
            function.scaling = scaling
            await self._swaps.announce(function)
            clusters = await self._placement.deployments.rescale(function)
        return {"function": f"{team}/{name}", "scaling": scaling.model_dump(mode="json"), "clusters": clusters}

    async def delete(
        self, team: str, name: str, version: int | None, actor: str, reason: str, rights: Roles = NO_RIGHTS
    ) -> dict[str, Any]:
        """New calls are refused when it returns; those under way finish. Raises `NotFound`, `Conflict` where calls
        through an alias may reach the version, or `Forbidden` where it would take a protected alias away."""
        async with self._locks[f"{team}/{name}"]:
            function = self._catalog.existing(f"{team}/{name}")
            for alias in function.aliases if version is None else ():
                self._protections.check(team, name, alias, actor, rights)
            going = [_deletable(function, version)] if version is not None else list(function.versions.values())
            row = await self._store.write(self._store.registry.deletions.delete, team, name, version, actor, reason)
            if version is None:
                function.end(str(row))
            else:
                del function.versions[version]
                function.deleted[version] = str(row)
            await self._swaps.announce(function)
            await self._schedules.changed(team, name)
            self._placement.retire(function)
        for each in going:
            self._refuse(each.key, NotFound(str(row)))
        self._background.run(self._forget(going))
        return {"function": f"{team}/{name}", "versions": [each.number for each in going], "detail": str(row)}

    async def _scale(self, link: Link, team: str, name: str, scaling: dict[str, Any], actor: str) -> dict[str, Any]:
        rescale: Rescale = parse(Rescale, scaling, "The scaling")
        return await self.scale(team, name, rescale, actor)

    async def _delete(
        self,
        link: Link,
        team: str,
        name: str,
        version: int | None,
        message: str,
        actor: str,
        rights: Roles = NO_RIGHTS,
    ) -> dict[str, Any]:
        return await self.delete(team, name, version, actor, message, rights)

    async def _forget(self, versions: list[Version]) -> None:
        """When their executors are gone, the nodes need their code no more."""
        try:
            await self._fleet.wait_gone({version.key for version in versions}, FINISH_S)
        except asyncio.TimeoutError:
            _log.warning("calls of %s still run; its files stay on the nodes", versions[0].function)
            return
        for digest in {version.bundle for version in versions}:
            if not await self._store.query(self._store.registry.deletions.needs_bundle, digest):
                for member in self._fleet.members():
                    member.link.notify("forget_bundle", digest=digest)


def _deletable(function: Function, number: int) -> Version:
    name = f"{function.team}/{function.name}"
    if number not in function.versions:
        known = ", ".join(map(str, sorted(function.versions))) or "none"
        raise NotFound(f"{name} has no version {number} that can be deleted. It has: {known}.")
    leading = [alias for alias, row in function.aliases.items() if number in row.versions]
    if leading:
        raise Conflict(f"{name}@{leading[0]} leads to version {number}: move the alias first, then delete it.")
    if number in function.leads_to():
        raise Conflict(f"A canary of {name} may return to version {number}: wait for its end, or abort it.")
    return function.versions[number]

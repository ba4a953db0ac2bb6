"""What the calls of each version wait for, from the machine to its executor, told to the gateways as it changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rayfaas.link import Link
from rayfaas.server.catalog import Catalog, Version
from rayfaas.server.clusters import LOCAL
from rayfaas.server.fleet import Fleet
from rayfaas.server.head import Head
from rayfaas.server.looking import look_every
from rayfaas.server.machines import Machines
from rayfaas.server.placement import Placement
from rayfaas.server.room import resources_of

LOOK_S = 0.2

Stage = tuple[str, str]
"""An event, as callers get it, and what is waited for in words."""


class Awaited:
    """Placement knows how far a start is, head and machines why it takes time."""

    def __init__(
        self,
        catalog: Catalog,
        fleet: Fleet,
        placement: Placement,
        head: Head,
        machines: Machines,
        gateways: Callable[[], Iterable[Link]],
    ) -> None:
        self._catalog, self._fleet, self._placement = catalog, fleet, placement
        self._head, self._machines, self._gateways = head, machines, gateways
        self._told: dict[Link, dict[str, Stage]] = {}

    async def keep_looking(self) -> None:
        await look_every(LOOK_S, self._look, "gateways could not be told what calls wait for")

    async def _look(self) -> None:
        self.look()

    def look(self) -> None:
        """Tell each gateway what it does not know."""
        now = {key: self._stage(key, *stage) for key, stage in self._placement.stages.items()}
        told, self._told = self._told, {}
        for link in self._gateways():
            known = told.get(link, {})
            for key, (event, awaits) in now.items() - known.items():
                link.notify("progress", key=key, event=event, awaits=awaits)
            for key in known.keys() - now.keys():
                link.notify("progress", key=key, event="", awaits="")
            self._told[link] = now

    def _stage(self, key: str, phase: str, detail: str) -> Stage:
        version = self._catalog.version(key)
        if phase != "replica" or version is None:
            return phase, detail
        head, machine = self._head.shown(), self._machines.coming(LOCAL, resources_of(version.spec.shape))
        if self._is_here(version) and LOCAL not in self._fleet.agents():
            return "node_starting", f"the head of {LOCAL}: {head['reason']}"
        if machine is not None and machine.ray is None and not version.spec.shape.fits_warm:
            trouble = f"; {machine.trouble}" if machine.trouble else ""
            return "node_starting", f"{machine.name}: {machine.reason}{trouble}"
        return "node_running", detail

    def _is_here(self, version: Version) -> bool:
        return self._placement.deployments.cluster_of(version) in (None, LOCAL)

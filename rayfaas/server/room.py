"""Room on a cluster that is full: functions that nobody calls give way to one that waits for its first replica.

Without that the first model on the only GPU would keep it for minutes after its last call, and the others wait. Where a
machine can be had, or is on its way, it is waited for instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping

from rayfaas.cloud.demand import RayNode, Resources, View, times
from rayfaas.server.catalog import Version
from rayfaas.server.deployments import Deployments
from rayfaas.server.fleet import Fleet, Progress
from rayfaas.server.views import view_of
from rayfaas.spec import Shape

_log = logging.getLogger("rayfaas.controller")

LOOK_S = 1.0
# How long what gives way may take to be gone, before more does.
GONE_S = 20.0

CanBring = Callable[[str, Resources], bool]
"""Whether a machine for so much can come to a cluster, or is on its way."""


class Room:
    """Makes it. Who goes comes again with its next call, as after any rest."""

    def __init__(self, fleet: Fleet, deployments: Deployments, can_bring: CanBring) -> None:
        self._fleet, self._deployments, self._can_bring = fleet, deployments, can_bring

    async def make(self, version: Version, progress: Progress) -> None:
        """As often as it is needed, until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            cluster = self._deployments.cluster_of(version)
            if cluster is None:
                continue
            for application in await self._in_the_way(version, cluster):
                progress("replica", f"{application} gives way: nobody calls it")
                _log.info("%s gives way to %s", application, version.function)
                await self._deployments.end(application)
                with contextlib.suppress(asyncio.TimeoutError):
                    await self._fleet.wait_left(application, GONE_S)

    async def _in_the_way(self, version: Version, cluster: str) -> list[str]:
        """The applications that have to go, where Ray has no room for a replica of the version."""
        agent, wanted = self._fleet.agents().get(cluster), resources_of(version.spec.shape)
        if agent is None or self._can_bring(cluster, wanted):
            return []
        view = await view_of(agent)
        return self._fewest(version, wanted, view) if view is not None and _waits(wanted, view) else []

    def _fewest(self, version: Version, wanted: Resources, view: View) -> list[str]:
        idle = self._deployments.idle()
        idle.pop(version.application, None)
        nodes = [node for node in view.nodes if not node.is_draining]
        if any(times(wanted, node.free) for node in nodes):
            return []  # Ray is about to use it
        return min(filter(None, (self._on(node, idle, wanted) for node in nodes)), key=len, default=[])

    def _on(self, node: RayNode, idle: Mapping[str, Version], wanted: Resources) -> list[str]:
        """Those of a node that make it large enough, the longest idle first; none where all would not."""
        free, going = dict(node.free), []
        for application, version in idle.items():
            replicas = sum(member.node == node.id for member in self._fleet.members(application))
            if not replicas:
                continue
            going.append(application)
            for name, amount in resources_of(version.spec.shape).items():
                free[name] = free.get(name, 0.0) + replicas * amount
            if times(wanted, free):
                return going
        return []


def resources_of(shape: Shape) -> dict[str, float]:
    """What a replica takes of its node, as Ray counts it: memory in bytes.

    >>> resources_of(Shape(gpus=1, memory_mb=1))
    {'CPU': 1.0, 'GPU': 1.0, 'memory': 1048576.0}
    """
    asked = {"CPU": shape.cpus, "GPU": shape.gpus, "memory": shape.memory_mb * 1024.0 * 1024.0, **shape.resources}
    if shape.accelerator:
        asked[f"accelerator_type:{shape.accelerator}"] = 0.001
    return {name: float(amount) for name, amount in asked.items() if amount}


def _waits(wanted: Resources, view: View) -> bool:
    return any(dict(asked) == dict(wanted) for asked, _ in view.waiting)

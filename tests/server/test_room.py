"""Room: on a full cluster what nobody calls gives way to what waits for a replica, and nothing else does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rayfaas.cloud.demand import Resources
from rayfaas.server import room as server_room
from rayfaas.server.deployments import QUIET_S
from rayfaas.server.placement import Placement
from rayfaas.spec import Scaling, Shape, Spec
from tests.server.parts import GPU, Peer, serve, silent, version
from tests.server.test_placement import Site
from tests.waiting import eventually

NODE = "node"


class FullSite(Site):
    """One node, whose only GPU a function has; Ray tells what waits."""

    def __init__(self) -> None:
        super().__init__()
        self.asks, self.can_bring = 0, False
        self.placement = Placement(self.fleet, self.catalog, self.loads, lambda *_: None, can_bring=self.brings)
        self.free: dict[str, float] = {"CPU": 8.0}
        self.waiting: list[Any] = [[{"CPU": 1.0, "GPU": 1.0}, 1]]
        self.agent.answers["view"] = self.view

    def view(self, **_: Any) -> dict[str, Any]:
        node = {"id": NODE, "attempt": "", "idle_s": 0.0, "is_draining": False, "free": self.free}
        return {"nodes": [node], "waiting": self.waiting}

    async def have(self, name: str, spec: Spec = GPU) -> Peer:
        """A function with a deployment that has a replica on the node."""
        there = version(name, spec=spec)
        serve(self.catalog, there, scaling=spec.scaling)
        self.placement.deployments.require(there)
        await eventually(lambda: ("ensure", there.application) in self.asked_of_agent)
        peer = Peer(spawn={"executor": "e", "interface": {}, "import_ms": 0})
        member = await self.join(peer, there, application=there.application)
        member.node = NODE
        await self.placement.member_up(member)
        self.loads.touch(there.key)
        return peer

    async def waits(self, spec: Spec = GPU) -> asyncio.Task[dict[str, Any]]:
        serve(self.catalog, version("red/wants", spec=spec))
        self.clock.now += QUIET_S + 1
        return asyncio.ensure_future(self.placement.start(version("red/wants", spec=spec), 20, silent))

    def brings(self, cluster: str, asked: Resources) -> bool:
        self.asks += 1
        return self.can_bring

    def deleted(self) -> list[str]:
        return [parameters["application"] for parameters in self.agent.asked_for("delete")]


@pytest.fixture
async def site(monkeypatch: pytest.MonkeyPatch) -> FullSite:
    monkeypatch.setattr(server_room, "LOOK_S", 0.001)
    monkeypatch.setattr(server_room, "GONE_S", 0.001)
    site = FullSite()
    await site.agent_up()
    return site


async def ended(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.wait([task])


async def test_what_nobody_calls_gives_way(site: FullSite) -> None:
    await site.have("red/idle")
    waiting = await site.waits()
    await eventually(lambda: site.deleted() == [version("red/idle", spec=GPU).application])
    await ended(waiting)


async def test_who_waits_hears_of_it(site: FullSite) -> None:
    await site.have("red/idle")
    serve(site.catalog, version("red/wants", spec=GPU))
    site.clock.now += QUIET_S + 1
    told: list[str] = []
    start = site.placement.start(version("red/wants", spec=GPU), 20, lambda _, detail: told.append(detail))
    waiting = asyncio.ensure_future(start)
    await eventually(lambda: f"{version('red/idle', spec=GPU).application} gives way: nobody calls it" in told)
    await ended(waiting)


@pytest.mark.parametrize("why", ["called", "minimum", "too small", "not full", "nothing waits", "a machine comes"])
async def test_nothing_gives_way_needlessly(site: FullSite, why: str) -> None:
    spec = Spec(shape=Shape(gpus=1), scaling=Scaling(min_replicas=1 if why == "minimum" else 0))
    await site.have("red/idle", spec)
    wanted = Spec(shape=Shape(gpus=2)) if why == "too small" else GPU
    waiting = await site.waits(wanted)
    if why == "called":
        site.report(version("red/idle", spec=spec), in_flight=1)
    elif why == "too small":
        site.waiting = [[{"CPU": 1.0, "GPU": 2.0}, 1]]
    elif why == "not full":
        site.free = {"CPU": 8.0, "GPU": 1.0}
    elif why == "nothing waits":
        site.waiting = []
    elif why == "a machine comes":
        site.can_bring = True
    before = site.asks
    await eventually(lambda: site.asks > before + 3)
    assert site.deleted() == []
    await ended(waiting)

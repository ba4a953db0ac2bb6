"""With several clusters a function runs where it says, else near, and where it can when a cluster is lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rayfaas.errors import DeployTimeout
from rayfaas.server.catalog import Version
from rayfaas.server.fleet import Member
from rayfaas.spec import Scaling, Shape, Spec
from tests.server.parts import GPU, Peer, member, serve, settle, silent, supervisor, version
from tests.server.test_placement import IDLE, Site
from tests.waiting import eventually


def nodes(gpus: float = 0.0) -> list[dict[str, Any]]:
    amounts = {"CPU": 8.0, "GPU": gpus}
    return [{"state": "up", "resources": amounts, "free": amounts}]


class Sites(Site):
    """A placement with the clusters `near` and `far`."""

    def __init__(self) -> None:
        super().__init__()
        self.agents = {"near": Peer(nodes=nodes()), "far": Peer(nodes=nodes(gpus=1))}
        self.agents["far"].is_remote = True

    async def up(self, *names: str) -> None:
        for name in names or self.agents:
            await self.fleet.agent_up(name, self.agents[name].link)

    async def lose(self, cluster: str) -> None:
        await self.fleet.leave(self.agents[cluster].link)
        for each in [m for m in self.fleet.members() if m.cluster == cluster]:
            await self.fleet.leave(each.link)

    async def supervisor_up(self, cluster: str, application: str = "warm", *hosted: Version) -> Peer:
        peer = supervisor()
        peer.is_remote = cluster == "far"
        joined: Member = member(peer, application, list(hosted), cluster=cluster)
        await self.fleet.join(joined)
        await self.placement.member_up(joined)
        return peer

    def asked(self, cluster: str) -> list[str]:
        return [method for method, _ in self.agents[cluster].asked if method != "nodes"]


@pytest.fixture
async def sites() -> Sites:
    return Sites()


def bound(cluster: str) -> Version:
    return version(spec=Spec(shape=Shape(cluster=cluster)))


async def test_a_function_without_a_cluster_runs_near_and_one_with_it_there(sites: Sites) -> None:
    far, near = await sites.supervisor_up("far"), await sites.supervisor_up("near")
    await sites.placement.start(version(), 5, silent)
    await sites.placement.start(bound("far"), 5, silent)
    assert (near.spawned, far.spawned) == (["red/f:1"], ["red/f:1"])


async def test_of_two_that_are_as_near_the_one_with_less_to_do_runs_it(sites: Sites) -> None:
    busy, idle = await sites.supervisor_up("near", "warm", version("red/g")), await sites.supervisor_up("near")
    await sites.placement.start(version(), 5, silent)
    assert (busy.spawned, idle.spawned) == ([], ["red/f:1"])


async def test_without_its_cluster_a_function_waits_and_then_says_which(sites: Sites) -> None:
    await sites.supervisor_up("near")
    with pytest.raises(DeployTimeout, match="1 CPU on the cluster far came up"):
        await sites.placement.start(bound("far"), 0.01, silent)


async def test_a_function_moves_when_its_cluster_is_lost(sites: Sites) -> None:
    near, far = await sites.supervisor_up("near"), await sites.supervisor_up("far")
    serve(sites.catalog, version())
    await sites.placement.start(version(), 5, silent)
    await sites.lose("near")
    sites.placement.demand("red/f:1")
    await eventually(lambda: far.spawned == ["red/f:1"])
    assert near.spawned == ["red/f:1"]


async def test_a_deployment_goes_to_the_cluster_that_can_hold_it(sites: Sites) -> None:
    await sites.up()
    gpu = version(spec=GPU)
    starting = asyncio.ensure_future(sites.placement.start(gpu, 20, silent))
    await eventually(lambda: sites.asked("far") == ["ensure", "wake"])
    assert sites.asked("near") == []
    await sites.supervisor_up("far", gpu.application)
    await starting


async def test_a_deployment_that_must_have_replicas_moves_and_leaves_the_cluster_that_comes_back(sites: Sites) -> None:
    sites.agents["near"].answers["nodes"] = nodes(gpus=1)
    await sites.up()
    kept = version(spec=Spec(shape=Shape(gpus=1), scaling=Scaling(min_replicas=1)))
    serve(sites.catalog, kept, scaling=Scaling(min_replicas=1))
    sites.placement.deployments.require(kept)
    await eventually(lambda: sites.asked("near") == ["ensure"])
    await sites.supervisor_up("near", kept.application)
    await sites.lose("near")
    await sites.placement.tick(IDLE)
    await eventually(lambda: sites.asked("far") == ["ensure", "wake"])
    own = await sites.supervisor_up("far", kept.application)
    assert own.spawned == ["red/f:1"]
    await sites.up("near")
    late = await sites.supervisor_up("near", kept.application)
    await eventually(lambda: sites.asked("near") == ["ensure", "delete"])
    assert late.spawned == []


async def test_a_deployment_that_waits_in_vain_moves_to_a_cluster_that_comes_and_can_hold_it(sites: Sites) -> None:
    await sites.up("near")
    gpu = version(spec=GPU)
    starting = asyncio.ensure_future(sites.placement.start(gpu, 20, silent))
    await eventually(lambda: sites.asked("near") == ["ensure", "wake"])
    await sites.up("far")
    await sites.placement.deployments.agent_up("far", Peer(applications={}).link)
    await eventually(lambda: sites.asked("far") == ["ensure", "wake"] and sites.asked("near")[-1] == "delete")
    await sites.supervisor_up("far", gpu.application)
    await starting


async def test_a_deployment_of_a_cluster_stays_its_own(sites: Sites) -> None:
    await sites.up("near")
    own = version(spec=Spec(shape=Shape(gpus=1, cluster="far")))
    starting = asyncio.ensure_future(sites.placement.start(own, 20, silent))
    await settle()
    assert sites.asked("near") == []
    await sites.up("far")
    await eventually(lambda: sites.asked("far") == ["ensure", "wake"])
    await sites.supervisor_up("far", own.application)
    await starting

"""What the cluster of this machine is needed for: its own calls, not those of other clusters."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from rayfaas.server.deploys import Deploys
from rayfaas.server.fleet import WARM
from rayfaas.server.use import Use
from rayfaas.spec import Scaling, Shape, Spec
from tests.server.parts import Peer, member, serve, settle, supervisor, version
from tests.server.test_placement import Site


class Quiet:
    """No deploy, unless one is set."""

    deployed = ""

    def under_way(self) -> str:
        return self.deployed


class Used(Site):
    def __init__(self) -> None:
        super().__init__()
        self.gateways, self.deploys = [self.gateway.link], Quiet()
        deploys = cast(Deploys, self.deploys)
        self.use = Use(self.catalog, self.fleet, self.loads, self.placement, deploys, lambda: self.gateways)


@pytest.fixture
async def used() -> Used:
    return Used()


async def test_nothing_is_nothing(used: Used) -> None:
    serve(used.catalog, version())
    assert (used.use.calls(), used.use.minimum()) == ("", "")


async def test_what_can_not_be_known_is_use(used: Used) -> None:
    used.gateways.clear()
    assert used.use.calls() == "no gateway tells what is called"


@pytest.mark.parametrize(
    ("cluster", "told"), [("local", "red/f:1 is called"), ("lab", ""), (None, "red/f:1 is called")]
)
async def test_calls_count_where_they_run_or_may(used: Used, cluster: str | None, told: str) -> None:
    serve(used.catalog, version())
    if cluster is not None:
        await used.fleet.join(member(supervisor(), hosted=[version()], cluster=cluster))
    used.report(version(), in_flight=1)
    assert used.use.calls() == told


async def test_calls_of_a_function_of_another_cluster_do_not_count(used: Used) -> None:
    bound = version(spec=Spec(shape=Shape(cluster="lab")))
    serve(used.catalog, bound, scaling=Scaling(min_replicas=1))
    used.report(bound, waiting=1)
    assert (used.use.calls(), used.use.minimum()) == ("", "")


async def test_functions_that_must_have_replicas_count(used: Used) -> None:
    serve(used.catalog, version(), scaling=Scaling(min_replicas=2))
    assert used.use.minimum() == "red/f is to have 2 replica(s)"


async def test_deploys_and_whoever_waits_count(used: Used) -> None:
    used.deploys.deployed = "red/f"
    assert used.use.calls() == "red/f is deployed"
    used.deploys.deployed = ""
    waiting = asyncio.ensure_future(used.fleet.wait_for(WARM, 20))
    await settle()
    assert used.use.calls() == "it is waited for"
    await used.fleet.join(member(Peer(), cluster="local"))
    await waiting
    assert used.use.calls() == ""

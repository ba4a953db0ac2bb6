"""Deployments: which clusters are asked for which, when a function's scaling changes, and when a cluster comes."""

from __future__ import annotations

import pytest

from rayfaas.errors import RayfaasError, Unavailable
from rayfaas.spec import Scaling
from tests.server.parts import GPU, serve, settle, version
from tests.server.test_placement import Site


@pytest.fixture
async def site() -> Site:
    return Site()


# Scaling without a deploy


async def test_deployments_follow_a_new_scaling_at_once(site: Site) -> None:
    await site.agent_up()
    serve(site.catalog, version(), scaling=Scaling(min_replicas=1))
    assert await site.placement.deployments.rescale(site.catalog.function("red/f")) == ["lab"]
    assert site.agent.asked_for("ensure")[0]["scaling"]["min_replicas"] == 1
    site.catalog.function("red/f").scaling = Scaling(max_replicas=3)
    assert await site.placement.deployments.rescale(site.catalog.function("red/f")) == ["lab"]
    assert site.agent.asked_for("ensure")[1]["scaling"]["max_replicas"] == 3


async def test_a_function_without_deployment_has_none_to_follow(site: Site) -> None:
    await site.agent_up()
    serve(site.catalog, version(), scaling=Scaling(max_replicas=3))
    assert await site.placement.deployments.rescale(site.catalog.function("red/f")) == []
    assert site.asked_of_agent == []


async def test_a_cluster_that_refuses_is_not_told_of_as_one_that_follows(site: Site) -> None:
    await site.agent_up()
    serve(site.catalog, version(), scaling=Scaling(min_replicas=1))
    site.agent.answers["ensure"] = RayfaasError("Serve failed")
    assert await site.placement.deployments.rescale(site.catalog.function("red/f")) == []


async def test_without_a_cluster_a_new_scaling_waits_for_one(site: Site) -> None:
    serve(site.catalog, version(), scaling=Scaling(min_replicas=1))
    assert await site.placement.deployments.rescale(site.catalog.function("red/f")) == []
    await site.agent_up()
    await site.placement.deployments.agent_up("lab", site.agent.link)
    await settle()
    assert site.asked_of_agent == [("ensure", version().application)]


# A cluster comes


async def test_a_fresh_cluster_gets_the_deployments_that_there_should_be(site: Site) -> None:
    await site.agent_up()
    gpu, plain = version("red/g", spec=GPU), version("red/p")
    minimum = version("red/m")
    serve(site.catalog, gpu, plain)
    serve(site.catalog, minimum, scaling=Scaling(min_replicas=2))
    await site.placement.deployments.agent_up("lab", site.agent.link)
    await settle()
    assert site.asked_of_agent == [("ensure", minimum.application)]  # the others when they are called
    site.report(gpu, waiting=1)
    await site.placement.deployments.agent_up("lab", site.agent.link)
    await settle()
    assert set(site.asked_of_agent) == {("ensure", gpu.application), ("ensure", minimum.application)}


async def test_what_a_cluster_still_runs_of_functions_that_are_gone_is_deleted(site: Site) -> None:
    await site.agent_up()
    serve(site.catalog, version())
    site.agent.answers["applications"] = {"red--gone--1": {}, version().application: {}}
    await site.placement.deployments.agent_up("lab", site.agent.link)
    await settle()
    assert sorted(site.asked_of_agent) == [("delete", "red--gone--1"), ("ensure", version().application)]


async def test_a_cluster_that_does_not_say_what_it_runs_loses_nothing(site: Site) -> None:
    await site.agent_up()
    serve(site.catalog, version(spec=GPU))
    site.agent.answers["applications"] = Unavailable()
    await site.placement.deployments.agent_up("lab", site.agent.link)
    await settle()
    assert site.asked_of_agent == [("ensure", version(spec=GPU).application)]

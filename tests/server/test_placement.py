"""Versions run where their function is served, come when they are called, and end when nobody calls them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rayfaas.errors import DeployTimeout, ImportFailed, NoCapacity, NotFound, RayfaasError, Unavailable
from rayfaas.server import deployments
from rayfaas.server import placement as server_placement
from rayfaas.server.catalog import Catalog, Version
from rayfaas.server.fleet import Fleet, Member
from rayfaas.server.loads import Loads
from rayfaas.server.placement import UNSERVED_IDLE_S, Placement
from rayfaas.spec import Scaling, Shape, Spec
from tests.server.parts import GPU, Clock, Peer, made, member, serve, settle, silent, supervisor, version
from tests.waiting import eventually

IDLE = 20  # ticks, after which what is idle is ended


class Site:
    """A placement, what it decides on, and what it told the gateways of versions that none will run."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.fleet, self.catalog, self.loads = Fleet(), Catalog(), Loads(self.clock)
        self.refused: list[tuple[str, RayfaasError]] = []
        refuse = lambda key, error: self.refused.append((key, error))  # noqa: E731
        self.placement = Placement(self.fleet, self.catalog, self.loads, refuse)
        self.agent = Peer(applications={})
        self.gateway = Peer()

    async def join(self, peer: Peer, *hosted: Version, application: str = "warm") -> Member:
        joined = member(peer, application, list(hosted))
        await self.fleet.join(joined)
        return joined

    async def agent_up(self) -> None:
        await self.fleet.agent_up("lab", self.agent.link)

    def report(self, each: Version, in_flight: int = 0, waiting: int = 0, longest_wait_s: float = 0.0) -> None:
        self.loads.report(self.gateway.link, {each.key: [in_flight, waiting, longest_wait_s]})

    @property
    def asked_of_agent(self) -> list[tuple[str, str]]:
        return [(method, p["application"]) for method, p in self.agent.asked if method != "applications"]


@pytest.fixture
async def site() -> Site:
    return Site()


# Starting


async def test_a_version_starts_in_a_warm_replica(site: Site) -> None:
    first, second = supervisor(), supervisor()
    for peer in (first, second):
        await site.join(peer)
    answer = await site.placement.start(version(), 5, silent)
    assert answer["interface"] == {"kind": "function"}
    assert (first.spawned, second.spawned) == (["red/f:1"], [])


async def test_a_version_starts_in_every_warm_replica_that_serves_its_function(site: Site) -> None:
    idle, one, two = supervisor(), supervisor(), supervisor()
    await site.join(idle, version("red/g"), version("red/ff"))
    for peer in (one, two):
        await site.join(peer, version(number=1))
    await site.placement.start(version(number=2), 5, silent)
    assert (idle.spawned, one.spawned, two.spawned) == ([], ["red/f:2"], ["red/f:2"])


async def test_a_function_with_replicas_of_its_own_starts_in_all_of_them_and_in_no_warm_one(site: Site) -> None:
    warm, one, two, other = (supervisor() for _ in range(4))
    await site.join(warm, version())
    for peer in (one, two):
        await site.join(peer, application=version().application)
    await site.join(other, application=version("red/g").application)
    await site.placement.start(version(), 5, silent)
    assert [peer.spawned for peer in (warm, one, two, other)] == [[], ["red/f:1"], ["red/f:1"], []]


async def test_a_replica_that_leaves_is_given_nothing(site: Site) -> None:
    leaves, stays = supervisor(), supervisor()
    (await site.join(leaves, version())).leaving = True
    await site.join(stays)
    await site.placement.start(version(), 5, silent)
    assert (leaves.spawned, stays.spawned) == ([], ["red/f:1"])


async def test_without_a_replica_it_waits_for_the_first(site: Site) -> None:
    starting = asyncio.ensure_future(site.placement.start(version(), 20, silent))
    await settle()
    peer = supervisor()
    await site.join(peer)
    await starting
    assert peer.spawned == ["red/f:1"]


async def test_without_any_replica_it_gives_up_at_the_deadline_and_says_what_is_missing(site: Site) -> None:
    with pytest.raises(DeployTimeout, match="No replica with 1 CPU came up"):
        await site.placement.start(version(), 0.01, silent)
    await site.agent_up()
    large, small, gone = {"CPU": 8.0, "GPU": 4.0}, {"CPU": 2.0}, {"CPU": 64.0}
    states = ((large, "up"), (small, "up"), (small, "up"), (gone, "draining"))
    site.agent.answers["nodes"] = [{"resources": resources, "state": state} for resources, state in states]
    has = "2 CPU, 1 GPU, 512 MB came up.*The nodes that are up have, on lab: 2 CPU, 0 GPU or 8 CPU, 4 GPU. "
    with pytest.raises(DeployTimeout, match=has):
        await site.placement.start(version(spec=Spec(shape=Shape(cpus=2, gpus=1, memory_mb=512))), 0.01, silent)


async def test_a_shape_that_warm_replicas_lack_gets_a_deployment_and_waits_for_it(site: Site) -> None:
    await site.agent_up()
    warm, own = supervisor(), supervisor()
    await site.join(warm)
    gpu = version(spec=GPU)
    told: list[tuple[str, str]] = []
    starting = asyncio.ensure_future(site.placement.start(gpu, 20, lambda *progress: told.append(progress)))
    await eventually(lambda: len(site.agent.asked) == 2)
    assert site.asked_of_agent == [("ensure", gpu.application), ("wake", gpu.application)]
    assert site.agent.asked_for("ensure")[0]["shape"]["gpus"] == 1
    await site.join(own, application=gpu.application)
    await starting
    assert (warm.spawned, own.spawned) == ([], ["red/f:1"])
    assert told == [("replica", "waiting for a replica with 1 CPU, 1 GPU")]


async def test_code_that_does_not_import_is_drained_everywhere_and_raised(site: Site) -> None:
    good, bad = supervisor(), supervisor(spawn=ImportFailed("no module named nmpy"))
    for peer in (good, bad):
        await site.join(peer, application=version().application)
    with pytest.raises(ImportFailed, match="nmpy"):
        await site.placement.start(version(), 5, silent)
    assert (good.drained, bad.drained) == (["red/f:1"], ["red/f:1"])
    assert site.fleet.hosting("red/f:1") == []


async def test_one_replica_that_goes_does_not_fail_the_others(site: Site) -> None:
    gone, stays = supervisor(spawn=Unavailable()), supervisor()
    for peer in (gone, stays):
        await site.join(peer, application=version().application)
    assert (await site.placement.start(version(), 5, silent))["interface"]
    assert stays.drained == []


async def test_where_the_only_replica_goes_it_starts_in_the_one_that_comes(site: Site) -> None:
    gone, comes = supervisor(spawn=Unavailable()), supervisor()
    first = await site.join(gone)
    starting = asyncio.ensure_future(site.placement.start(version(), 20, silent))
    await eventually(lambda: gone.spawned)
    await site.fleet.leave(first.link)
    await site.join(comes)
    await starting
    assert comes.spawned == ["red/f:1"]


# Demand


async def test_a_secret_that_cannot_be_opened_is_said_at_once_and_no_replica_is_waited_for(site: Site) -> None:
    def sealed(version: Version) -> dict[str, Any]:
        raise Unavailable("encrypted with another key")

    placement = Placement(site.fleet, site.catalog, site.loads, lambda *_: None, sealed)
    with pytest.raises(Unavailable, match="another key"):
        await asyncio.wait_for(placement.start(version(), 20, silent), 1)
    peer = supervisor()
    await site.join(peer)
    with pytest.raises(Unavailable, match="another key"):
        await asyncio.wait_for(placement.start(version(), 20, silent), 1)
    assert peer.spawned == []


async def test_a_call_that_waits_starts_its_version_once(site: Site) -> None:
    answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
    peer = supervisor(spawn=lambda **_: answer)
    await site.join(peer)
    serve(site.catalog, version())
    for _ in range(3):
        site.placement.demand("red/f:1")
        await settle()
    answer.set_result(made())
    await eventually(lambda: site.fleet.hosting("red/f:1"))
    assert (peer.spawned, site.refused) == (["red/f:1"], [])


@pytest.mark.parametrize("key", ["red/f:2", "red/g:1", "blue/f:1"])
async def test_demand_for_an_unknown_version_starts_nothing_and_is_refused(site: Site, key: str) -> None:
    peer = supervisor()
    await site.join(peer)
    serve(site.catalog, version())
    site.placement.demand(key)
    await settle()
    assert peer.asked == []
    assert [(refused, type(error)) for refused, error in site.refused] == [(key, NotFound)]


async def test_an_executor_that_dials_again_needs_no_other(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_placement, "REDIAL_S", 0.04)
    peer = supervisor()
    await site.join(peer, version())
    serve(site.catalog, version())
    site.placement.demand("red/f:1")
    await eventually(lambda: len(asyncio.all_tasks()) == 1)
    assert peer.asked == []


async def test_an_executor_that_does_not_dial_again_is_replaced(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_placement, "REDIAL_S", 0.04)
    peer = supervisor()
    await site.join(peer, version())
    serve(site.catalog, version())
    site.report(version(), waiting=1)
    site.placement.demand("red/f:1")
    await eventually(lambda: peer.spawned)


async def test_an_executor_that_ends_instead_of_dialling_is_replaced(site: Site) -> None:
    peer = supervisor()
    host = await site.join(peer)
    host.add("red/f:1", "dying")
    serve(site.catalog, version())
    site.placement.demand("red/f:1")
    await settle()
    host.remove("red/f:1", "dying")
    await eventually(lambda: peer.spawned)


async def test_gateways_are_told_when_none_will_come_and_it_is_not_tried_again_at_once(site: Site) -> None:
    peer = supervisor(spawn=ImportFailed("no module named nmpy"))
    await site.join(peer)
    serve(site.catalog, version())
    for _ in range(3):
        site.placement.demand("red/f:1")
    await eventually(lambda: site.refused)
    await settle()
    site.placement.demand("red/f:1")
    assert [(key, str(error)) for key, error in site.refused] == [("red/f:1", "no module named nmpy")] * 2
    assert len(peer.spawned) == 1


async def test_after_a_while_it_is_tried_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_placement, "FAILED_S", 0.0)
    peer = supervisor(spawn=ImportFailed("no module named nmpy"))
    await site.join(peer)
    serve(site.catalog, version())
    site.placement.demand("red/f:1")
    await eventually(lambda: site.refused)
    await settle()
    peer.answers["spawn"] = made()
    site.placement.demand("red/f:1")
    await eventually(lambda: site.fleet.hosting("red/f:1"))
    assert len(site.refused) == 1


async def test_calls_of_a_version_for_which_there_is_no_replica_are_refused_for_want_of_capacity(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_placement, "DEMAND_S", 0.01)
    serve(site.catalog, version())
    site.placement.demand("red/f:1")
    await eventually(lambda: site.refused)
    ((key, error),) = site.refused
    assert (key, type(error)) == ("red/f:1", NoCapacity)


async def test_calls_that_wait_longer_for_a_machine_are_not_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_placement, "DEMAND_S", 0.01)
    waits: list[str] = []
    wait_for = site.fleet.wait_for

    async def counted(application: str, *given: Any, **named: Any) -> list[Member]:
        waits.append(application)
        return await wait_for(application, *given, **named)

    monkeypatch.setattr(site.fleet, "wait_for", counted)
    serve(site.catalog, version())
    site.report(version(), waiting=1)
    site.placement.demand("red/f:1")
    await eventually(lambda: len(waits) > 2)
    assert site.refused == []
    assert site.placement.starting() == {"red/f:1"}
    assert site.placement.stages["red/f:1"][0] == "replica"
    await site.join(peer := supervisor())
    await eventually(lambda: site.fleet.hosting("red/f:1"))
    assert (peer.spawned, site.refused) == (["red/f:1"], [])
    assert (site.placement.starting(), site.placement.stages) == (set(), {})


# Aliases move


async def test_what_no_alias_leads_to_is_drained_and_nothing_else(site: Site) -> None:
    old, new, other = version(number=1), version(number=2), version("red/ff", 1)
    serve(site.catalog, old, new, live=new)
    peers = [supervisor(), supervisor()]
    for peer in peers:
        await site.join(peer, old, new, other)
    site.placement.retire(site.catalog.function("red/f"))
    assert [peer.drained for peer in peers] == [["red/f:1"], ["red/f:1"]]


async def test_a_version_that_another_alias_leads_to_stays(site: Site) -> None:
    old, new = version(number=1), version(number=2)
    serve(site.catalog, old, new, live=new, prod=old)
    peer = supervisor()
    await site.join(peer, old, new)
    site.placement.retire(site.catalog.function("red/f"))
    assert peer.drained == []


async def test_the_deployment_of_a_shape_that_none_needs_any_more_is_deleted(site: Site) -> None:
    await site.agent_up()
    old, new, other = version(number=1, spec=GPU), version(number=2), version("red/g", 1, GPU)
    for each in (old, other):
        site.placement.deployments.require(each)
    await eventually(lambda: len(site.agent.asked) == 2)
    serve(site.catalog, old, new, live=new)
    site.placement.retire(site.catalog.function("red/f"))
    await eventually(lambda: len(site.agent.asked) == 3)
    assert site.asked_of_agent[2:] == [("delete", old.application)]


# Deployments


@pytest.mark.parametrize(
    "spec",
    [GPU, Spec(scaling=Scaling(min_replicas=1)), Spec(shape=Shape(memory_mb=9))],
    ids=["GPU", "minimum", "memory"],
)
async def test_a_deployment_is_made_where_the_spec_asks_for_one(site: Site, spec: Spec) -> None:
    await site.agent_up()
    site.placement.deployments.require(version(spec=Spec()))
    site.catalog.function("red/f").scaling = spec.scaling
    site.placement.deployments.require(version(spec=spec))
    await settle()
    assert site.asked_of_agent == [("ensure", version(spec=spec).application)]


async def test_a_replica_of_its_own_takes_over_from_the_warm_ones(site: Site) -> None:
    live, prod, old = version(number=3), version(number=2), version(number=1)
    serve(site.catalog, old, prod, live, live=live, prod=prod)
    serve(site.catalog, version("red/g"))
    warm, own = supervisor(), supervisor()
    await site.join(warm, live, old, version("red/g"))
    joined = await site.join(own, application=live.application)
    await site.placement.member_up(joined)
    assert sorted(own.spawned) == ["red/f:2", "red/f:3"]
    assert warm.drained == ["red/f:3"]


async def test_a_version_that_does_not_start_on_a_new_replica_keeps_no_other_from_it(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    live, prod = version(number=2), version(number=1)
    serve(site.catalog, prod, live, live=live, prod=prod)
    warm = supervisor()
    broken = supervisor(spawn=lambda version, **_: ImportFailed("no weights") if version["version"] == 1 else made())
    await site.join(warm, live, prod)
    await site.placement.member_up(await site.join(broken, application=live.application))
    assert sorted(broken.spawned) == ["red/f:1", "red/f:2"]
    assert warm.drained == ["red/f:2"]
    assert "red/f:1 does not start on" in caplog.text


async def test_a_replica_that_hosts_it_already_is_not_asked_again(site: Site) -> None:
    serve(site.catalog, version())
    own = supervisor()
    joined = await site.join(own, version(), application=version().application)
    await site.placement.member_up(joined)
    assert own.spawned == []


async def test_a_warm_replica_that_comes_up_is_given_nothing(site: Site) -> None:
    serve(site.catalog, version())
    warm = supervisor()
    await site.placement.member_up(await site.join(warm))
    assert warm.asked == []


async def test_a_function_whose_calls_wait_long_for_warm_gets_a_deployment_once(site: Site) -> None:
    await site.agent_up()
    serve(site.catalog, version())
    await site.join(supervisor(), version())
    for wait_s in (0.1, 0.3, 0.5):
        site.report(version(), waiting=1, longest_wait_s=wait_s)
        await site.placement.tick(1)
        await settle()
    assert site.asked_of_agent == [("ensure", version().application), ("wake", version().application)]


async def test_warm_has_more_executors_of_what_outgrows_it_until_the_deployment_is_enough(site: Site) -> None:
    await site.agent_up()
    small = version(spec=Spec(shape=Shape(cpus=0.1)))
    serve(site.catalog, small, scaling=Scaling(target_concurrency=4, max_replicas=10))
    warm = supervisor()
    await site.join(warm, small)
    site.report(small, in_flight=4, waiting=6, longest_wait_s=0.5)
    await site.placement.tick(1)
    await settle()
    assert warm.spawned == [small.key] * 2  # three for ten calls
    for replicas in (1, 2, 3):
        await site.join(supervisor(), small, application=small.application)
        await site.placement.tick(1)
        assert bool(warm.drained) == (replicas == 3)


async def test_calls_that_wait_for_a_version_without_alias_give_it_no_deployment(site: Site) -> None:
    await site.agent_up()
    old, new = version(number=1), version(number=2)
    serve(site.catalog, old, new, live=new)
    await site.join(supervisor(), old)
    site.report(old, waiting=1, longest_wait_s=9)
    await site.placement.tick(1)
    await settle()
    assert site.agent.asked == []


async def test_what_was_to_be_woken_is_asked_for_again_when_the_agent_comes_back(site: Site) -> None:
    await site.agent_up()
    serve(site.catalog, version())
    await site.join(supervisor(), version())
    site.report(version(), waiting=1, longest_wait_s=9)
    site.agent.answers["wake"] = Unavailable()
    await site.placement.tick(1)
    await eventually(lambda: len(site.agent.asked) == 2)
    await site.placement.deployments.agent_up("lab", site.agent.link)
    await eventually(lambda: len(site.asked_of_agent) == 4)
    assert [method for method, _ in site.asked_of_agent] == ["ensure", "wake"] * 2
    await site.placement.member_up(await site.join(supervisor(), application=version().application))
    await site.placement.deployments.agent_up("lab", site.agent.link)
    await settle()
    assert [method for method, _ in site.asked_of_agent] == ["ensure", "wake"] * 2 + ["ensure"]


async def test_replicas_of_a_function_learn_of_all_its_calls(site: Site) -> None:
    old, new = version(number=1), version(number=2)
    serve(site.catalog, old, new, live=new)
    own, warm = supervisor(), supervisor()
    await site.join(own, new, application=new.application)
    await site.join(warm, old)
    site.loads.report(site.gateway.link, {old.key: [1, 0, 0], new.key: [2, 3, 0.1]})
    await site.placement.tick(1)
    assert (own.told_of("load"), warm.told) == ([{"calls": 6.0}], [])


@pytest.mark.parametrize(
    ("load", "told"),
    [([1, 1, 4.9], 2.0), ([1, 1, 5.1], 4.0), ([1, 0, 9.0], 2.0), ([0, 1, 5.1], 1.0), ([8, 0, 0.0], 8.0)],
    ids=["a short wait", "a long wait", "what runs is no wait", "a replica that starts", "many in one replica"],
)
async def test_a_call_that_waits_long_gets_another_replica_whatever_the_target(
    site: Site, load: list[float], told: float
) -> None:
    serve(site.catalog, version())
    own = supervisor()
    await site.join(own, version(), application=version().application)
    site.loads.report(site.gateway.link, {version().key: load})
    await site.placement.tick(1)
    assert own.told_of("load") == [{"calls": told}]  # with a target of 2, 4 calls are two replicas


async def test_no_replica_goes_while_as_many_are_full(site: Site) -> None:
    serve(site.catalog, version())
    own = [supervisor(), supervisor(), supervisor()]
    for each in own:
        await site.join(each, version(), application=version().application)
    site.loads.report(site.gateway.link, {version().key: [2, 0, 0.0]})
    await site.placement.tick(1)
    assert [each.told_of("load") for each in own] == [[{"calls": 4.0}]] * 3  # two replicas, and not one


# Another shape

OTHER = Spec(shape=Shape(cpus=0.5))


async def served_by_two(site: Site) -> tuple[Version, Version]:
    """`red/f:1` has two replicas of its own; `red/f:2` is of another shape."""
    await site.agent_up()
    old, new = version(number=1), version(number=2, spec=OTHER)
    serve(site.catalog, old)
    await site.join(supervisor())
    for _ in range(2):
        await site.join(supervisor(), old, application=old.application)
    return old, new


async def test_another_shape_comes_up_with_as_many_replicas_before_it_takes_over(site: Site) -> None:
    old, new = await served_by_two(site)
    replacing = asyncio.ensure_future(site.placement.replace([old], new, 20, silent))
    await eventually(lambda: len(site.asked_of_agent) == 2)
    assert site.asked_of_agent == [("ensure", new.application), ("wake", new.application)]
    assert site.agent.asked_for("ensure")[0]["replicas"] == 2
    first, second = supervisor(), supervisor()
    await site.join(first, application=new.application)
    await settle()
    assert (first.spawned, replacing.done()) == ([], False)
    await site.join(second, application=new.application)
    await replacing
    assert (first.spawned, second.spawned) == (["red/f:2"], ["red/f:2"])


async def test_where_there_is_no_room_beside_the_old_replicas_a_warm_one_answers(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployments, "BESIDE_S", 0.01)
    old, new = await served_by_two(site)
    await site.placement.replace([old], new, 20, silent)
    assert [m.application for m in site.fleet.hosting(new.key)] == ["warm"]


async def test_another_shape_of_a_function_without_replicas_of_its_own_starts_in_a_warm_one(site: Site) -> None:
    await site.agent_up()
    old, new = version(number=1), version(number=2, spec=OTHER)
    peer = supervisor()
    await site.join(peer, old)
    await site.placement.replace([old], new, 20, silent)
    assert (peer.spawned, site.asked_of_agent) == (["red/f:2"], [])


# Ends


async def idle(site: Site, seconds: float) -> None:
    """Nobody calls for so long."""
    await site.placement.tick(IDLE)  # from here on, it counts
    site.clock.now += seconds
    await site.placement.tick(IDLE)


@pytest.mark.parametrize(("seconds", "drained"), [(UNSERVED_IDLE_S - 1, []), (UNSERVED_IDLE_S + 1, ["red/f:1"])])
async def test_a_version_without_alias_ends_after_half_a_minute(site: Site, seconds: float, drained: list[str]) -> None:
    serve(site.catalog, version(number=1), version(number=2))
    peer = supervisor()
    await site.join(peer, version(number=1), version(number=2))
    await idle(site, seconds)
    assert peer.drained == drained


@pytest.mark.parametrize(("seconds", "drained"), [(99, []), (101, ["red/f:1"])])
async def test_a_version_in_a_warm_replica_ends_when_its_function_says_so(
    site: Site, seconds: float, drained: list[str]
) -> None:
    serve(site.catalog, version(), scaling=Scaling(scale_down_after_s=100))
    peer = supervisor()
    await site.join(peer, version())
    await idle(site, seconds)
    assert peer.drained == drained


async def test_of_many_versions_in_a_warm_replica_those_that_were_idle_longest_end_first(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_placement, "WARM_MOST", 2)
    each = [version(f"red/f{number}") for number in range(4)]
    serve(site.catalog, *each)
    warm, own = supervisor(), supervisor()
    await site.join(warm, *each)
    await site.join(own, *each, application="another")
    site.report(each[0], in_flight=1)
    for other in each[1:]:
        site.clock.now += 1
        site.loads.touch(other.key)
    await site.placement.tick(IDLE)
    assert (warm.drained, own.drained) == (["red/f1:1"], [])


async def test_a_version_that_is_called_does_not_end(site: Site) -> None:
    serve(site.catalog, version(number=1), version(number=2))
    peer = supervisor()
    await site.join(peer, version(number=1))
    await site.placement.tick(IDLE)
    site.clock.now += 1000
    site.report(version(number=1), in_flight=1)
    await site.placement.tick(IDLE)
    assert peer.drained == []


async def test_a_version_in_a_replica_of_its_own_is_rays_to_end(site: Site) -> None:
    serve(site.catalog, version())
    peer = supervisor()
    await site.join(peer, version(), application=version().application)
    await idle(site, 1e9)
    assert peer.drained == []


@pytest.mark.parametrize(("min_replicas", "deleted"), [(0, 1), (1, 0)])
async def test_a_deployment_that_nobody_calls_is_deleted_unless_it_has_a_minimum(
    site: Site, min_replicas: int, deleted: int
) -> None:
    await site.agent_up()
    scaling = Scaling(min_replicas=min_replicas)
    gpu = version(spec=Spec(shape=Shape(gpus=1), scaling=scaling))
    serve(site.catalog, gpu, scaling=scaling)
    site.placement.deployments.require(gpu)
    await eventually(lambda: site.agent.asked)
    await idle(site, deployments.IDLE_S - 1)
    assert site.agent.asked_for("delete") == []
    site.clock.now += 2
    await site.placement.tick(IDLE)
    await settle()
    assert len(site.agent.asked_for("delete")) == deleted


async def test_the_deployment_of_a_first_deploy_that_still_starts_disturbs_nobody(site: Site) -> None:
    await site.agent_up()
    starting = asyncio.ensure_future(site.placement.start(version(spec=GPU), 20, silent))
    await eventually(lambda: len(site.agent.asked) == 2)
    serve(site.catalog, version("red/g"))
    peer = supervisor()
    await site.join(peer, version("red/g"))
    await idle(site, 1e6)
    await settle()
    assert (peer.drained, site.agent.asked_for("delete")) == (["red/g:1"], [])
    starting.cancel()
    await asyncio.wait([starting])


async def test_an_agent_that_refuses_or_went_ends_nothing_but_its_request(site: Site) -> None:
    await site.agent_up()
    for error in (Unavailable(), RayfaasError("Serve failed"), asyncio.TimeoutError()):
        site.agent.answers["ensure"] = error
        site.placement.deployments.require(version(spec=GPU))
        await settle()
    site.agent.answers["ensure"] = None
    site.placement.deployments.require(version("red/g", spec=GPU))
    await eventually(lambda: len(site.agent.asked_for("ensure")) == 4)

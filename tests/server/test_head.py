"""The head ends when nobody has called for its keep-alive, starts for who waits, and goes on after any end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from rayfaas.config import Home
from rayfaas.errors import BadRequest, Conflict
from rayfaas.server.fleet import WARM, Fleet
from rayfaas.server.head import PATIENCE_S, Head
from rayfaas.server.machines import Machines
from rayfaas.server.store import Store
from rayfaas.worker_group import WorkerGroup
from tests.server.parts import Clock, Peer, member, settle, supervisor, version

LINK = Peer().link
GROUP = WorkerGroup(name="gpu", gpus=1, up=("00:00-23:59",)).model_dump(mode="json")


class Site:
    """A head, the process that holds it, and what the rest of the server says."""

    def __init__(self, home: Home, store: Store, keep_alive: str = "10m") -> None:
        self.home, self.store, self.keep_alive = home, store, keep_alive
        self.clock = Clock()
        self.fleet, self.process = Fleet(), Peer()
        self.fleet.joined = {"local"}
        self.calls = self.minimum = ""
        self.machines = Machines(home, store, self.fleet, clock=self.clock)
        self.head = self.make()

    def make(self) -> Head:
        return Head(
            self.store,
            self.fleet,
            self.machines,
            lambda: self.calls,
            lambda: self.minimum,
            self.keep_alive,
            self.clock,
        )

    async def restart(self) -> None:
        """As after kill -9 of the controller: only the registry is left, and the process comes again."""
        self.fleet.__init__()  # type: ignore[misc] # all links broke
        self.fleet.joined, self.process = {"local"}, Peer()
        self.machines = Machines(self.home, self.store, self.fleet, clock=self.clock)
        self.head = self.make()
        await self.machines.read_registry()
        await self.head.read_registry()

    async def says(self, state: str, can_stop: bool = True) -> None:
        await self.head.head_is(self.process.link, state, "", can_stop)

    async def up(self) -> None:
        await self.says("RUNNING")
        await self.head.look()

    async def idle(self, seconds: float) -> None:
        self.clock.now += seconds
        await self.head.look()
        await self.head.look()

    async def stopped(self) -> None:
        await self.up()
        await self.idle(601)
        await self.says("STOPPING")
        await self.says("STOPPED")

    @property
    def wishes(self) -> list[str]:
        return [told["want"] for told in self.process.told_of("wish")]

    def events(self) -> list[tuple[str, str]]:
        rows = self.store.registry.query("SELECT event, reason FROM node_events ORDER BY happened_at", [], None).rows
        return [(event, reason) for event, reason in rows]


@pytest.fixture
async def make_site(home: Home, store: Store) -> Callable[[str], Any]:
    async def make(keep_alive: str) -> Site:
        site = Site(home, store, keep_alive)
        await site.machines.read_registry()
        await site.head.read_registry()
        return site

    return make


@pytest.fixture
async def site(make_site: Callable[[str], Any]) -> Site:
    made: Site = await make_site("10m")
    return made


async def test_it_is_started_with_the_server(site: Site) -> None:
    await site.says("STOPPED")
    await site.head.look()
    assert site.wishes == ["RUNNING"]


async def test_one_that_nobody_called_for_its_keep_alive_is_stopped_once(site: Site) -> None:
    await site.up()
    await site.idle(599)
    assert site.wishes == []
    await site.idle(2)
    await site.head.look()
    assert site.wishes == ["STOPPED"]
    assert ("want stopped", "no call for 601 s, and it is kept for 600 s") in site.events()


@pytest.mark.parametrize("needed", ["calls", "minimum"])
async def test_one_that_is_needed_stays(site: Site, needed: str) -> None:
    await site.up()
    setattr(site, needed, "red/f:1 is called")
    await site.idle(10_000)
    assert site.wishes == []
    setattr(site, needed, "")
    await site.idle(599)
    assert site.wishes == []


async def test_one_whose_machines_are_to_be_up_stays(site: Site) -> None:
    await site.machines.set_group(LINK, GROUP, "ann")
    await site.up()
    await site.idle(10_000)
    assert site.wishes == []


async def test_never_is_never_and_makes_no_row(make_site: Callable[[str], Any], store: Store) -> None:
    site: Site = await make_site("never")
    await site.up()
    await site.idle(10_000_000)
    assert (site.wishes, site.events()) == ([], [])
    assert store.registry.query("SELECT node FROM nodes", [], None).rows == []


async def test_executors_finish_before_it_is_told(site: Site) -> None:
    await site.up()
    peer, running = supervisor(), version()
    joined = member(peer, hosted=[running], cluster="local")
    await site.fleet.join(joined)
    await site.idle(601)
    assert (peer.drained, site.wishes) == ([running.key], [])
    assert site.fleet.members() == []
    await site.fleet.executor_ended(joined.link, running.key, next(iter(joined.draining)))
    await site.head.look()
    assert site.wishes == ["STOPPED"]


async def test_a_long_call_that_came_at_the_last_moment_has_it_go_on(site: Site) -> None:
    await site.up()
    await site.fleet.join(member(supervisor(), hosted=[version()], cluster="local"))
    await site.idle(601)
    await site.idle(PATIENCE_S + 1)
    assert (site.head.node.want, site.wishes) == ("RUNNING", [])
    assert len(site.fleet.members()) == 1


async def test_who_waits_has_it_start_and_a_stop_that_was_told_ends_first(site: Site) -> None:
    await site.up()
    await site.idle(601)
    waiting = asyncio.ensure_future(site.fleet.wait_for(WARM, 20))
    await settle()
    await site.head.look()
    assert (site.head.node.want, site.wishes) == ("RUNNING", ["STOPPED"])
    assert site.fleet.is_resting("local")
    await site.says("STOPPING")
    await site.head.look()
    assert site.wishes == ["STOPPED", "RUNNING"]
    assert site.fleet.is_resting("local")
    site.fleet.welcome("local")
    await site.fleet.join(member(supervisor(), cluster="local"))
    assert len(await waiting) == 1


async def test_who_waits_for_another_cluster_does_not_wake_it(site: Site) -> None:
    await site.stopped()
    waiting = asyncio.ensure_future(site.fleet.wait_for("red--f--1", 20, at="lab"))
    await settle()
    await site.head.look()
    assert site.head.node.want == "STOPPED"
    waiting.cancel()


@pytest.mark.parametrize("reached", ["decided", "told", "stopping", "stopped"])
async def test_after_kill_9_of_the_controller_a_stop_goes_on(site: Site, reached: str) -> None:
    await site.up()
    site.clock.now += 601
    if reached == "decided":
        await site.head._decide()
    else:
        await site.idle(0)
    await site.restart()
    state = {"decided": "RUNNING", "told": "RUNNING"}.get(reached, reached.upper())
    await site.says(state)
    await site.head.look()
    assert site.wishes == (["STOPPED"] if state == "RUNNING" else [])
    await site.says("STOPPED")
    await site.head.look()
    assert (site.head.node.want, site.head.node.state) == ("STOPPED", "STOPPED")


async def test_after_kill_9_of_the_controller_a_start_goes_on(site: Site) -> None:
    await site.stopped()
    waiting = asyncio.ensure_future(site.fleet.wait_for(WARM, 20))
    await settle()
    await site.head.look()
    waiting.cancel()
    await site.restart()
    await site.says("STOPPED")
    await site.head.look()
    assert site.wishes == ["RUNNING"]


async def test_a_person_stops_it_and_what_must_be_up_waits_for_a_call(site: Site) -> None:
    await site.up()
    site.minimum = "red/f is to have 1 replica(s)"
    await site.head.stop_cluster(LINK, "local", False, "ann")
    await site.head.look()
    await site.says("STOPPED")
    await site.idle(100)
    assert site.wishes == ["STOPPED"]
    site.minimum = ""
    await site.head.look()
    site.minimum = "red/f is to have 1 replica(s)"
    await site.head.look()
    await site.head.look()
    assert site.wishes == ["STOPPED", "RUNNING"]


async def test_one_in_use_is_stopped_only_with_now(site: Site) -> None:
    await site.up()
    site.calls = "red/f:1 is called"
    with pytest.raises(Conflict, match="red/f:1 is called"):
        await site.head.stop_cluster(LINK, "local", False, "ann")
    await site.head.stop_cluster(LINK, "local", True, "ann")
    await site.head.look()
    assert site.wishes == ["STOPPED"]


async def test_calls_that_come_while_a_person_stops_it_wait_until_it_has_stopped(site: Site) -> None:
    await site.up()
    joined = member(supervisor(), hosted=[version()], cluster="local")
    await site.fleet.join(joined)
    site.calls = "red/f:1 is called"
    await site.head.stop_cluster(LINK, "local", True, "ann")
    await site.head.look()
    waiting = asyncio.ensure_future(site.fleet.wait_for(WARM, 20))
    await settle()
    await site.head.look()
    assert (site.head.node.want, site.wishes) == ("STOPPED", [])
    await site.fleet.leave(joined.link)
    await site.head.look()
    await site.says("STOPPED")
    await site.head.look()
    assert site.wishes == ["STOPPED", "RUNNING"]
    waiting.cancel()


async def test_a_person_starts_it_for_a_time(site: Site) -> None:
    await site.stopped()
    await site.head.start_cluster(LINK, "local", site.clock.now + 3600, "ann")
    await site.head.look()
    await site.up()
    await site.idle(3500)
    assert site.wishes == ["STOPPED", "RUNNING"]
    await site.idle(200)
    await site.idle(601)
    assert site.wishes == ["STOPPED", "RUNNING", "STOPPED"]
    assert ("want running", "started by ann") in site.events()


async def test_machines_are_stopped_before_it(site: Site) -> None:
    agent = Peer(applications={"red--f--1": {}})
    await site.fleet.agent_up("local", agent.link)
    await site.machines.set_group(LINK, GROUP, "ann")
    (node,) = [site.machines._keeper._new(WorkerGroup.model_validate(GROUP), site.clock())]
    await asyncio.to_thread(site.machines._book.save, node)
    await site.up()
    await site.head.stop_cluster(LINK, "local", False, "ann")
    await site.head.look()
    assert (agent.asked_for("delete"), site.wishes) == ([{"application": "red--f--1"}], [])
    assert site.machines._book.all()[0].want != "RUNNING"
    await asyncio.to_thread(site.machines._book.gone, site.machines._book.all()[0], "it ended")
    await site.head.look()
    assert site.wishes == ["STOPPED"]


@pytest.mark.parametrize(("cluster", "can_stop"), [("lab", True), ("local", False)])
async def test_a_person_stops_only_what_is_ours(site: Site, cluster: str, can_stop: bool) -> None:
    await site.says("RUNNING", can_stop)
    with pytest.raises(BadRequest, match=r"not this server's|does not start or stop it"):
        await site.head.stop_cluster(LINK, cluster, True, "ann")


async def test_a_cluster_that_was_there_before_is_not_stopped(site: Site) -> None:
    await site.says("RUNNING", can_stop=False)
    await site.idle(10_000)
    assert site.wishes == []

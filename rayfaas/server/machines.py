"""Hosts the keeper: asks the clusters what they have and what waits there, and sends its orders, some at a time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from rayfaas.cloud import Adapter, open_adapter
from rayfaas.cloud.adapter import Capabilities
from rayfaas.cloud.clouds_file import settings_of
from rayfaas.cloud.demand import Resources, View, times
from rayfaas.cloud.errands import Errands, Order
from rayfaas.cloud.keeper import BOOT_S, Keeper
from rayfaas.cloud.node import Node
from rayfaas.cloud.node_book import NodeBook
from rayfaas.cloud.pauses import Pauses
from rayfaas.config import Home
from rayfaas.errors import BadRequest, NotFound, Unavailable
from rayfaas.link import Link, Method
from rayfaas.server.boot import BootScripts
from rayfaas.server.clusters import LOCAL
from rayfaas.server.fleet import Fleet
from rayfaas.server.looking import look_every
from rayfaas.server.node_rows import NodeRows
from rayfaas.server.reach import check_reach
from rayfaas.server.store import Store
from rayfaas.server.views import view_of
from rayfaas.within import within
from rayfaas.worker_group import Placement, WorkerGroup

_log = logging.getLogger("rayfaas.keeper")

LOOK_S = 0.5
# A Ray whose head is gone answers after 40 s.
DRAIN_S = 60.0
# Requests to providers at the same time.
ERRANDS = 16
# How long the machines of this machine may take to end with the server.
CLOSE_S = 25.0
# The row that the head of this machine's cluster has among the keeper's.
HEAD_ID = "head"


class Machines:
    """`methods` are for gateways. `address` is where machines elsewhere find the controller.

    Nothing is asked of anybody while there is no worker group and no machine.
    """

    def __init__(
        self, home: Home, store: Store, fleet: Fleet, address: str = "", clock: Callable[[], float] = time.time
    ) -> None:
        self._home, self._store, self._fleet, self._address, self._clock = home, store, fleet, address, clock
        self._looked_at = time.monotonic()
        self._adapters: dict[str, Adapter] = {}
        self._threads = ThreadPoolExecutor(ERRANDS, "errand")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sending: set[asyncio.Future[None]] = set()
        self.methods: dict[str, Method] = {
            "groups": self.groups,
            "set_group": self.set_group,
            "delete_group": self.delete_group,
            "warm": self.warm,
            "hold_node": self.hold_node,
            "end_node": self.end_node,
        }

    async def read_registry(self) -> None:
        self._loop = asyncio.get_running_loop()
        rows, registry = NodeRows(self._store), self._store.registry.machines
        nodes, pauses = await self._store.write(lambda: (rows.read(), registry.pauses()))
        self._owner = self._home.owner_file.read_text().strip()
        self._book = NodeBook(rows, self._clock, [node for node in nodes if node.id != HEAD_ID])
        scripts = BootScripts(self._home, self._address)
        errands = Errands(self._owner, self._book, self._adapter, self._drain, scripts.of)
        self._keeper = Keeper(self._book, errands, Pauses(rows, pauses))
        groups = [WorkerGroup.model_validate_json(each) for each in await self._store.write(registry.groups)]
        self._keeper.groups = {(group.cluster, group.name): group for group in groups}
        self._keeper.floors = await self._store.write(registry.floors)

    async def keep_looking(self) -> None:
        await look_every(LOOK_S, self._look_if_any, "the keeper could not look after the machines")

    async def _look_if_any(self) -> None:
        if self._keeper.groups or self._book.all():
            await self.look()

    async def look(self) -> None:
        """Once: decide, and send what was decided, without waiting for the answers."""
        views = await self._views()
        for order in await asyncio.to_thread(self._keeper.plan, views):
            task = asyncio.get_running_loop().run_in_executor(self._threads, self._carry_out, order)
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        self._looked_at = time.monotonic()

    async def close(self) -> None:
        """The server ends, and with it the processes that are its machines. Those of providers stay, and are found."""
        if self._loop is None:
            return
        local = [node for node in self._book.all() if node.provider == "local" and node.state == "RUNNING"]
        for node in local:
            await asyncio.to_thread(self._keeper.end, node, "the server was stopped", stop=True)
        if local:
            try:
                await within(CLOSE_S, asyncio.to_thread(self._stop_local, local))
            except asyncio.TimeoutError:
                _log.warning("some machines of this machine did not end in time")
        self._threads.shutdown(wait=False, cancel_futures=True)

    def count(self) -> Counter[tuple[str, str, str]]:
        """How many there are, by cluster, worker group and state."""
        return Counter((node.cluster, node.group, node.state) for node in self._book.all())

    # What gateways ask

    async def groups(self, link: Link, cluster: str) -> list[dict[str, Any]]:
        """Of one cluster, with their machines."""
        if cluster != LOCAL:
            self._check_cluster(cluster)
        nodes = self._book.all()
        return [
            group.model_dump(mode="json")
            | {"nodes": [_plain(node) for node in nodes if (node.cluster, node.group) == key]}
            | {"kept": self._keeper.kept(group), "keep_alive_s": _finite(self._keeper.keep_alive_s(group))}
            for key, group in sorted(self._keeper.groups.items())
            if group.cluster == cluster
        ]

    async def set_group(self, link: Link, group: dict[str, Any], actor: str) -> None:
        new = WorkerGroup.model_validate(group)
        if new.name == new.cluster:
            raise BadRequest(f"A worker group is not called as its cluster is: {new.name!r}.")
        if new.max < new.min:
            raise BadRequest(f"min ({new.min}) is over max ({new.max}).")
        self._check_cluster(new.cluster)
        for provider in dict.fromkeys(place.provider for place in new.placements):
            await self._check_provider(provider, new.cluster)
        for place in new.placements:
            _check_placement(place, self._adapter(place.provider).capabilities)
        machines = self._store.registry.machines
        await self._store.write(machines.set_group, new.cluster, new.name, new.model_dump_json(), actor)
        self._keeper.groups = {**self._keeper.groups, (new.cluster, new.name): new}

    async def delete_group(self, link: Link, cluster: str, name: str, actor: str) -> None:
        """Its machines end when nothing is on them."""
        await self._store.write(self._store.registry.machines.delete_group, cluster, name, actor)
        left = dict(self._keeper.groups)
        left.pop((cluster, name), None)
        self._keeper.groups = left

    async def warm(self, link: Link, cluster: str, name: str, number: int, until: float, actor: str) -> None:
        """Have so many of them up until a moment."""
        self._group(cluster, name)
        await self._store.write(self._store.registry.machines.set_floor, cluster, name, number, until, actor)
        self._keeper.floors = {**self._keeper.floors, (cluster, name): (number, until)}

    async def hold_node(self, link: Link, cluster: str, node: str, until: float, actor: str) -> None:
        await asyncio.to_thread(self._keeper.hold, self._node(cluster, node), until, f"held by {actor}")

    async def end_node(self, link: Link, cluster: str, node: str, now: bool, actor: str) -> None:
        await asyncio.to_thread(
            self._keeper.end, self._node(cluster, node), f"stopped by {actor}", stop=True, force=now
        )

    # What its nodes ask (`rayfaas.server.seats`)

    def of_attempt(self, attempt: str) -> Node | None:
        """The machine of one launch, as long as there is to be one."""
        return next((node for node in self._book.all() if node.attempt == attempt), None)

    def waits_for(self, node: Node) -> bool:
        """Whether it is to join, and has not been let in yet."""
        return node.want == "RUNNING" and node.sent and not node.let_in and self._clock() < node.boot_at + BOOT_S

    def let_in(self, attempt: str) -> bool:
        """Note that it was; True the first time only."""
        with self._book.lock:
            node = self.of_attempt(attempt)
            if node is None or not self.waits_for(node):
                return False
            self._book.change(node, let_in=True)
            self._book.tell(node, "let in", "its join token was used")
            return True

    def is_missed(self, attempt: str) -> bool:
        """Whether it was part of its cluster, and Ray there knows it no more."""
        return attempt in self._keeper.missed

    def joins(self, attempt: str) -> bool:
        """Ray starts on it, perhaps once more; False where it is to be part of the cluster no more."""
        with self._book.lock:
            node = self.of_attempt(attempt)
            if node is None or not node.is_wanted:
                return False
            if node.ray is not None:
                self._book.change(node, ray=None, old_ray=node.ray, boot_at=self._clock())
                self._book.tell(node, "joins again", "Ray there had ended")
            return True

    def take_back(self, node: Node, reason: str) -> None:
        self._keeper.take_back(node, reason)

    def lifetime_s(self, node: Node) -> float | None:
        group = self._keeper.groups.get((node.cluster, node.group))
        return None if group is None else group.lifetime_s

    def silent_s(self) -> float:
        """How long ago the keeper looked last."""
        return time.monotonic() - self._looked_at

    # What the head is asked for

    def needs(self, cluster: str) -> str:
        """What of a cluster's machines there is to be whether anybody calls or not; "" for nothing."""
        for (name, _), group in self._keeper.groups.items():
            if name == cluster and (kept := self._keeper.kept(group)):
                return f"{kept} of {group.name} are to be up"
        held = [node.name for node in self._book.all() if node.cluster == cluster and node.until > self._clock()]
        return f"{held[0]} is held" if held else ""

    def up(self, cluster: str) -> list[str]:
        """The machines of a cluster that are up, or are to be."""
        return [
            node.name for node in self._book.all() if node.cluster == cluster and (node.is_up or node.want == "RUNNING")
        ]

    def coming(self, cluster: str, asked: Resources) -> Node | None:
        """A machine on its way, or the newest that came, that has what is asked for."""
        fit = [
            node
            for (name, group), spec in self._keeper.groups.items()
            if name == cluster and times(asked, spec.offers)
            for node in self._book.of((cluster, group))
            if node.want == "RUNNING"
        ]
        return min(fit, key=lambda node: (node.ray is not None, -node.boot_at), default=None)

    def offers(self, cluster: str) -> dict[str, Resources]:
        """What each machine of its worker groups has, of those that may have any."""
        groups = [group for group in self._keeper.groups.values() if group.cluster == cluster and group.max]
        return {group.name: group.offers for group in groups}

    def can_bring(self, cluster: str, asked: Resources) -> bool:
        """Whether a machine for what is asked for can come there, or is on its way."""
        coming = self.coming(cluster, asked)
        return (coming is not None and coming.ray is None) or self._keeper.has_more(cluster, asked)

    async def rest(self, cluster: str, reason: str) -> None:
        """Have all machines of a cluster stop, and none come."""
        self._keeper.resting |= {cluster}
        for node in [each for each in self._book.all() if each.cluster == cluster and each.want == "RUNNING"]:
            await asyncio.to_thread(self._keeper.end, node, reason, stop=True)

    def resume(self, cluster: str) -> None:
        self._keeper.resting -= {cluster}

    # Inside

    async def _views(self) -> dict[str, View]:
        """Of the clusters that have groups or machines, and answer."""
        named = {cluster for cluster, _ in self._keeper.groups} | {node.cluster for node in self._book.all()}
        agents = {name: agent for name, agent in self._fleet.present().items() if name in named}
        views = await asyncio.gather(*map(view_of, agents.values()))
        return {name: view for name, view in zip(agents, views, strict=True) if view is not None}

    def _carry_out(self, order: Order) -> None:
        try:
            self._keeper.carry_out(order)
        except Exception:  # noqa: BLE001 a border: the order is given again
            _log.exception("the order %s failed", order)

    def _drain(self, cluster: str, attempt: str, force: bool, reason: str) -> bool:
        assert self._loop is not None
        agent = self._fleet.present().get(cluster)
        if agent is None:
            raise Unavailable(f"the agent of {cluster} is not connected")
        asking = agent.request("end_node", attempt=attempt, force=force, reason=reason, timeout_s=DRAIN_S)
        return bool(asyncio.run_coroutine_threadsafe(asking, self._loop).result(DRAIN_S + 5))

    def _adapter(self, provider: str) -> Adapter:
        adapter = self._adapters.get(provider)
        if adapter is None:
            settings = settings_of(self._home, provider)
            adapter = self._adapters[provider] = open_adapter(provider, self._owner, settings)
        return adapter

    async def _check_provider(self, provider: str, cluster: str) -> None:
        # Raises where it lacks settings or a library, which takes seconds to load.
        adapter = await asyncio.to_thread(self._adapter, provider)
        if provider == "local":
            if cluster != LOCAL:
                raise BadRequest(f"Machines of local are for the cluster `local`, not for {cluster}.")
            return
        if not (adapter.capabilities.create and adapter.capabilities.boot):
            raise BadRequest(f"Machines of {provider} can't be nodes of a cluster: it has none that run a boot script.")
        await check_reach(self._fleet, cluster, self._address)

    def _stop_local(self, nodes: list[Node]) -> None:
        adapter = self._adapter("local")
        left = [node.instance for node in nodes if node.instance is not None]
        for each in left:
            adapter.stop(each)
        while left := [each for each in left if adapter.get(each).state == "STOPPING"]:
            time.sleep(0.1)

    def _check_cluster(self, name: str) -> None:
        if name not in self._fleet.joined:
            known = ", ".join(sorted(self._fleet.joined)) or "none yet"
            raise NotFound(f"There is no cluster {name!r}. There are: {known}.")

    def _group(self, cluster: str, name: str) -> WorkerGroup:
        if (cluster, name) not in self._keeper.groups:
            raise NotFound(f"The cluster {cluster} has no worker group {name!r}. `rayfaas cluster show` lists them.")
        return self._keeper.groups[cluster, name]

    def _node(self, cluster: str, name: str) -> Node:
        found = [node for node in self._book.all() if (node.cluster, node.name) == (cluster, name)]
        if not found:
            raise NotFound(f"The cluster {cluster} has no machine {name!r}. `rayfaas cluster show` lists them.")
        return found[0]


def _check_placement(place: Placement, capabilities: Capabilities) -> None:
    if place.spot and not capabilities.spot:
        raise BadRequest(f"{place.provider} has no spot machines: leave out `spot`.")
    if capabilities.chosen and not (place.type and place.place):
        raise BadRequest(
            f"A machine of {place.provider} needs a type and a place: docs/clouds/{place.provider}.md shows some."
        )


def _finite(seconds: float) -> float | None:
    return None if seconds == float("inf") else seconds


def _plain(node: Node) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(node)
    return plain

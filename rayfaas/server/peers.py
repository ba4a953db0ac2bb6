"""The peers of the controller: gateways, agents and supervisors that come, go, and say what changed with them."""

from __future__ import annotations

import logging
from typing import Any

from rayfaas.background import Background
from rayfaas.link import Link, Method, Service
from rayfaas.server.asking import name_of
from rayfaas.server.fleet import Member
from rayfaas.server.parts import Parts
from rayfaas.server.roles import methods_of
from rayfaas.server.whole import answered_whole

_log = logging.getLogger("rayfaas.controller")


class Peers:
    """`methods` are theirs and those of all parts, each given the link that asks. Who may call which is in
    `roles.py`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._background = Background()
        self.methods: dict[str, Method] = {
            # gateways
            "poll": self.poll,
            "load": self.load,
            "demand": self.demand,
            # clusters
            "agent_up": self.agent_up,
            "supervisor_up": self.supervisor_up,
            "executor_ended": self.executor_ended,
            "leaving": self.leaving,
            **{name: answered_whole(method) for name, method in parts.methods.items()},
        }

    def on_open(self, link: Link) -> None:
        peer, parts = link.peer or {}, self._parts
        _log.info("%s is connected", name_of(peer))
        if peer.get("role") == "gateway":
            if link.is_remote:
                parts.elsewhere.welcome(link, peer)
                self._background.run(parts.elsewhere.keep_address(peer))
            parts.gateways.add(link)
            self._background.run(parts.limits.announce())
            parts.routing.expect(link)
            self._tell_gateways()

    def on_close(self, link: Link) -> None:
        parts = self._parts
        _log.info("%s is gone", name_of(link.peer or {}))
        parts.routing.forget(link)
        parts.loads.forget(link)
        # A gateway that went is not struck off what executors dial: it comes back at the same address.
        if parts.gateways.remove(link):
            self._background.run(parts.limits.announce())
            if link.is_remote:  # its machine may be gone: who starts now is not to wait for it
                self._tell_gateways()
        self._background.run(parts.fleet.leave(link))

    def _tell_gateways(self) -> None:
        """Supervisors hand the gateways' addresses on to their executors."""
        for member in self._parts.fleet.members():
            self._tell_addresses(member.link)

    def _tell_addresses(self, supervisor: Link) -> None:
        addresses = self._parts.gateways.addresses(supervisor)
        away = sorted(self._parts.elsewhere.addresses - set(addresses))
        supervisor.notify("set_gateways", addresses=addresses, away=away)

    # Gateways

    async def poll(self, link: Link, since: int) -> dict[str, Any]:
        return await self._parts.routing.poll(link, since)

    async def load(self, link: Link, load: dict[str, list[float]]) -> None:
        self._parts.loads.report(link, load)

    async def demand(self, link: Link, key: str) -> None:
        self._parts.placement.demand(key)

    # Clusters

    async def agent_up(self, link: Link) -> None:
        await self._parts.fleet.agent_up(_cluster(link), link)
        await self._parts.placement.deployments.agent_up(_cluster(link), link)

    async def supervisor_up(
        self, link: Link, replica: str, node: str, application: str, environment: str, hosted: list[dict[str, Any]]
    ) -> None:
        member = Member(link, _cluster(link), node, replica, application, environment)
        for executor in hosted:
            member.add(executor["version_key"], executor["executor"])
        self._tell_addresses(link)
        await self._parts.fleet.join(member)
        await self._parts.placement.member_up(member)

    async def executor_ended(self, link: Link, key: str, executor: str, death: dict[str, Any]) -> None:
        """`death` is a `cluster.hosted_executor.Death`, for the gateways whose calls it ran."""
        await self._parts.fleet.executor_ended(link, key, executor)
        self._parts.gateways.tell("executor_ended", executor=executor, death=death)

    async def leaving(self, link: Link) -> None:
        self._parts.fleet.leaving(link)


class Guarded(Service):
    """One link's view of them: the methods that its proven role may call."""

    def __init__(self, peers: Peers) -> None:
        super().__init__({})
        self._peers = peers

    def on_open(self, link: Link) -> None:
        self.methods = methods_of(str((link.peer or {}).get("role")), self._peers.methods)
        self._peers.on_open(link)

    def on_close(self, link: Link) -> None:
        self._peers.on_close(link)


def _cluster(link: Link) -> str:
    return str((link.peer or {})["cluster"])

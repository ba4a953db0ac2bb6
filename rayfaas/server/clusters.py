"""Clusters and their nodes: how they join, what they have, and how they leave without a call being cut."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from rayfaas.errors import BadRequest, Conflict, NotFound, RayfaasError
from rayfaas.join_token import JoinToken
from rayfaas.link import Link, Method
from rayfaas.names import check_cluster
from rayfaas.registry.access import JOIN_US
from rayfaas.server.asking import nodes_of
from rayfaas.server.fleet import Fleet
from rayfaas.server.routing import RouteTable
from rayfaas.server.store import Store

_log = logging.getLogger("rayfaas.controller")

# The cluster that the home server starts itself.
LOCAL = "local"
ASK_S = 10.0
# How long the calls of a cluster that is removed may go on.
LEAVE_S = 600.0
# Of a cluster that is not here, as people say it.
_STATES = {"BOOTING": "starting", "RUNNING": "stopping", "STOPPING": "stopping", "STOPPED": "stopped"}


class Clusters:
    """`methods` are for gateways, but for `join_token` and `join`. `address` is where clusters dial; "": nowhere.
    `head` tells of the head that is this server's own."""

    def __init__(
        self,
        store: Store,
        fleet: Fleet,
        routing: RouteTable,
        address: str,
        head: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        self._store, self._fleet, self._routing, self._address = store, fleet, routing, address
        self._head = head
        self._sessions: dict[str, bytes] = {}
        self.methods: dict[str, Method] = {
            "join_token": self.join_token,
            "join": self.join,
            "invite": self.invite,
            "clusters": self.clusters,
            "remove_cluster": self.remove_cluster,
            "nodes": self.nodes,
            "drain_node": self.drain_node,
        }

    async def read_registry(self) -> None:
        await self._have(await self._store.write(self._store.registry.access.sessions))

    def session_key(self, cluster: str) -> bytes | None:
        return self._sessions.get(cluster)

    # Joining

    async def join_token(self, link: Link, cluster: str) -> dict[str, Any]:
        """Let a cluster of this machine join, once, within ten minutes."""
        join_id, secret = await self._store.write(self._store.registry.access.create_join_token, cluster, "home")
        return {"id": join_id, "secret": secret}

    async def invite(self, link: Link, cluster: str | None, actor: str) -> dict[str, Any]:
        """The same for a cluster anywhere: what its people are given."""
        if not self._address:
            raise Conflict(
                "This server lets no cluster of another machine in. Start it so that they can reach it: "
                "rayfaas up --cluster-address HOST:PORT"
            )
        name = check_cluster(cluster) if cluster else self._free_name()
        if name == LOCAL:
            raise BadRequest(f"{LOCAL!r} is the cluster that the server starts itself. Give this one another name.")
        join_id, secret = await self._store.write(self._store.registry.access.create_join_token, name, actor)
        token = str(JoinToken(self._address, join_id, secret))
        return {"cluster": name, "token": token, "expires_in_s": JOIN_US // 1_000_000}

    async def join(self, link: Link) -> dict[str, Any]:
        join_id = str((link.peer or {}).get("join"))
        cluster, session_key = await self._store.write(self._store.registry.access.use_join_token, join_id)
        self._fleet.welcome(cluster)
        await self._have({**self._sessions, cluster: session_key})
        return {"cluster": cluster, "session_key": session_key}

    # What they are

    async def clusters(self, link: Link) -> list[dict[str, Any]]:
        agents, head = self._fleet.agents(), self._head()
        return [
            {
                "cluster": name,
                "state": "up" if name in agents else _away(name, head),
                "reason": head.get("reason") if name == LOCAL else None,
                "network": agents[name].is_remote if name in agents else None,
                "replicas": len([m for m in self._fleet.members() if m.cluster == name]),
            }
            for name in sorted(self._sessions)
        ]

    async def nodes(self, link: Link) -> list[dict[str, Any]]:
        """Those of all clusters whose agents answer."""
        agents = self._fleet.agents()
        reports = await asyncio.gather(*(nodes_of(agent, ASK_S) for agent in agents.values()))
        return [
            {"cluster": name, **node, "replicas": self._replicas_on(node["node"])}
            for name, nodes in zip(agents, reports, strict=True)
            for node in nodes
        ]

    def _replicas_on(self, node: str) -> int:
        return len([member for member in self._fleet.members() if member.node == node])

    # Leaving

    async def drain_node(self, link: Link, node: str, actor: str) -> dict[str, Any]:
        """Have everything leave a node, in order; `node` is its id, or enough of its beginning."""
        found = [each for each in await self.nodes(link) if each["node"].startswith(node) and each["state"] != "down"]
        if len(found) != 1:
            what = "No node" if not found else f"{len(found)} nodes"
            raise NotFound(f"{what} of a connected cluster begins with {node!r}. `rayfaas nodes` shows them.")
        cluster, node_id = found[0]["cluster"], found[0]["node"]
        if found[0]["head"]:
            raise Conflict("This is the head of its cluster, which ends with it: `rayfaas cluster remove` the cluster.")
        agent = self._fleet.agents()[cluster]
        await agent.request("drain_node", node=node_id, reason=f"drained by {actor}", timeout_s=ASK_S)
        await self._store.write(self._store.registry.access.note, actor, "node drained", node_id)
        return {"cluster": cluster, "node": node_id}

    async def remove_cluster(self, link: Link, cluster: str, now: bool, actor: str) -> None:
        """Its calls finish, what is ours on it is deleted, and it is not known any more."""
        if cluster not in self._sessions:
            raise NotFound(f"There is no cluster {cluster!r}. `rayfaas cluster list` shows them.")
        if cluster == LOCAL:
            raise BadRequest(f"{LOCAL!r} is the cluster that the server starts itself. It goes with `rayfaas down`.")
        await self._empty(cluster, 0.0 if now else LEAVE_S)
        await self._store.write(self._store.registry.access.remove_cluster, cluster, actor)
        await self._have({name: key for name, key in self._sessions.items() if name != cluster})
        for each in self._fleet.links(cluster):
            each.close()

    async def _empty(self, cluster: str, patience_s: float) -> None:
        agent = self._fleet.agents().get(cluster)
        self._fleet.let_go(cluster)
        try:
            if patience_s:
                await self._fleet.wait_idle(cluster, patience_s)
            if agent is not None:
                await agent.request("leave", timeout_s=ASK_S)
        except (RayfaasError, asyncio.TimeoutError) as error:
            _log.warning("cluster %s does not leave in order: %s", cluster, error)

    async def _have(self, sessions: Mapping[str, bytes]) -> None:
        """Returns when every gateway lets exactly these in."""
        self._sessions = dict(sessions)
        self._fleet.joined = set(sessions)
        await self._routing.applied(await self._routing.set_sessions(dict(sessions)))

    def _free_name(self) -> str:
        numbers = range(1, len(self._sessions) + 2)
        return next(name for name in (f"cluster-{number}" for number in numbers) if name not in self._sessions)


def _away(cluster: str, head: dict[str, Any]) -> str:
    """What a cluster that is not connected does."""
    return _STATES.get(head.get("state", ""), "away") if cluster == LOCAL else "away"

"""What runs right now: gateways, clusters, replicas with what they host, and the environments on the nodes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import Any

from rayfaas.handshake import Identity
from rayfaas.link import Link, Method
from rayfaas.server.asking import ask
from rayfaas.server.catalog import Catalog
from rayfaas.server.fleet import Fleet

ASK_S = 10.0


class Overview:
    """`gateways` are those that are connected, `head` tells of the head that is this server's own; `methods` are for
    gateways, `status` for the home too."""

    def __init__(
        self,
        catalog: Catalog,
        fleet: Fleet,
        head: Callable[[], dict[str, Any]],
        gateways: Callable[[], Mapping[Link, Identity]],
    ) -> None:
        self._catalog, self._fleet, self._head, self._gateways = catalog, fleet, head, gateways
        self.methods: dict[str, Method] = {"status": self._status, "environments": self._environments}

    async def _environments(self, link: Link) -> list[Any]:
        """Of each supervisor: what is built on its node, and what its zygotes have loaded."""
        members = self._fleet.members()
        answers = await asyncio.gather(*(ask(m.link, "environments", ASK_S) for m in members))
        return [
            {"cluster": m.cluster, "node": m.node, "replica": m.replica, "application": m.application, **each}
            for m, answer in zip(members, answers, strict=True)
            for each in answer or ()
        ]

    async def _status(self, link: Link) -> dict[str, Any]:
        """What runs: gateways, clusters with their nodes, replicas with what they host."""
        found = await asyncio.gather(*(_cluster(name, agent) for name, agent in self._fleet.agents().items()))
        here = self._fleet.agents()
        clusters = [cluster for cluster in found if cluster["cluster"] in here]  # others went while they were asked
        deployed = {name for cluster in clusters for name in cluster["applications"]}
        return {
            "controller": {"pid": os.getpid()},
            "gateways": [{"name": p.get("name"), "pid": p.get("pid")} for p in self._gateways().values()],
            "clusters": clusters,
            "head": self._head(),
            "scalings": {
                version.application: f"{function.scaling.min_replicas} to {function.scaling.max_replicas}"
                for function in self._catalog
                for version in function.served()
                if version.application in deployed
            },
            "replicas": [
                {
                    "replica": m.replica,
                    "cluster": m.cluster,
                    "node": m.node,
                    "application": m.application,
                    "hosted": {key: len(executors) for key, executors in m.hosted.items()},
                }
                for m in self._fleet.members()
            ],
        }


async def _cluster(name: str, agent: Link) -> dict[str, Any]:
    """Without nodes and applications where its agent does not say them in time: that is when people look."""
    asked = (ask(agent, method, ASK_S) for method in ("nodes", "applications"))
    nodes, applications = await asyncio.gather(*asked)
    return {"cluster": name, "nodes": nodes or [], "applications": applications or {}}

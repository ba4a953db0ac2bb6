"""What runs right now: gateways, clusters, replicas with what they host, and the environments on the nodes."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping
from typing import Any

from rayfaas.errors import Unavailable
from rayfaas.handshake import Identity
from rayfaas.link import Link, Method
from rayfaas.server.asking import ask
from rayfaas.server.catalog import Catalog
from rayfaas.server.fleet import Fleet
from rayfaas.server.head import Head


class Overview:
    """`gateways` are those that are connected; `methods` are for gateways, `status` for the home too."""

    def __init__(
        self, catalog: Catalog, fleet: Fleet, head: Head, gateways: Callable[[], Mapping[Link, Identity]]
    ) -> None:
        self._catalog, self._fleet, self._head, self._gateways = catalog, fleet, head, gateways
        self.methods: dict[str, Method] = {"status": self._status, "environments": self._environments}

    async def _environments(self, link: Link) -> list[Any]:
        """Of each supervisor: what is built on its node, and what its zygotes have loaded."""
        members = self._fleet.members()
        answers = await asyncio.gather(*(ask(m.link, "environments", 10.0) for m in members))
        return [
            {"cluster": m.cluster, "node": m.node, "replica": m.replica, "application": m.application, **each}
            for m, answer in zip(members, answers, strict=True)
            for each in answer or ()
        ]

    async def _status(self, link: Link) -> dict[str, Any]:
        """What runs: gateways, clusters with their nodes, replicas with what they host."""
        clusters = []
        for name, agent in self._fleet.agents().items():
            with contextlib.suppress(Unavailable):  # it went while it was asked
                clusters.append(
                    {
                        "cluster": name,
                        "nodes": await agent.request("nodes", timeout_s=10.0),
                        "applications": await agent.request("applications", timeout_s=10.0),
                    }
                )
        deployed = {name for cluster in clusters for name in cluster["applications"]}
        return {
            "controller": {"pid": os.getpid()},
            "gateways": [{"name": p.get("name"), "pid": p.get("pid")} for p in self._gateways().values()],
            "clusters": clusters,
            "head": self._head.shown(),
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

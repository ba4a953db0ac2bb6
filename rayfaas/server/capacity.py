"""Which cluster should run a shape: one that is connected, has a node that is large enough, has room, and is near."""

from __future__ import annotations

import asyncio
from typing import Any

from rayfaas.server.asking import nodes_of
from rayfaas.server.fleet import Fleet
from rayfaas.spec import Shape

REPORT_S = 5.0


class Capacity:
    """Asks the agents what their clusters have."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    async def cluster_for(self, shape: Shape, present: str | None, timeout_s: float) -> str:
        """Waits for the cluster that the shape names, or for any. `present` is kept where it would do.

        Raises TimeoutError.
        """
        agents = await self._fleet.wait_for_agents(shape.cluster, timeout_s)
        if len(agents) == 1:
            return next(iter(agents))
        reports = await asyncio.gather(*(nodes_of(agent, REPORT_S) for agent in agents.values()))
        ranked = {
            name: (_fits(nodes, shape, "resources"), name == present, _fits(nodes, shape, "free"), not agent.is_remote)
            for (name, agent), nodes in zip(agents.items(), reports, strict=True)
        }
        return max(ranked, key=lambda name: ranked[name])

    async def of_nodes(self, cluster: str | None) -> str:
        """What the nodes of the cluster, or of all, have: `on local: 2 CPU, 1 GPU`; empty where none tells."""
        agents = {name: agent for name, agent in self._fleet.agents().items() if cluster in (None, name)}
        reports = await asyncio.gather(*(nodes_of(agent, REPORT_S) for agent in agents.values()))
        kinds = {
            name: sorted({_words(node["resources"]) for node in nodes if node["state"] == "up"})
            for name, nodes in zip(agents, reports, strict=True)
        }
        return "; ".join(f"on {name}: {' or '.join(words)}" for name, words in kinds.items() if words)


def _words(resources: dict[str, float]) -> str:
    return ", ".join(f"{resources.get(name, 0.0):g} {name}" for name in ("CPU", "GPU"))


def _fits(nodes: list[dict[str, Any]], shape: Shape, measure: str) -> bool:
    """Whether one node, that is up and stays so, has what the shape asks for."""
    wanted = {"CPU": shape.cpus, "GPU": shape.gpus, "memory": shape.memory_mb * 1024 * 1024}
    return any(
        node["state"] == "up" and all(node[measure].get(name, 0.0) >= amount for name, amount in wanted.items())
        for node in nodes
    )

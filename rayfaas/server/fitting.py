"""Whether a replica could ever be: on a node that there is or was, or on a machine that a worker group may have.

Said at once where not, since whoever waits would wait for nothing. Other clusters than this machine's may grow in ways
that nobody here knows of, so of them nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rayfaas.cloud.demand import Resources, times
from rayfaas.server.asking import ask
from rayfaas.server.capacity import REPORT_S
from rayfaas.server.catalog import Version
from rayfaas.server.clusters import LOCAL
from rayfaas.server.deployments import takes
from rayfaas.server.fleet import Fleet
from rayfaas.server.room import resources_of

Offers = Callable[[str], Mapping[str, Resources]]
"""What each machine of a cluster's worker groups has, by the group's name."""


class Fitting:
    """`is_ours` says whether the head of this machine's cluster is this server's own."""

    def __init__(self, fleet: Fleet, offers: Offers, is_ours: Callable[[], bool]) -> None:
        self._fleet, self._offers, self._is_ours = fleet, offers, is_ours

    async def why_never(self, version: Version) -> str:
        """Why none can ever come up; "" where one may, or it is not known."""
        shape = version.spec.shape
        clusters = {LOCAL, *self._fleet.joined} if shape.cluster is None else {shape.cluster}
        agent = self._fleet.agents().get(LOCAL)
        if clusters != {LOCAL} or agent is None or not self._is_ours():
            return ""
        asked, offers = resources_of(shape), self._offers(LOCAL)
        if any(times(asked, each) for each in offers.values()):
            return ""
        nodes: list[dict[str, Any]] | None = await ask(agent, "nodes", REPORT_S)
        if nodes is None:
            return ""
        # One that is down may come back. What is not counted of nodes, as the kinds of their GPUs, is not known.
        counted = {name: asked.get(name, 0.0) for name in ("CPU", "GPU", "memory")}
        if any(times(counted, node["resources"]) for node in nodes):
            return ""
        nodes_have = [_told(node["resources"]) for node in nodes if node["state"] == "up"]
        groups_have = [f"the worker group {name} {_told(each)}" for name, each in offers.items()]
        has = "; ".join([*(f"a node {each}" for each in dict.fromkeys(nodes_have)), *groups_have])
        return (
            f"A replica of {version.function} needs {takes(version)}, and nothing here can ever have that: {has}. "
            "`rayfaas cluster add NAME --help` says how to add machines that have it."
        )


def _told(resources: Resources) -> str:
    """
    >>> _told({"CPU": 8.0, "memory": 2.0 * 1024**3})
    'has 8 CPU, 0 GPU, 2048 MB'
    """
    counts = [f"{resources.get(name, 0.0):g} {name}" for name in ("CPU", "GPU")]
    memory = resources.get("memory", 0.0)
    return "has " + ", ".join([*counts, *([f"{memory / 1024**2:.0f} MB"] if memory else [])])

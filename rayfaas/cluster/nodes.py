"""The nodes of this Ray cluster: what they are, where functions without a GPU go, and how one is emptied."""

from __future__ import annotations

import time
from typing import Any, cast

import ray
from ray._private.state import available_resources_per_node
from ray._private.worker import global_worker
from ray.util import accelerators

from rayfaas.cluster import labels
from rayfaas.cluster.replica import GRACE_S
from rayfaas.errors import Conflict

_HEAD = "node:__internal_head__"
_NODE_ID = "ray.io/node-id"
_ACCELERATOR = "ray.io/accelerator-type"
_RESOURCES = ("CPU", "GPU", "memory")
# Ray names the accelerator of a node that has one in a label. Nodes that come later are told by it.
_ACCELERATORS = sorted({kind for name, kind in vars(accelerators).items() if name.isupper() and isinstance(kind, str)})

# DRAIN_NODE_REASON_PREEMPTION of Ray's autoscaler.proto: the one reason that Ray does not refuse on a busy node.
_PREEMPTION = 2
# How long replicas may be made elsewhere before those of a node that is drained go.
MOVE_S = 30.0

# Where an actor must be to be there as long as its cluster.
ON_HEAD = {_HEAD: 0.001}


def ray_nodes() -> list[dict[str, Any]]:
    """What Ray says of each node, dead ones too."""
    return cast(list[dict[str, Any]], ray.nodes())  # type: ignore[no-untyped-call]


def describe_nodes() -> list[dict[str, Any]]:
    """As the controller takes them; `state` is up, draining or down."""
    draining = set(gcs().get_draining_nodes())
    free = available_resources_per_node()  # type: ignore[no-untyped-call]
    return [
        {
            "node": node["NodeID"],
            "address": node["NodeManagerAddress"],
            "state": _state(node, draining),
            "head": _HEAD in node["Resources"],
            "resources": _counted(node["Resources"]),
            "free": _counted(free.get(node["NodeID"], {})),
        }
        for node in ray_nodes()
    ]


def away_from_gpus(nodes: list[dict[str, Any]], cpus: float, memory: int) -> dict[str, str]:
    """A label selector that keeps what needs no GPU off the nodes that have one.

    Empty where no other node would be large enough: then a function without a GPU may be there, too. `nodes` are as
    `ray.nodes` gives them, `memory` is in bytes.
    """
    alive = [node for node in nodes if node["Alive"]]
    plain = [node for node in alive if not node["Resources"].get("GPU")]
    if not any(_has(node["Resources"], cpus, memory) for node in plain):
        return {}
    unlabelled = [n["NodeID"] for n in alive if n["Resources"].get("GPU") and _ACCELERATOR not in n.get("Labels", {})]
    selector = {_ACCELERATOR: f"!in({','.join(_ACCELERATORS)})", labels.GPU: f"!in({labels.YES})"}
    return selector | ({_NODE_ID: f"!in({','.join(sorted(unlabelled))})"} if unlabelled else {})


def drain_node(node: str, reason: str) -> None:
    """Ray places nothing more there, Serve moves its replicas and ends them in order, then the node ends.

    A replica has the time to end that it has anywhere, and goes on until as many as are wanted are up elsewhere: where
    there is room for fewer, for `MOVE_S`. Asked again nothing changes. Raises `Conflict` where Ray refuses.
    """
    if node in gcs().get_draining_nodes():
        return  # the time that its replicas have would begin anew
    deadline_s = time.time() + MOVE_S + GRACE_S
    accepted, why = gcs().drain_node(node, _PREEMPTION, reason, int(deadline_s * 1000))
    if not accepted:
        raise Conflict(f"Ray does not drain the node: {why}")


def gcs() -> Any:
    """The client of Ray's global control store that this process has."""
    return global_worker.gcs_client  # type: ignore[attr-defined]


def _state(node: dict[str, Any], draining: set[str]) -> str:
    if not node["Alive"]:
        return "down"
    return "draining" if node["NodeID"] in draining else "up"


def _counted(resources: dict[str, float]) -> dict[str, float]:
    return {name: amount for name, amount in resources.items() if name in _RESOURCES}


def _has(resources: dict[str, float], cpus: float, memory: int) -> bool:
    return resources.get("CPU", 0.0) >= cpus and resources.get("memory", 0.0) >= memory

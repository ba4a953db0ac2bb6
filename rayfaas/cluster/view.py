"""What Ray says of this cluster to whoever starts and stops its nodes: what waits for room, and what is idle."""

from __future__ import annotations

from typing import Any

from ray.autoscaler.v2.sdk import get_cluster_resource_state
from ray.core.generated import autoscaler_pb2 as _pb2

from rayfaas.cluster import labels
from rayfaas.cluster.nodes import drain_node, gcs

pb2: Any = _pb2
_IDLE = pb2.NodeStatus.IDLE
_GONE = (pb2.NodeStatus.DEAD, pb2.NodeStatus.UNSPECIFIED)


def cluster_view() -> dict[str, Any]:
    """The nodes that are alive, and what waits: (resources, how often)."""
    state = get_cluster_resource_state(gcs())
    alive = [node for node in state.node_states if node.status not in _GONE]
    return {"nodes": [_node(node) for node in alive], "waiting": [_waiting(each) for each in waiting_for(state)]}


def drain(attempt: str, force: bool, reason: str) -> bool:
    """Whether nothing is on the node that this attempt made, and nothing will be: Ray looks, and takes it out, at once.

    With `force` Ray does not refuse (`drain_node`): the node's calls finish, and later this is true.
    """
    state = get_cluster_resource_state(gcs())
    node = next(
        (n for n in state.node_states if n.labels.get(labels.ATTEMPT) == attempt and n.status not in _GONE), None
    )
    if node is None:
        return True
    if force:
        drain_node(node.node_id.hex(), reason)
        return False
    accepted, _ = gcs().drain_node(node.node_id.hex(), pb2.DRAIN_NODE_REASON_IDLE_TERMINATION, reason, 0)
    return bool(accepted)


def waiting_for(state: Any) -> list[Any]:
    return [each for each in state.pending_resource_requests if each.count > 0]


def _node(node: Any) -> dict[str, Any]:
    return {
        "id": node.node_id.hex(),
        "attempt": node.labels.get(labels.ATTEMPT, ""),
        "idle_s": node.idle_duration_ms / 1000 if node.status == _IDLE else 0.0,
        "is_draining": node.status == pb2.NodeStatus.DRAINING,
        "free": dict(node.available_resources),
    }


def _waiting(each: Any) -> tuple[dict[str, float], int]:
    return dict(each.request.resources_bundle), each.count

"""The paths of clusters and nodes."""

from __future__ import annotations

from rayfaas import names
from rayfaas.gateway.openapi.components import Schema
from rayfaas.gateway.openapi.machines import LENGTH
from rayfaas.gateway.openapi.operations import operation, problems
from rayfaas.gateway.openapi.schemas import NUMBER, TEXT, WHOLE, array, nullable, record

_NAME = {**TEXT, "pattern": f"^{names.CLUSTER}$"}
_STATE = {"enum": ["up", "away", "starting", "stopping", "stopped"]}
_CLUSTER = record(
    cluster=TEXT, state=_STATE, reason=nullable(TEXT), network=nullable({"type": "boolean"}), replicas=WHOLE
)
_RESOURCES = {"type": "object", "additionalProperties": NUMBER}
_NODE = record(
    cluster=TEXT,
    node=TEXT,
    address=TEXT,
    state={"enum": ["up", "draining", "down"]},
    head={"type": "boolean"},
    resources=_RESOURCES,
    free=_RESOURCES,
    replicas=WHOLE,
)
_INVITE = record("cluster", cluster=_NAME)
_INVITED = record(cluster=TEXT, token={**TEXT, "description": "Lets one cluster in, once."}, expires_in_s=WHOLE)
_DRAINED = record(cluster=TEXT, node=TEXT)
_CONFLICT = problems(409)
_STARTED = record(cluster=TEXT, until=NUMBER)


def cluster_paths() -> dict[str, Schema]:
    return {
        "/v1/clusters": {
            "get": operation("clusters", "clusters", "Which clusters have joined", record(clusters=array(_CLUSTER))),
            "post": operation(
                "invite", "clusters", "Let a cluster join", _INVITED, status=201, body=_INVITE, more=_CONFLICT
            ),
        },
        "/v1/clusters/{cluster}": {
            "delete": operation(
                "remove_cluster",
                "clusters",
                "Remove a cluster, when its calls have ended",
                None,
                "cluster",
                "now",
                status=204,
            )
        },
        "/v1/clusters/{cluster}/start": {
            "post": operation(
                "start_cluster",
                "clusters",
                "Have it up for a time, its head, too",
                _STARTED,
                "cluster",
                status=202,
                body={"type": "object", "properties": {"for": LENGTH}, "required": ["for"]},
            )
        },
        "/v1/clusters/{cluster}/stop": {
            "post": operation(
                "stop_cluster",
                "clusters",
                "Stop its machines and its head",
                None,
                "cluster",
                status=202,
                body=record("now", now={"type": "boolean"}),
                more=_CONFLICT,
            )
        },
        "/v1/nodes": {"get": operation("nodes", "clusters", "Their nodes", record(nodes=array(_NODE)))},
        "/v1/nodes/{node}/drain": {
            "post": operation(
                "drain_node", "clusters", "Have everything leave a node", _DRAINED, "node", status=202, more=_CONFLICT
            )
        },
    }

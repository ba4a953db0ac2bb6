"""The paths of clusters and nodes."""

from __future__ import annotations

from rayfaas import names
from rayfaas.gateway.openapi.components import Schema
from rayfaas.gateway.openapi.machines import FOR_A_TIME, NOW_OR_LATER
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
            "post": _invite(),
        },
        "/v1/clusters/{cluster}": {"delete": _remove()},
        "/v1/clusters/{cluster}/start": {"post": _start()},
        "/v1/clusters/{cluster}/stop": {"post": _stop()},
        "/v1/nodes": {"get": operation("nodes", "clusters", "Their nodes", record(nodes=array(_NODE)))},
        "/v1/nodes/{node}/drain": {"post": _drain()},
    }


def _invite() -> Schema:
    summary = "Let a cluster join"
    return operation("invite", "clusters", summary, _INVITED, status=201, body=_INVITE, more=_CONFLICT)


def _remove() -> Schema:
    summary = "Remove a cluster, when its calls have ended"
    return operation("remove_cluster", "clusters", summary, None, "cluster", "now", status=204)


def _start() -> Schema:
    summary = "Have it up for a time, its head, too"
    return operation("start_cluster", "clusters", summary, _STARTED, "cluster", status=202, body=FOR_A_TIME)


def _stop() -> Schema:
    summary = "Stop its machines and its head"
    return operation(
        "stop_cluster", "clusters", summary, None, "cluster", status=202, body=NOW_OR_LATER, more=_CONFLICT
    )


def _drain() -> Schema:
    summary = "Have everything leave a node"
    return operation("drain_node", "clusters", summary, _DRAINED, "node", status=202, more=_CONFLICT)

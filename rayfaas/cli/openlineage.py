"""Lineage as OpenLineage has it: each call a completed run of a job, with the datasets that it read and wrote.

https://openlineage.io/spec/2-0-2/OpenLineage.json
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx

from rayfaas.errors import BadRequest, Unavailable
from rayfaas.graph import Edge, Graph, Node

_PRODUCER = "https://pypi.org/project/rayfaas/"
_SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS = "https://openlineage.io/spec/facets"
_ENDS = {"SUCCEEDED": "COMPLETE", "CACHED": "COMPLETE", "CANCELLED": "ABORT", "RUNNING": "RUNNING", "WAITING": "START"}

Event = dict[str, Any]


def events(graph: Graph) -> list[Event]:
    """One for each call."""
    nodes = {node.id: node for node in graph.nodes}
    return [_event(node, graph.edges, nodes) for node in graph.nodes if node.kind == "call"]


def send(made: list[Event], target: str) -> None:
    """To a file, a line each, or by POST to an HTTP endpoint, one after the other. Raises `Unavailable`."""
    if not target.startswith(("http://", "https://")):
        try:
            Path(target).write_text("".join(json.dumps(event) + "\n" for event in made))
        except OSError as error:
            raise BadRequest(f"{target} can't be written: {error.strerror}.") from None
        return
    with httpx.Client(timeout=30) as client:
        for event in made:
            try:
                client.post(target, json=event).raise_for_status()
            except httpx.HTTPError as error:
                raise Unavailable(f"{target} does not take the events: {error}") from None


def _event(call: Node, edges: list[Edge], nodes: dict[str, Node]) -> Event:
    team, _, name = (call.function or "").partition("/")
    reads = [nodes[edge.source] for edge in edges if edge.target == call.id and edge.kind == "read"]
    writes = [(nodes[edge.target], edge) for edge in edges if edge.source == call.id and edge.kind == "wrote"]
    parents = [nodes[edge.target] for edge in edges if edge.source == call.id and edge.kind == "called"]
    return {
        "eventType": _ENDS.get(call.state or "", "FAIL"),
        "eventTime": call.at,
        "producer": _PRODUCER,
        "schemaURL": _SCHEMA,
        "run": {"runId": call.call, "facets": _parent(parents)},
        "job": {"namespace": f"rayfaas/{team}", "name": name, "facets": _code(call)},
        "inputs": [_dataset(node) for node in reads],
        "outputs": [_dataset(node, edge.columns) for node, edge in writes],
    }


def _parent(parents: list[Node]) -> dict[str, Any]:
    if not parents:
        return {}
    team, _, name = (parents[0].function or "").partition("/")
    named = {"run": {"runId": parents[0].call}, "job": {"namespace": f"rayfaas/{team}", "name": name}}
    return {"parent": _facet("1-0-1/ParentRunFacet", **named)}


def _code(call: Node) -> dict[str, Any]:
    """Which version it was."""
    commit = f", commit {call.commit}{' with changes' if call.is_dirty else ''}" if call.commit else ""
    text = f"{call.function}, version {call.version}{commit}"
    return {"documentation": _facet("1-0-1/DocumentationJobFacet", description=text)}


def _dataset(node: Node, columns: list[str] | None = None) -> dict[str, Any]:
    namespace, name = _named(node.uri or "")
    facets = {}
    if node.artifact_version:
        facets["version"] = _facet("1-0-1/DatasetVersionDatasetFacet", datasetVersion=node.artifact_version)
    if columns:
        facets["schema"] = _facet("1-1-1/SchemaDatasetFacet", fields=[{"name": column} for column in columns])
    return {"namespace": namespace, "name": name, "facets": facets}


def _named(uri: str) -> tuple[str, str]:
    """As https://openlineage.io/docs/spec/naming has it.

    >>> _named("file:///data/a%20b"), _named("s3://bucket/key")
    (('file', '/data/a b'), ('s3://bucket', 'key'))
    """
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return "file", unquote(parts.path)
    host = f"{parts.scheme}://{parts.netloc}" if parts.netloc else parts.scheme
    return host or "rayfaas", uri.partition(f"{parts.netloc or ':'}")[2].lstrip("/") or uri


def _facet(schema: str, **content: Any) -> dict[str, Any]:
    version, _, name = schema.partition("/")
    url = f"{_FACETS}/{version}/{name}.json#/$defs/{name}"
    return {"_producer": _PRODUCER, "_schemaURL": url, **content}

"""Lineage as OpenLineage has it: each call a run of a job, with the datasets that it read and wrote.

https://openlineage.io/spec/2-0-2/OpenLineage.json
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx

from rayfaas.errors import BadRequest, Unavailable
from rayfaas.graph import Edge, Graph, Node

_PRODUCER = "https://pypi.org/project/rayfaas/"
_SPEC = "https://openlineage.io/spec"
_ENDS = {"SUCCEEDED": "COMPLETE", "CACHED": "COMPLETE", "CANCELLED": "ABORT"}

Event = dict[str, Any]


def events(graph: Graph) -> list[Event]:
    """Of each call its start and its end, as they came; of a version that was asked for what its calls read or wrote.

    A version of an artifact that is not certain is left out: OpenLineage has no word for doubt.
    """
    made = [event for node in graph.nodes if node.kind == "call" for event in _of_call(node, graph)]
    made += [_of_version(node, graph) for node in graph.nodes if node.kind == "version"]
    return sorted(made, key=lambda event: str(event["eventTime"]))


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


def _of_call(call: Node, graph: Graph) -> list[Event]:
    facets, job = {**_tags("TagsRunFacet", call), **_parent(call, graph)}, _job(call)
    run = {"runId": call.call, "facets": facets}
    start = _event("RunEvent", call.at, eventType="START", run=run, job=job, inputs=[], outputs=[])
    if call.ended_at is None:
        return [start]
    kind, run = _ENDS.get(call.state or "", "FAIL"), {"runId": call.call, "facets": {**facets, **_error(call)}}
    return [start, _event("RunEvent", call.ended_at, eventType=kind, run=run, job=job, **_datasets(call, graph))]


def _of_version(version: Node, graph: Graph) -> Event:
    """What all its calls read or wrote is a job's, not a run's, and true as of now."""
    job = {**_job(version), "facets": _tags("TagsJobFacet", version)}
    return _event("JobEvent", datetime.now(timezone.utc).isoformat(), job=job, **_datasets(version, graph))


def _event(kind: str, at: str | None, **content: Any) -> Event:
    schema = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/{kind}"
    return {"eventTime": at, "producer": _PRODUCER, "schemaURL": schema, **content}


def _job(node: Node) -> dict[str, Any]:
    team, _, name = (node.function or "").partition("/")
    return {"namespace": f"rayfaas/{team}", "name": f"{name}.{node.method}" if node.method else name}


def _parent(call: Node, graph: Graph) -> dict[str, Any]:
    for edge in graph.edges:
        if edge.source == call.id and edge.kind == "called":
            parent = graph.node(edge.target)
            return {"parent": _facet("1-2-0/ParentRunFacet", run={"runId": parent.call}, job=_job(parent))}
    return {}


def _tags(facet: str, node: Node) -> dict[str, Any]:
    """Which version it was, of which commit."""
    commit = f"{node.commit} with changes" if node.commit and node.is_dirty else node.commit
    said = {"version": node.version, "alias": node.alias, "commit": commit, "caller": node.caller, "team": node.team}
    tags = [{"key": key, "value": str(value), "source": "RAYFAAS"} for key, value in said.items() if value]
    return {"tags": _facet(f"1-0-0/{facet}", tags=tags)}


def _error(call: Node) -> dict[str, Any]:
    if call.code is None:
        return {}
    return {"errorMessage": _facet("1-0-1/ErrorMessageRunFacet", message=call.code, programmingLanguage="PYTHON")}


def _datasets(node: Node, graph: Graph) -> dict[str, Any]:
    reads = [edge for edge in graph.edges if edge.target == node.id and edge.kind == "read"]
    writes = [edge for edge in graph.edges if edge.source == node.id and edge.kind == "wrote"]
    return {
        "inputs": [_dataset(graph.node(edge.source), edge) for edge in reads],
        "outputs": [_dataset(graph.node(edge.target), edge) for edge in writes],
    }


def _dataset(node: Node, edge: Edge) -> dict[str, Any]:
    namespace, name = _named(node.uri or "")
    facets = {}
    if node.artifact_version and edge.is_certain:
        facets["version"] = _facet("1-0-1/DatasetVersionDatasetFacet", datasetVersion=node.artifact_version)
    if edge.columns:
        facets["schema"] = _facet("1-2-0/SchemaDatasetFacet", fields=[{"name": column} for column in edge.columns])
    return {"namespace": namespace, "name": name, "facets": facets}


def _named(uri: str) -> tuple[str, str]:
    """As https://openlineage.io/docs/spec/naming has it.

    >>> _named("file:///data/a%20b"), _named("s3://s/key"), _named("models:/bert")
    (('file', '/data/a b'), ('s3://s', 'key'), ('models', 'bert'))
    """
    scheme, colon, rest = uri.partition(":")
    if not colon:
        return "rayfaas", uri
    if uri.startswith("file:///"):
        return "file", _unquoted(uri.removeprefix("file://"))
    host, _, name = rest.removeprefix("//").partition("/")
    if rest.startswith("//") and host and name:
        return f"{scheme}://{host}", name
    return scheme, rest.strip("/") or uri


def _unquoted(path: str) -> str:
    """A name that is no text stays quoted."""
    try:
        return unquote(path, errors="strict")
    except UnicodeDecodeError:
        return path


def _facet(schema: str, **content: Any) -> dict[str, Any]:
    version, _, name = schema.partition("/")
    return {"_producer": _PRODUCER, "_schemaURL": f"{_SPEC}/facets/{version}/{name}.json#/$defs/{name}", **content}

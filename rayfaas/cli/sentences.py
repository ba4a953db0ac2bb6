"""Lineage in words: what led to something, and what led to that."""

from __future__ import annotations

from urllib.parse import unquote

from rayfaas.artifact_name import SCHEME
from rayfaas.graph import Edge, Graph, Node

# How many of what a call read a sentence names; the tree of `rayfaas lineage` has them all.
_MOST = 6


def explain(graph: Graph) -> list[str]:
    """A sentence for each step upstream, the start first. What is not known is said to be unknown."""
    told: set[str] = set()
    sentences: list[str] = []
    waiting = [graph.start]
    while waiting:
        node_id = waiting.pop(0)
        if node_id in told:
            continue
        told.add(node_id)
        node, led = graph.node(node_id), graph.next_to(node_id)
        if node.kind == "artifact":
            sentences.append(_of_artifact(node, led))
        elif led or node_id == graph.start:
            sentences.append(_of_user(node, led))
        waiting += [each.id for _, each in led]
    if graph.is_cut:
        sentences.append("There is more, which was not asked for: see `rayfaas lineage --depth`.")
    return sentences


def name_of(node: Node) -> str:
    """A node in a few words.

    >>> name_of(Node("c", "call", function="nlp/embed", version=7, alias="prod", commit="abcdef0123456"))
    'the prod nlp/embed (version 7, commit abcdef0)'
    """
    if node.kind == "artifact":
        return f"{short_uri(node)} ({version_of(node)})"
    alias = f"the {node.alias} " if node.alias else ""
    method = f".{node.method}" if node.method else ""
    commit = f", commit {node.commit[:7]}{' with changes' if node.is_dirty else ''}" if node.commit else ""
    return f"{alias}{node.function}{method} (version {node.version}{commit})"


def short_uri(node: Node) -> str:
    """A file of this machine by its path."""
    uri = node.uri or ""
    return unquote(uri.removeprefix("file://")) if uri.startswith("file:///") else uri


def version_of(node: Node) -> str:
    kind, _, rest = (node.artifact_version or "").partition(":")
    if not node.artifact_version:
        return "version not known"
    return f"version {rest[:12]}" if kind in ("sha256", "etag") else f"version {node.artifact_version[:24]}"


def _of_artifact(node: Node, led: list[tuple[Edge, Node]]) -> str:
    if not led and (node.uri or "").startswith(SCHEME):
        return f"{name_of(node)} is a name: `rayfaas sql` tells in artifact_moves who gave it, and why."
    if not led:
        return f"{name_of(node)}: who wrote it is not known."
    edge, call = led[0]
    doubt = "" if edge.is_certain else ", as far as is known,"
    return f"{name_of(node)} was written{doubt} by {name_of(call)} in call {call.call}, {_when(call)}."


def _of_user(node: Node, led: list[tuple[Edge, Node]]) -> str:
    whose = f" In call {node.call}, {_when(node)}, it" if node.kind == "call" else " It"
    read = [f"{name_of(each)}{_doubt(edge)}" for edge, each in led if edge.kind == "read"]
    used = [f"{name_of(each)} in call {each.call}" for edge, each in led if edge.kind == "called"]
    given = [f"{name_of(each)} in call {each.call}" for edge, each in led if edge.kind == "gave"]
    parts = [f"read {_listed(read)}"] if read else []
    parts += [f"was given the result of {_listed(given)}"] if given else []
    parts += [f"called {_listed(used)}"] if used else []
    name = name_of(node)
    return f"{name[0].upper()}{name[1:]}:{whose} {' and '.join(parts) or 'read nothing that is known'}."


def _listed(names: list[str]) -> str:
    if len(names) > _MOST:
        names = [*names[:_MOST], f"{len(names) - _MOST} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _when(node: Node) -> str:
    return f"at {(node.at or '')[:16].replace('T', ' ')} UTC"


def _doubt(edge: Edge) -> str:
    return "" if edge.is_certain else " (it may have changed meanwhile: the version is not certain)"

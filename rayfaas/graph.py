"""Lineage as a graph: artifacts, and the calls that read and wrote them. Every edge leads the way the data went."""

from __future__ import annotations

from typing import Literal

import msgspec

Direction = Literal["upstream", "downstream"]
MOST_DEPTH = 100


class Node(msgspec.Struct, frozen=True, omit_defaults=True):
    """An artifact in one version (`uri`, `artifact_version`, None where unknown), a call, or a version of a function.

    `alias` is what the call was asked through, or what leads to the version now. `commit` is what it was deployed from,
    `is_dirty` whether files differed from that. `at` is when the call was accepted, `ended_at` when it ended, `code`
    what its error was.
    """

    id: str
    kind: Literal["artifact", "call", "version"]
    uri: str | None = None
    artifact_version: str | None = None
    bytes: int | None = None
    call: str | None = None
    function: str | None = None
    version: int | None = None
    method: str | None = None
    alias: str | None = None
    commit: str | None = None
    is_dirty: bool | None = None
    caller: str | None = None
    team: str | None = None
    state: str | None = None
    code: str | None = None
    at: str | None = None
    ended_at: str | None = None


class Edge(msgspec.Struct, frozen=True, omit_defaults=True):
    """`read`: artifact → call; `wrote`: call → artifact; `called`: the call that was made → the one that made it, which
    had its result; `gave`: a call → an equal one that was given its result from the cache. `how` it was seen, with
    `columns` where they are known."""

    source: str
    target: str
    kind: Literal["read", "wrote", "called", "gave"]
    how: str | None = None
    columns: list[str] = []
    is_certain: bool = True


class Graph(msgspec.Struct, frozen=True):
    """What is upstream or downstream of `start`, as far as it was recorded. `is_cut`: there is more of it."""

    start: str
    direction: Direction
    nodes: list[Node]
    edges: list[Edge]
    is_cut: bool = False

    def node(self, node_id: str) -> Node:
        return next(node for node in self.nodes if node.id == node_id)

    def next_to(self, node_id: str) -> list[tuple[Edge, Node]]:
        """What is one step further from the start."""
        by_id = {node.id: node for node in self.nodes}
        if self.direction == "upstream":
            return [(edge, by_id[edge.source]) for edge in self.edges if edge.target == node_id]
        return [(edge, by_id[edge.target]) for edge in self.edges if edge.source == node_id]

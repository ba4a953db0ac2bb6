"""The keeper's journal: what it needs to go on after any end, written before each request that it tells of."""

from __future__ import annotations

from typing import Protocol

from rayfaas.cloud.node import Node, NodeEvent


class NodeJournal(Protocol):
    """Returns when what was given is safe. Called from several threads."""

    def save(self, node: Node) -> None:
        """Instead of the row with its id, if there is one."""

    def tell(self, event: NodeEvent) -> None: ...

    def save_pauses(self, cluster: str, group: str, pauses: list[float]) -> None: ...


class MemoryJournal:
    """For tests, and for simulations."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.events: list[NodeEvent] = []
        self.pauses: dict[tuple[str, str], list[float]] = {}

    def save(self, node: Node) -> None:
        self.nodes[node.id] = node

    def tell(self, event: NodeEvent) -> None:
        self.events.append(event)

    def save_pauses(self, cluster: str, group: str, pauses: list[float]) -> None:
        self.pauses[cluster, group] = list(pauses)

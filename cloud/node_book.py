"""The keeper's nodes, each in the journal before it counts, and what is told of them."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from rayfaas.cloud.node import Node, NodeEvent
from rayfaas.cloud.node_journal import NodeJournal

Key = tuple[str, str]  # cluster, group


class NodeBook:
    """All that are not gone. `lock` is held by whoever reads and then writes. `clock` is Unix time in seconds."""

    def __init__(self, journal: NodeJournal, clock: Callable[[], float], nodes: Iterable[Node]) -> None:
        self._journal, self.clock = journal, clock
        self._nodes = {node.id: node for node in nodes if node.state != "GONE"}
        self._groups: dict[Key, dict[str, Node]] = defaultdict(dict)
        for node in self._nodes.values():
            self._groups[_key(node)][node.id] = node
        self._alarmed: set[tuple[str, str]] = set()
        self.busy: set[str] = set()  # ids of nodes, and providers, that somebody is sending a request about
        self.lock = threading.RLock()

    def all(self) -> list[Node]:
        return list(self._nodes.values())

    def free(self) -> list[Node]:
        return [node for node in self.all() if node.id not in self.busy]

    def of(self, key: Key) -> list[Node]:
        return list(self._groups[key].values()) if key in self._groups else []

    def get(self, node_id: str | None) -> Node | None:
        return self._nodes.get(node_id or "")

    def change(self, node: Node, **changes: Any) -> Node:
        return self.save(msgspec.structs.replace(node, **changes))

    def decide(self, node: Node, reason: str, **changes: Any) -> Node:
        """Change what is wanted of it, and tell why."""
        if changes.get("want", node.want) != node.want:
            changes = {"changed_at": self.clock(), "not_before": 0.0, "tries": 0, "trouble": "", **changes}
        new = self.change(node, reason=reason, **changes)
        self.tell(new, f"want {new.want.lower()}", reason)
        return new

    def untroubled(self, node_id: str) -> None:
        """What was to be done about it was done."""
        with self.lock:
            if (node := self.get(node_id)) is not None:
                self.change(node, trouble="")

    def save(self, node: Node) -> Node:
        if self._nodes.get(node.id) != node:
            self._journal.save(node)
            self._nodes[node.id] = self._groups[_key(node)][node.id] = node
        return node

    def gone(self, node: Node, reason: str) -> None:
        gone = msgspec.structs.replace(node.seen("GONE", self.clock()), reason=reason)
        self._journal.save(gone)
        self._nodes.pop(node.id, None)
        self._groups[_key(node)].pop(node.id, None)
        is_surprise = node.want != "GONE"
        self.tell(gone, "vanished" if is_surprise else "gone", reason, alarm=is_surprise)

    def tell(self, node: Node, event: str, reason: str, alarm: bool = False) -> None:
        self._journal.tell(NodeEvent(self.clock(), node.cluster, node.group, node.name, event, reason, alarm))

    def alarm_once(self, event: str, about: str, reason: str, node: Node | None = None) -> None:
        """Tell a person, until `calm` says that it is over."""
        if (event, about) in self._alarmed:
            return
        self._alarmed.add((event, about))
        where = (node.cluster, node.group, node.name) if node is not None else ("", "", about)
        self._journal.tell(NodeEvent(self.clock(), *where, event, reason, alarm=True))

    def calm(self, about: str) -> None:
        self._alarmed = {each for each in self._alarmed if each[1] != about}


def _key(node: Node) -> Key:
    return node.cluster, node.group

"""The keeper's journal, as it is kept in the registry."""

from __future__ import annotations

import logging

import msgspec

from rayfaas.cloud.node import Node, NodeEvent
from rayfaas.server.store import Store

_log = logging.getLogger("rayfaas.keeper")


class NodeRows:
    """A `NodeJournal`; called from threads that are not the event loop's."""

    def __init__(self, store: Store) -> None:
        self._store, self._machines = store, store.registry.machines

    def read(self) -> list[Node]:
        return [msgspec.json.decode(each, type=Node) for each in self._machines.nodes()]

    def save(self, node: Node) -> None:
        record = msgspec.json.encode(node).decode()
        self._store.write_from_thread(self._machines.save_node, node.id, node.state, record)

    def tell(self, event: NodeEvent) -> None:
        where = "/".join(each for each in (event.cluster, event.node) if each)
        _log.log(logging.ERROR if event.alarm else logging.INFO, "%s: %s: %s", where, event.event, event.reason)
        at_us = int(event.at * 1e6)
        row = (at_us, event.cluster, event.group, event.node, event.event, event.reason, event.alarm)
        self._store.write_from_thread(self._machines.add_event, *row)

    def save_pauses(self, cluster: str, group: str, pauses: list[float]) -> None:
        self._store.write_from_thread(self._machines.save_pauses, cluster, group, pauses)

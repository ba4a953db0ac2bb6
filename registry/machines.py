"""The keeper's journal in the registry: worker groups, nodes, and each decision about them."""

from __future__ import annotations

from typing import Any

import msgspec

from rayfaas.errors import NotFound
from rayfaas.registry.alarms import Alarms
from rayfaas.registry.database import Database, now_us
from rayfaas.registry.rows import Row
from rayfaas.registry.statements import load

_SQL = load("machines.sql")
_CATALOG = load("catalog.sql")


class Machines:
    """Nodes and events are handed over as the keeper writes them: this knows no more of them than their columns."""

    def __init__(self, database: Database, alarms: Alarms) -> None:
        self._database, self._alarms = database, alarms

    def groups(self) -> list[str]:
        """As JSON."""
        return [row["spec"] for row in self._run("groups")]

    def set_group(self, cluster: str, name: str, spec: str, actor: str) -> None:
        with self._database.transaction():
            self._run("set_group", cluster=cluster, name=name, spec=spec, actor=actor)
            self._audit(actor, "worker group set", f"{cluster}/{name}", spec)

    def delete_group(self, cluster: str, name: str, actor: str) -> None:
        with self._database.transaction():
            if not self._run("delete_group", cluster=cluster, name=name):
                raise NotFound(
                    f"The cluster {cluster} has no worker group {name!r}. `rayfaas cluster show` lists them."
                )
            self._audit(actor, "worker group deleted", f"{cluster}/{name}", None)

    def nodes(self) -> list[str]:
        """Those that are not gone, as JSON."""
        return [row["record"] for row in self._run("nodes")]

    def save_node(self, node_id: str, state: str, record: str) -> None:
        """Its last state; what it was up for before stays known, for what it cost."""
        with self._database.transaction():
            self._run("save_node", id=node_id, state=state, record=record)
            for statement in ("end_stay", "begin_stay", "note_ray"):
                self._run(statement, id=node_id, record=record)

    def add_event(self, at_us: int, cluster: str, group: str, node: str, event: str, reason: str, alarm: bool) -> None:
        with self._database.transaction():
            self._run(
                "add_event", at=at_us, cluster=cluster, group=group, node=node, event=event, reason=reason, alarm=alarm
            )
            if alarm:
                self._alarms.raised(at_us, cluster, group, node, event, reason)

    def pauses(self) -> dict[tuple[str, str], list[float]]:
        """Between calls, in seconds, by cluster and group."""
        return {(row["cluster"], row["name"]): msgspec.json.decode(row["pauses"]) for row in self._run("pauses")}

    def save_pauses(self, cluster: str, group: str, pauses: list[float]) -> None:
        self._run("save_pauses", cluster=cluster, name=group, pauses=msgspec.json.encode(pauses).decode())

    def floors(self) -> dict[tuple[str, str], tuple[int, float]]:
        """How many of a group are to be up until when, as Unix time."""
        return {(row["cluster"], row["name"]): (row["number"], row["until_us"] / 1e6) for row in self._run("floors")}

    def set_floor(self, cluster: str, group: str, number: int, until: float, actor: str) -> None:
        with self._database.transaction():
            self._run("set_floor", cluster=cluster, name=group, number=number, until=int(until * 1e6))
            self._audit(actor, "nodes warmed", f"{cluster}/{group}", msgspec.json.encode([number, until]).decode())

    def _audit(self, actor: str, action: str, subject: str, detail: str | None) -> None:
        parameters = {"now": now_us(), "actor": actor, "action": action, "subject": subject, "detail": detail}
        self._database.run(_CATALOG["add_audit"], parameters)

    def _run(self, statement: str, **parameters: Any) -> list[Row]:
        return self._database.run(_SQL[statement], {"now": now_us(), **parameters})

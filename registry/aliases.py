"""Aliases: a history of moves, to which rows are only ever added."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from rayfaas.destination import Destination
from rayfaas.errors import Conflict, NotFound
from rayfaas.registry.database import Database, now_us
from rayfaas.registry.rows import AliasRow, MoveRow, Row
from rayfaas.registry.statements import load

_SQL = load("aliases.sql")


class Aliases:
    """Where each alias leads, led, and why."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def move(self, team: str, name: str, alias: str, destination: Destination, actor: str, reason: str) -> AliasRow:
        """The alias as it is now. A canary of it is SUPERSEDED; where it leads there already, nothing is recorded."""
        with self._database.transaction():
            return self.record(team, name, alias, destination, actor, reason)

    def rollback(self, team: str, name: str, alias: str, actor: str, reason: str) -> AliasRow:
        """Back to where it led before its last change that was not undone; a canary is one change.

        Raises `NotFound`, or `Conflict` where it led nowhere before.
        """
        with self._database.transaction():
            before = self.before(team, name, alias)
            why = reason or f"back to revision {before.revision}"
            return self.record(team, name, alias, before.destination, actor, why, undo=before.undo)

    def before(self, team: str, name: str, alias: str) -> MoveRow:
        """The move that a rollback returns to. Raises `NotFound`, or `Conflict` where there is none."""
        now = self.existing(team, name, alias)
        if not now.undo:
            raise Conflict(
                f"There is no change of {team}/{name}@{alias} left to undo: before, it led nowhere. "
                f"`rayfaas aliases {team}/{name} --history {alias}` shows where it led."
            )
        return self.revision(team, name, alias, now.undo)

    def existing(self, team: str, name: str, alias: str) -> MoveRow:
        """The move that is in force. Raises `NotFound`."""
        rows = self._run("alias", team=team, name=name, alias=alias)
        if not rows:
            raise NotFound(f"{team}/{name} has no alias {alias!r}. `rayfaas aliases {team}/{name}` lists those it has.")
        return MoveRow.from_row(rows[0])

    def at(self, team: str, name: str, alias: str, moment: datetime) -> AliasRow | None:
        """The alias as it was then; None where it was none yet."""
        moment_us = int(moment.timestamp() * 1e6)
        rows = self._run("at", team=team, name=name, alias=alias, moment=moment_us)
        return AliasRow.from_row(rows[0]) if rows else None

    def current(self, team: str, name: str) -> list[MoveRow]:
        """Of each alias of a function the move that is in force."""
        return [MoveRow.from_row(row) for row in self._run("aliases") if (row["team"], row["name"]) == (team, name)]

    def history(self, team: str, name: str, alias: str | None, limit: int) -> list[MoveRow]:
        """The newest first; of all aliases of a function, or of one."""
        return [MoveRow.from_row(row) for row in self._run("history", team=team, name=name, alias=alias, limit=limit)]

    def all(self) -> dict[tuple[str, str], list[AliasRow]]:
        """By team and name of the function."""
        found: dict[tuple[str, str], list[AliasRow]] = {}
        for row in self._run("aliases"):
            found.setdefault((row["team"], row["name"]), []).append(AliasRow.from_row(row))
        return found

    def record(
        self,
        team: str,
        name: str,
        alias: str,
        destination: Destination,
        actor: str,
        reason: str,
        *,
        phases: dict[str, float] | None = None,
        undo: int | None = None,
        is_canary: bool = False,
    ) -> AliasRow:
        """`move`, inside of the caller's transaction. `undo` is the revision that a rollback returns to, if not the
        present one."""
        where = {"team": team, "name": name, "alias": alias}
        rows = self._run("alias", **where)
        now = AliasRow.from_row(rows[0]) if rows else None
        if now is not None and now.destination == destination:
            return now
        revision = now.revision if now is not None else self._run("last_revision", **where)[0]["revision"]
        returns_to = now.revision if now is not None else 0
        self._run(
            "add_move",
            **where,
            revision=revision + 1,
            version=destination.version,
            destination=None if destination.is_plain else destination.model_dump_json(),
            actor=actor,
            reason=reason,
            phases=msgspec.json.encode(phases).decode() if phases is not None else None,
            undo=returns_to if undo is None else undo,
        )
        if not is_canary:
            self._supersede(where, f"{actor} moved the alias: it leads to {destination} now")
        was = str(now.destination) if now is not None else None
        self.audit(
            actor, "alias moved", f"{team}/{name}@{alias}", {"from": was, "to": str(destination), "reason": reason}
        )
        return AliasRow(alias, destination.version, revision + 1, None if destination.is_plain else destination)

    def audit(self, actor: str, action: str, subject: str, detail: dict[str, Any]) -> None:
        """Inside of the caller's transaction."""
        encoded = msgspec.json.encode(detail).decode()
        self._run("add_audit", actor=actor, action=action, subject=subject, detail=encoded)

    def _supersede(self, where: dict[str, str], why: str) -> None:
        self._run("add_superseded_step", **where, why=why)
        self._run("supersede", **where, why=why)

    def revision(self, team: str, name: str, alias: str, revision: int) -> MoveRow:
        """One that exists."""
        return MoveRow.from_row(self._run("revision", team=team, name=name, alias=alias, revision=revision)[0])

    def _run(self, statement: str, **parameters: Any) -> list[Row]:
        return self._database.run(_SQL[statement], {"now": now_us(), **parameters})

"""Aliases that only some may move."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from rayfaas.errors import NotFound
from rayfaas.registry.database import Database, now_us
from rayfaas.registry.rows import Row, moment
from rayfaas.registry.statements import load

_SQL = load("protections.sql")
_CATALOG = load("catalog.sql")


class ProtectionRow(msgspec.Struct, frozen=True):
    """`who` may move it: principals by name, and roles of teams as `team:role`."""

    team: str
    name: str
    alias: str
    who: tuple[str, ...]
    set_at: datetime
    set_by: str
    reason: str


class Protections:
    """Every change is in the audit."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[ProtectionRow]:
        return [_row(row) for row in self._run("protections")]

    def put(self, team: str, name: str, alias: str, who: Sequence[str], actor: str, reason: str) -> None:
        """In place of what was said before."""
        with self._database.transaction():
            self._run("put", team=team, name=name, alias=alias, who=list(who), actor=actor, reason=reason)
            self._audit(actor, "alias protected", f"{team}/{name}@{alias}", {"who": who, "reason": reason})

    def drop(self, team: str, name: str, alias: str, actor: str, reason: str) -> None:
        """Raises `NotFound` where it is not protected."""
        with self._database.transaction():
            if not (dropped := self._run("drop", team=team, name=name, alias=alias)):
                raise NotFound(f"{team}/{name}@{alias} is not protected.")
            detail = {"who": dropped[0]["who"], "reason": reason}
            self._audit(actor, "alias unprotected", f"{team}/{name}@{alias}", detail)

    def _audit(self, actor: str, action: str, subject: str, detail: dict[str, Any]) -> None:
        row = {"now": now_us(), "actor": actor, "action": action, "subject": subject}
        self._database.run(_CATALOG["add_audit"], {**row, "detail": msgspec.json.encode(detail).decode()})

    def _run(self, statement: str, **parameters: Any) -> list[Row]:
        return self._database.run(_SQL[statement], {"now": now_us(), **parameters})


def _row(row: Row) -> ProtectionRow:
    return ProtectionRow(
        row["team"], row["name"], row["alias"], tuple(row["who"]), moment(row["set_us"]), row["set_by"], row["reason"]
    )

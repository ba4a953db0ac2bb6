"""Functions that are not to be called any more."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from rayfaas.errors import NotFound
from rayfaas.registry.database import Database, now_us
from rayfaas.registry.rows import Row, moment
from rayfaas.registry.statements import load

_SQL = load("deprecations.sql")
_CATALOG = load("catalog.sql")


class DeprecationRow(msgspec.Struct, frozen=True):
    """Since when and by whom; `sunset_at` is when it may end, `successor` what to call instead, as `team/name`."""

    deprecated_at: datetime
    deprecated_by: str
    sunset_at: datetime | None
    successor: str | None
    reason: str


class Deprecations:
    """Every change is in the audit."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> dict[tuple[str, str], DeprecationRow]:
        """By team and name."""
        return {(row["team"], row["name"]): _row(row) for row in self._run("deprecations")}

    def put(
        self, team: str, name: str, sunset_at: datetime | None, successor: str | None, actor: str, reason: str
    ) -> DeprecationRow:
        """In place of what was said before."""
        sunset = None if sunset_at is None else int(sunset_at.timestamp() * 1e6)
        with self._database.transaction():
            self._run("put", team=team, name=name, sunset=sunset, successor=successor, actor=actor, reason=reason)
            told = {"sunset_at": sunset_at, "successor": successor, "reason": reason}
            self._audit(actor, "function deprecated", f"{team}/{name}", told)
        return self.all()[team, name]

    def drop(self, team: str, name: str, actor: str, reason: str) -> None:
        """Raises `NotFound` where it is not deprecated."""
        with self._database.transaction():
            if not self._run("drop", team=team, name=name):
                raise NotFound(f"{team}/{name} is not deprecated.")
            self._audit(actor, "deprecation ended", f"{team}/{name}", {"reason": reason})

    def _audit(self, actor: str, action: str, subject: str, detail: dict[str, Any]) -> None:
        row = {"now": now_us(), "actor": actor, "action": action, "subject": subject}
        self._database.run(_CATALOG["add_audit"], {**row, "detail": msgspec.json.encode(detail).decode()})

    def _run(self, statement: str, **parameters: Any) -> list[Row]:
        return self._database.run(_SQL[statement], {"now": now_us(), **parameters})


def _row(row: Row) -> DeprecationRow:
    sunset = row["sunset_us"]
    return DeprecationRow(
        moment(row["deprecated_us"]),
        row["deprecated_by"],
        None if sunset is None else moment(sunset),
        row["successor"],
        row["reason"],
    )

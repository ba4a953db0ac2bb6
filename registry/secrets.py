"""Secrets as they are kept: sealed by somebody who has the key, which this file's reader has not."""

from __future__ import annotations

from typing import Any

import msgspec

from rayfaas.errors import NotFound
from rayfaas.registry.database import Database, now_us
from rayfaas.registry.rows import Row, SecretRow, moment
from rayfaas.registry.statements import load

_SQL = load("secrets.sql")
_CATALOG = load("catalog.sql")


class Secrets:
    """By team and name. Audit tells who set and deleted which, and of which keys, never of values."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[SecretRow]:
        return [
            SecretRow(
                row["team"],
                row["name"],
                bytes(row["sealed"]),
                msgspec.json.decode(row["keys"]),
                row["revision"],
                moment(row["set_us"]),
                row["set_by"],
            )
            for row in self._run("all")
        ]

    def set(self, team: str, name: str, sealed: bytes, keys: list[str], actor: str, reason: str = "") -> None:
        encoded = msgspec.json.encode(keys).decode()
        with self._database.transaction():
            self._run("set", team=team, name=name, sealed=sealed, keys=encoded, actor=actor)
            self._audit(actor, "secret set", f"{team}/{name}", {"keys": keys, "reason": reason})

    def delete(self, team: str, name: str, actor: str, reason: str = "") -> None:
        with self._database.transaction():
            if not self._run("delete", team=team, name=name):
                raise NotFound(
                    f"Team {team} has no secret {name!r}. `rayfaas secrets list` shows those that there are."
                )
            self._audit(actor, "secret deleted", f"{team}/{name}", {"reason": reason})

    def _audit(self, actor: str, action: str, subject: str, detail: dict[str, Any]) -> None:
        encoded = msgspec.json.encode(detail).decode()
        parameters = {"now": now_us(), "actor": actor, "action": action, "subject": subject, "detail": encoded}
        self._database.run(_CATALOG["add_audit"], parameters)

    def _run(self, statement: str, **parameters: Any) -> list[Row]:
        return self._database.run(_SQL[statement], {"now": now_us(), **parameters})

"""For whom functions are: for everybody, or for their own team and the teams that have a grant."""

from __future__ import annotations

from typing import Any

import msgspec

from rayfaas.errors import NotFound
from rayfaas.registry.database import Database, now_us
from rayfaas.registry.rows import Row
from rayfaas.registry.statements import load

_SQL = load("grants.sql")
_CATALOG = load("catalog.sql")


class AccessRow(msgspec.Struct, frozen=True):
    """Who may see and call a function: everybody, or if it `is_closed` its own team and the teams of `grants`."""

    is_closed: bool = False
    grants: tuple[str, ...] = ()


class Grants:
    """Every change that changes something is in the audit."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> dict[tuple[str, str], AccessRow]:
        """By team and name; functions that nothing was said of are for everybody."""
        closed = {(row["team"], row["name"]) for row in self._run("closed")}
        grants: dict[tuple[str, str], list[str]] = {}
        for row in self._run("grants"):
            grants.setdefault((row["team"], row["name"]), []).append(row["grantee"])
        return {key: AccessRow(key in closed, tuple(grants.get(key, ()))) for key in closed | grants.keys()}

    def of(self, team: str, name: str) -> AccessRow:
        return self.all().get((team, name), AccessRow())

    def close(self, team: str, name: str, actor: str, reason: str) -> AccessRow:
        """For its own team only, and for those that have a grant."""
        return self._change("close", "function closed", team, name, actor, reason)

    def open(self, team: str, name: str, actor: str, reason: str) -> AccessRow:
        """For everybody. Grants stay, for the time when it is closed again."""
        return self._change("open", "function opened", team, name, actor, reason)

    def grant(self, team: str, name: str, grantee: str, actor: str, reason: str) -> AccessRow:
        return self._change("grant", "granted", team, name, actor, reason, grantee)

    def revoke(self, team: str, name: str, grantee: str, actor: str, reason: str) -> AccessRow:
        """Raises `NotFound` where the team has no grant."""
        if grantee not in self.of(team, name).grants:
            raise NotFound(f"Team {grantee} has no grant on {team}/{name}.")
        return self._change("revoke", "grant revoked", team, name, actor, reason, grantee)

    def _change(
        self, statement: str, action: str, team: str, name: str, actor: str, reason: str, grantee: str | None = None
    ) -> AccessRow:
        with self._database.transaction():
            if self._run(statement, team=team, name=name, grantee=grantee, actor=actor):
                detail = msgspec.json.encode({"grantee": grantee, "reason": reason}).decode()
                audit = {"now": now_us(), "actor": actor, "action": action, "subject": f"{team}/{name}"}
                self._database.run(_CATALOG["add_audit"], {**audit, "detail": detail})
            return self.of(team, name)

    def _run(self, statement: str, **parameters: Any) -> list[Row]:
        return self._database.run(_SQL[statement], {"now": now_us(), **parameters})

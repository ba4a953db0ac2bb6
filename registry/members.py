"""Who belongs to which team, and as what. A token has no more than its principal has."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from rayfaas.errors import Conflict, NotFound
from rayfaas.registry.database import Database, now_us
from rayfaas.registry.rows import Row, moment
from rayfaas.registry.statements import load
from rayfaas.roles import rank

_SQL = load("members.sql")
_CATALOG = load("catalog.sql")


class MemberRow(msgspec.Struct, frozen=True):
    """`since` is when the principal joined; a change of the role leaves it."""

    team: str
    principal: str
    role: str
    since: datetime
    set_by: str


class Members:
    """Every change that changes something is in the audit. There is always an admin."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[MemberRow]:
        """Who joined first is first."""
        return [_row(row) for row in self._run("members")]

    def put(self, team: str, principal: str, role: str, actor: str, reason: str) -> MemberRow:
        """Let a principal into a team, or change its role there. Raises `Conflict` where no admin would be left."""
        with self._database.transaction():
            now = self._role(team, principal)
            if now == "admin" != role:
                self._check_admins(team, principal)
            if now != role:
                self._put(team, principal, role, actor, reason)
            return _row(self._run("member", team=team, principal=principal)[0])

    def remove(self, team: str, principal: str, actor: str, reason: str) -> None:
        """Raises `NotFound`, or `Conflict` where no admin would be left."""
        with self._database.transaction():
            now = self._role(team, principal)
            if now is None:
                raise NotFound(f"{principal} is not in team {team}. `rayfaas team show {team}` lists who is.")
            if now == "admin":
                self._check_admins(team, principal)
            self._run("remove", team=team, principal=principal, actor=actor)
            self._audit(actor, "member removed", team, {"principal": principal, "role": now, "reason": reason})

    def let_have(self, team: str, principal: str, role: str, actor: str) -> None:
        """Before a token with this role, inside of the caller's transaction: who is in no such team is let in.

        Raises `Conflict` where the principal has less there.
        """
        now = self._role(team, principal)
        if now is None:
            self._put(team, principal, role, actor, "for a token")
        elif rank(now) < rank(role):
            raise Conflict(
                f"{principal} is {now} in team {team}, and a token has no more. To give more: "
                f"rayfaas team add {team} {principal} --role {role}"
            )

    def _put(self, team: str, principal: str, role: str, actor: str, reason: str) -> None:
        self._run("put", team=team, principal=principal, role=role, actor=actor)
        self._audit(actor, "member set", team, {"principal": principal, "role": role, "reason": reason})

    def _role(self, team: str, principal: str) -> str | None:
        rows = self._run("member", team=team, principal=principal)
        return str(rows[0]["role"]) if rows else None

    def _check_admins(self, team: str, principal: str) -> None:
        if not self._run("other_admins", team=team, principal=principal)[0]["admins"]:
            raise Conflict(f"{principal} is the only admin there is. Make another one first.")

    def _audit(self, actor: str, action: str, team: str, detail: dict[str, Any]) -> None:
        row = {"now": now_us(), "actor": actor, "action": action, "subject": team}
        self._database.run(_CATALOG["add_audit"], {**row, "detail": msgspec.json.encode(detail).decode()})

    def _run(self, statement: str, **parameters: Any) -> list[Row]:
        return self._database.run(_SQL[statement], {"now": now_us(), **parameters})


def _row(row: Row) -> MemberRow:
    return MemberRow(row["team"], row["principal"], row["role"], moment(row["since_us"]), row["set_by"])

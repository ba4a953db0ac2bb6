"""Tokens, and the keys with which clusters join. A token's secret is nowhere kept, only its SHA-256."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timezone
from typing import Any

import msgspec

from rayfaas.errors import Conflict, NotFound, Unauthenticated
from rayfaas.names import new_id
from rayfaas.registry.database import Database, now_us
from rayfaas.registry.members import Members
from rayfaas.registry.rows import Row, TokenRow
from rayfaas.registry.statements import load
from rayfaas.roles import Scope

_SQL = load("access.sql")
_CATALOG = load("catalog.sql")

JOIN_US = 600 * 1_000_000


class Access:
    """Who may come in."""

    def __init__(self, database: Database) -> None:
        self._database, self._members = database, Members(database)

    def tokens(self) -> list[TokenRow]:
        """Those that are not revoked, the oldest first."""
        return [TokenRow.from_row(row) for row in self._run("tokens")]

    def create_token(
        self,
        principal: str,
        team: str,
        role: str,
        actor: str,
        expires_at: datetime | None,
        scope: Scope | None = None,
        name: str | None = None,
        reason: str = "",
    ) -> tuple[str, str]:
        """The token's id and its secret, which can't be asked for again. Without a `scope` it has `role` in `team`.

        Who is not in a team that it is for is let in. Raises `Conflict` where the principal has less there.
        """
        scope = scope or Scope({team: role})
        with self._database.transaction():
            self._check_name(name)
            for each, at_most in (scope.teams or {}).items():
                self._members.let_have(each, principal, at_most, actor)
            made = self._add(principal, team, role, actor, expires_at, scope, name)
            self._audit(
                actor, "token created", f"{made[0]} for {principal} of {team} as {role}", _told(scope, name, reason)
            )
        return made

    def rotate_token(
        self, called: str, actor: str, expires_at: datetime | None, ends_at: datetime, reason: str = ""
    ) -> tuple[str, str]:
        """Another token in place of the one of this id or name, which ends at `ends_at`. Without `expires_at` it is in
        force as long as that was made for. Raises `NotFound`."""
        with self._database.transaction():
            old = self.token(called)
            if expires_at is None and old.expires_at is not None:
                expires_at = datetime.now(timezone.utc) + (old.expires_at - old.created_at)
            made = self._add(old.principal, old.team, old.role, actor, expires_at, old.scope, old.name)
            self._run("end_token", id=old.id, ends=_us(ends_at))
            told = {"new": made[0], "until": ends_at.isoformat(), "reason": reason}
            self._audit(actor, "token rotated", f"{old.id} for {old.principal}", told)
        return made

    def token(self, called: str) -> TokenRow:
        """The newest in force of this id or name. Raises `NotFound`."""
        rows = self._run("token_called", called=called)
        if not rows:
            raise _no_token(called)
        return TokenRow.from_row(rows[0])

    def revoke_token(self, called: str, actor: str, reason: str = "") -> None:
        """The one of this id, or all of this name."""
        with self._database.transaction():
            revoked = self._run("revoke_token", called=called)
            if not revoked:
                raise _no_token(called)
            for row in revoked:
                self._audit(actor, "token revoked", row["id"], {"reason": reason})

    def _check_name(self, name: str | None) -> None:
        if name is not None and self._run("token_called", called=name):
            raise Conflict(f"There is a token {name} already: rotate it, revoke it, or take another name.")

    def _add(
        self,
        principal: str,
        team: str,
        role: str,
        actor: str,
        expires_at: datetime | None,
        scope: Scope,
        name: str | None,
    ) -> tuple[str, str]:
        token_id, secret = new_id(), f"rf_{secrets.token_urlsafe(32)}"
        self._run(
            "add_token",
            id=token_id,
            digest=hashlib.sha256(secret.encode()).hexdigest(),
            principal=principal,
            team=team,
            role=role,
            actor=actor,
            expires=_us(expires_at) if expires_at else None,
            scope=msgspec.json.encode(scope).decode(),
            name=name,
        )
        return token_id, secret

    def create_join_token(self, cluster: str, actor: str) -> tuple[str, bytes]:
        """Good once, for ten minutes."""
        join_id, secret = new_id(), secrets.token_bytes(32)
        with self._database.transaction():
            self._run("drop_expired_join_tokens")
            self._run("add_join_token", id=join_id, secret=secret, cluster=cluster, expires=now_us() + JOIN_US)
            self._audit(actor, "join token created", cluster)
        return join_id, secret

    def join_key(self, join_id: str) -> bytes | None:
        """The secret that proves a join token; None where it is unknown, used or expired."""
        rows = self._run("join_secret", id=join_id)
        return bytes(rows[0]["secret"]) if rows else None

    def use_join_token(self, join_id: str) -> tuple[str, bytes]:
        """Spend it: the cluster's name and its new session key."""
        session_key = secrets.token_bytes(32)
        with self._database.transaction():
            used = self._run("use_join_token", id=join_id)
            if not used:
                raise Unauthenticated("The join token was used already, or has expired. Ask for another.")
            cluster = str(used[0]["cluster"])
            self._run("set_session", cluster=cluster, session_key=session_key)
            self._audit("join", "cluster joined", cluster)
        return cluster, session_key

    def remove_cluster(self, cluster: str, actor: str) -> None:
        """Its session key, and join tokens for it that nobody used, are good for nothing from now on."""
        with self._database.transaction():
            self._run("remove_session", cluster=cluster)
            self._run("remove_join_tokens", cluster=cluster)
            self._audit(actor, "cluster removed", cluster)

    def note(self, actor: str, action: str, subject: str) -> None:
        """Add to the audit what was done elsewhere."""
        with self._database.transaction():
            self._audit(actor, action, subject)

    def sessions(self) -> dict[str, bytes]:
        """The session key of each cluster that joined."""
        return {row["cluster"]: bytes(row["session_key"]) for row in self._run("sessions")}

    def _audit(self, actor: str, action: str, subject: str, detail: dict[str, Any] | None = None) -> None:
        encoded = None if detail is None else msgspec.json.encode(detail).decode()
        parameters = {"now": now_us(), "actor": actor, "action": action, "subject": subject, "detail": encoded}
        self._database.run(_CATALOG["add_audit"], parameters)

    def _run(self, statement: str, **parameters: Any) -> list[Row]:
        return self._database.run(_SQL[statement], {"now": now_us(), **parameters})


def _us(at: datetime) -> int:
    return int(at.timestamp() * 1e6)


def _no_token(called: str) -> NotFound:
    return NotFound(f"There is no token {called} that is in force. `rayfaas token list` shows them.")


def _told(scope: Scope, name: str | None, reason: str) -> dict[str, Any]:
    return {**msgspec.to_builtins(scope), **({"name": name} if name else {}), "reason": reason}

"""Tokens, and the keys with which clusters join. A token's secret is nowhere kept, only its SHA-256."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import Any

from rayfaas.errors import NotFound, Unauthenticated
from rayfaas.names import new_id
from rayfaas.registry.database import Database, now_us
from rayfaas.registry.rows import Row, TokenRow, moment
from rayfaas.registry.statements import load

_SQL = load("access.sql")
_CATALOG = load("catalog.sql")

JOIN_US = 600 * 1_000_000


class Access:
    """Who may come in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def tokens(self) -> list[TokenRow]:
        """Those that are not revoked, the oldest first."""
        return [
            TokenRow(
                row["id"],
                row["digest"],
                row["principal"],
                row["team"],
                row["role"],
                moment(row["created_us"]),
                row["created_by"],
                moment(row["expires_us"]) if row["expires_us"] is not None else None,
            )
            for row in self._run("tokens")
        ]

    def create_token(
        self, principal: str, team: str, role: str, actor: str, expires_at: datetime | None
    ) -> tuple[str, str]:
        """The token's id and its secret, which can't be asked for again."""
        token_id, secret = new_id(), f"rf_{secrets.token_urlsafe(32)}"
        with self._database.transaction():
            self._run(
                "add_token",
                id=token_id,
                digest=hashlib.sha256(secret.encode()).hexdigest(),
                principal=principal,
                team=team,
                role=role,
                actor=actor,
                expires=int(expires_at.timestamp() * 1e6) if expires_at else None,
            )
            self._audit(actor, "token created", f"{token_id} for {principal} of {team} as {role}")
        return token_id, secret

    def revoke_token(self, token_id: str, actor: str) -> None:
        with self._database.transaction():
            if not self._run("revoke_token", id=token_id):
                raise NotFound(f"There is no token {token_id} that is in force. `rayfaas token list` shows them.")
            self._audit(actor, "token revoked", token_id)

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

    def _audit(self, actor: str, action: str, subject: str) -> None:
        parameters = {"now": now_us(), "actor": actor, "action": action, "subject": subject, "detail": None}
        self._database.run(_CATALOG["add_audit"], parameters)

    def _run(self, statement: str, **parameters: Any) -> list[Row]:
        return self._database.run(_SQL[statement], {"now": now_us(), **parameters})

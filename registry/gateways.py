"""Gateways on other machines: the tokens with which they join, and the key of each that has."""

from __future__ import annotations

import secrets
from typing import Any

from rayfaas.errors import Unauthenticated
from rayfaas.names import new_id
from rayfaas.registry.access import JOIN_US
from rayfaas.registry.database import Database, now_us
from rayfaas.registry.rows import Row
from rayfaas.registry.statements import load

_SQL = load("gateways.sql")
_CATALOG = load("catalog.sql")


class Gateways:
    """Who may come in over the network as a gateway."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create_token(self, gateway: str, actor: str) -> tuple[str, bytes]:
        """Its id and its secret, good once, for ten minutes."""
        token_id, secret = new_id(), secrets.token_bytes(32)
        with self._database.transaction():
            self._run("drop_expired_tokens")
            self._run("add_token", id=token_id, secret=secret, gateway=gateway, expires=now_us() + JOIN_US)
            self._audit(actor, "gateway token created", gateway)
        return token_id, secret

    def token_key(self, token_id: str) -> bytes | None:
        """The secret that proves it; None where it is unknown, used or expired."""
        rows = self._run("token_secret", id=token_id)
        return bytes(rows[0]["secret"]) if rows else None

    def use_token(self, token_id: str) -> tuple[str, bytes]:
        """Spend it: the gateway's name and its new key."""
        key = secrets.token_bytes(32)
        with self._database.transaction():
            used = self._run("use_token", id=token_id)
            if not used:
                raise Unauthenticated("The token was used already, or has expired. Ask for another.")
            gateway = str(used[0]["gateway"])
            self._run("set_gateway", gateway=gateway, key=key)
            self._audit("join", "gateway joined", gateway)
        return gateway, key

    def keys(self) -> dict[str, bytes]:
        """The key of each that has joined."""
        return {row["gateway"]: bytes(row["key"]) for row in self._run("gateways")}

    def addresses(self) -> dict[str, str]:
        """Where executors dial each; "" while it has not come up."""
        return {row["gateway"]: row["address"] for row in self._run("gateways")}

    def set_address(self, gateway: str, address: str) -> None:
        self._run("set_address", gateway=gateway, address=address)

    def remove(self, gateway: str, actor: str) -> None:
        """Its key, and tokens for it that nobody used, are good for nothing from now on."""
        with self._database.transaction():
            self._run("remove_gateway", gateway=gateway)
            self._run("remove_tokens", gateway=gateway)
            self._audit(actor, "gateway removed", gateway)

    def _audit(self, actor: str, action: str, subject: str) -> None:
        parameters = {"now": now_us(), "actor": actor, "action": action, "subject": subject, "detail": None}
        self._database.run(_CATALOG["add_audit"], parameters)

    def _run(self, statement: str, **parameters: Any) -> list[Row]:
        return self._database.run(_SQL[statement], {"now": now_us(), **parameters})

"""Tokens: made, listed and revoked, in force on every gateway before the answer."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from rayfaas.link import Link, Method
from rayfaas.server.answers import plain
from rayfaas.server.routing import RouteTable
from rayfaas.server.store import Store


class Tokens:
    """What gateways, and for the first one the home, ask of them."""

    def __init__(self, store: Store, routing: RouteTable) -> None:
        self._store, self._routing = store, routing
        self.methods: dict[str, Method] = {
            "tokens": self.tokens,
            "create_token": self.create_token,
            "revoke_token": self.revoke_token,
        }

    async def tokens(self, link: Link) -> list[Any]:
        return [
            {k: v for k, v in plain(row).items() if k != "digest"}
            for row in await self._store.query(self._store.registry.access.tokens)
        ]

    async def create_token(
        self, link: Link, principal: str, team: str, role: str, expires_in_s: float | None, actor: str
    ) -> dict[str, str]:
        expires_at = datetime.now(timezone.utc) + timedelta(seconds=expires_in_s) if expires_in_s else None
        token_id, secret = await self._store.write(
            self._store.registry.access.create_token, principal, team, role, actor, expires_at
        )
        await self._routing.applied(await self.announce())
        return {"id": token_id, "token": secret}

    async def revoke_token(self, link: Link, token_id: str, actor: str) -> None:
        await self._store.write(self._store.registry.access.revoke_token, token_id, actor)
        await self._routing.applied(await self.announce())

    async def announce(self) -> int:
        """Tell the gateways of those in force; the revision with which they know."""
        rows = await self._store.write(self._store.registry.access.tokens)
        return await self._routing.set_tokens(
            [
                {
                    "digest": row.digest,
                    "principal": row.principal,
                    "team": row.team,
                    "role": row.role,
                    "expires_at": row.expires_at.timestamp() if row.expires_at else None,
                }
                for row in rows
            ]
        )

"""Tokens: made, rotated, listed and revoked, in force on every gateway before the answer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

from rayfaas.link import Link, Method
from rayfaas.registry.members import MemberRow
from rayfaas.registry.rows import TokenRow
from rayfaas.roles import Scope
from rayfaas.server.routing import RouteTable
from rayfaas.server.store import Store


class Tokens:
    """What gateways, and for the first one the home, ask of them."""

    def __init__(self, store: Store, routing: RouteTable) -> None:
        self._store, self._routing = store, routing
        self._access, self._members = store.registry.access, store.registry.members
        self.methods: dict[str, Method] = {
            "tokens": self.tokens,
            "create_token": self.create_token,
            "rotate_token": self.rotate_token,
            "revoke_token": self.revoke_token,
        }

    async def tokens(self, link: Link) -> list[Any]:
        held = _held(await self._store.query(self._members.all))
        return [_shown(row, held) for row in await self._store.query(self._access.tokens)]

    async def create_token(
        self,
        link: Link,
        principal: str,
        team: str,
        role: str,
        expires_in_s: float | None,
        actor: str,
        scope: dict[str, Any] | None = None,
        name: str | None = None,
        reason: str = "",
    ) -> dict[str, str]:
        """`scope` is a `roles.Scope`; without it the token has `role` in `team`."""
        token_id, secret = await self._store.write(
            self._access.create_token,
            principal,
            team,
            role,
            actor,
            _moment_in(expires_in_s),
            None if scope is None else Scope(scope.get("teams"), _functions(scope)),
            name,
            reason,
        )
        await self._routing.applied(await self.announce())
        return {"id": token_id, "token": secret}

    async def rotate_token(
        self, link: Link, token: str, overlap_s: float, expires_in_s: float | None, actor: str, reason: str = ""
    ) -> dict[str, str]:
        """`token` is an id or a name."""
        ends_at = datetime.now(timezone.utc) + timedelta(seconds=overlap_s)
        token_id, secret = await self._store.write(
            self._access.rotate_token, token, actor, _moment_in(expires_in_s), ends_at, reason
        )
        await self._routing.applied(await self.announce())
        return {"id": token_id, "token": secret, "replaced_until": ends_at.isoformat()}

    async def revoke_token(self, link: Link, token_id: str, actor: str, reason: str = "") -> None:
        await self._store.write(self._access.revoke_token, token_id, actor, reason)
        await self._routing.applied(await self.announce())

    async def announce(self) -> int:
        """Tell the gateways of those in force, with what they have now; the revision with which they know."""
        held = _held(await self._store.write(self._members.all))
        rows = await self._store.write(self._access.tokens)
        return await self._routing.set_tokens([_route(row, teams) for row in rows if (teams := _rights(row, held))])


Held = dict[str, dict[str, str]]
"""A principal's roles by team, by its name."""


def _held(members: Iterable[MemberRow]) -> Held:
    held: Held = {}
    for row in members:
        held.setdefault(row.principal, {})[row.team] = row.role
    return held


def _rights(row: TokenRow, held: Held) -> dict[str, str]:
    return row.scope.rights(held.get(row.principal, {}))


def _route(row: TokenRow, teams: dict[str, str]) -> dict[str, Any]:
    """As a gateway takes it (`gateway.snapshot.TokenRoute`)."""
    team, role = next(iter(teams.items()))
    return {
        "digest": row.digest,
        "principal": row.principal,
        "team": team,
        "role": role,
        "teams": teams,
        "functions": row.scope.functions,
        "expires_at": row.expires_at.timestamp() if row.expires_at else None,
    }


def _shown(row: TokenRow, held: Held) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "principal": row.principal,
        "team": row.team,
        "role": row.role,
        "teams": _rights(row, held),
        "functions": list(row.scope.functions) if row.scope.functions is not None else None,
        "created_at": row.created_at.isoformat(),
        "created_by": row.created_by,
        "expires_at": row.expires_at.isoformat() if row.expires_at else None,
    }


def _moment_in(seconds: float | None) -> datetime | None:
    return datetime.now(timezone.utc) + timedelta(seconds=seconds) if seconds else None


def _functions(scope: dict[str, Any]) -> tuple[str, ...] | None:
    functions = scope.get("functions")
    return None if functions is None else tuple(functions)

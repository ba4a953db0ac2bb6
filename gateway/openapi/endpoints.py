"""`/openapi.json`: what the asker may call, and all that is here."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.openapi.document import document
from rayfaas.gateway.openapi.functions import Callee
from rayfaas.gateway.principal import Reader
from rayfaas.gateway.problems import encode
from rayfaas.gateway.routes import Routes
from rayfaas.gateway.sight import Sight
from rayfaas.wire import JSON

_MOST_KEPT = 100
# By what a document is the same: the team that names are short for, whose sight it is, the teams of who asks.
Seen = tuple[str, Reader | None, frozenset[str]]


class OpenApi:
    """Keeps each team's document until what is deployed changes."""

    def __init__(self, routes: Routes, controller: ControllerLink) -> None:
        self._routes, self._controller = routes, controller
        self._kept: dict[Seen, tuple[int, bytes]] = {}

    def routes(self) -> list[Route]:
        return [Route("/openapi.json", self.openapi)]

    async def openapi(self, request: Request) -> Response:
        sight = Sight.of(self._routes, request)
        team = sight.principal.team
        seen = team, sight.reader, frozenset(sight.principal.teams)
        revision = self._routes.revision
        kept_at, body = self._kept.get(seen, (-1, b""))
        if kept_at != revision:
            rows = sight.seen(await self._controller.request("interfaces"))
            body = await asyncio.to_thread(_encoded, rows, team)
            self._keep(seen, revision, body)
        return Response(body, media_type=JSON, headers={"Cache-Control": "private, no-cache"})

    def _keep(self, key: Seen, revision: int, body: bytes) -> None:
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[key] = (revision, body)


def _encoded(rows: Sequence[dict[str, Any]], team: str) -> bytes:
    return encode(document([Callee(**row) for row in rows], team))

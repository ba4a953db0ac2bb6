"""`/openapi.json`, and `/docs`: a page on which a person reads it and tries calls.

The page is the same for everybody and needs no token; it asks for one, keeps it in memory and reads the document with
it. Nothing on it comes from elsewhere, and its Content-Security-Policy lets nothing in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib import resources
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

_FILES = {"/docs": ("page.html", "text/html"), "/docs/page.js": ("page.js", "text/javascript")} | {
    "/docs/page.css": ("page.css", "text/css")
}
_SAFE = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_MOST_KEPT = 100
# By what a document is the same: the team that names are short for, whose sight it is, the teams of who asks.
Seen = tuple[str, Reader | None, frozenset[str]]


class OpenApi:
    """Keeps each team's document until what is deployed changes."""

    def __init__(self, routes: Routes, controller: ControllerLink) -> None:
        self._routes, self._controller = routes, controller
        self._kept: dict[Seen, tuple[int, bytes]] = {}

    def routes(self) -> list[Route]:
        return [Route("/openapi.json", self.openapi), *(Route(path, self.file) for path in _FILES)]

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

    async def file(self, request: Request) -> Response:
        name, media_type = _FILES[request.url.path]
        content = resources.files("rayfaas.gateway.openapi").joinpath(name).read_bytes()
        return Response(content, media_type=media_type, headers=_SAFE)

    def _keep(self, key: Seen, revision: int, body: bytes) -> None:
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[key] = (revision, body)


def _encoded(rows: Sequence[dict[str, Any]], team: str) -> bytes:
    return encode(document([Callee(**row) for row in rows], team))
